"""Regression from sums: equal to a loop over folds with scikit-learn, honest about chance and about time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import planted, score_of
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from speechinterp.errors import ProbeError
from speechinterp.probing import regress
from speechinterp.probing.plan import make_plan
from speechinterp.representations import Representations


@pytest.fixture(scope="module")
def study():
    """Two channels: one that layer 1 holds with noise and layer 0 does not, one that none holds."""
    reps = planted((0.0, 0.0), n=640, dimensions=10)
    rng = np.random.default_rng(5)
    good = 3 * reps.layer(1)[:, 0] + reps.layer(1)[:, 1] + rng.normal(size=640) + 100
    return replace(reps, units=reps.units.assign(good=good, bad=rng.normal(size=640)))


def by_loops(reps, layer, channel, alphas):
    """r within folds and R^2 of the best alpha of an inner split, in loops."""
    plan = make_plan(reps, channel, "speaker", n_folds=4, seed=0, baselines=None, numeric=True)
    rows = plan.sources["none"][1]
    x, y = reps.layer(layer)[rows].astype(float), plan.units[channel].to_numpy(float)
    guess, level = np.zeros_like(y), np.zeros_like(y)
    for train, test in plan.study.splits():
        inner = plan.study.inner(train)
        a, b = train[~inner], train[inner]
        errors = []
        for alpha in alphas:
            scale = StandardScaler().fit(x[a])
            fitted = SklearnRidge(alpha=alpha).fit(scale.transform(x[a]), y[a])
            errors.append(((fitted.predict(scale.transform(x[b])) - y[b]) ** 2).sum())
        scale = StandardScaler().fit(x[train])
        fitted = SklearnRidge(alpha=alphas[int(np.argmin(errors))]).fit(scale.transform(x[train]), y[train])
        guess[test], level[test] = fitted.predict(scale.transform(x[test])), y[train].mean()
    centred = [part - pd.Series(part).groupby(plan.study.fold).transform("mean") for part in (y, guess)]
    r = (centred[0] * centred[1]).sum() / np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return r, 1 - ((y - guess) ** 2).sum() / ((y - level) ** 2).sum()


def test_scores_are_those_of_a_loop_with_scikit_learn(study):
    scores = regress(study, ["good", "bad"])
    alphas = [10.0**k for k in range(6, -4, -1)]
    for channel in ("good", "bad"):
        for layer in (0, 1):
            r, r2 = by_loops(study, layer, channel, alphas)
            mine = scores[(scores.target == channel) & (scores.baseline == "none")]
            assert score_of(mine, "pearson_r")[layer] == pytest.approx(r, abs=1e-5)
            assert score_of(mine, "r2")[layer] == pytest.approx(r2, abs=1e-5)


def test_what_is_held_is_read_and_nothing_else(study):
    scores = regress(study, ["good", "bad"])
    good, bad = (scores[scores.target == channel] for channel in ("good", "bad"))
    assert score_of(good, "pearson_r")[1] == pytest.approx(np.sqrt(10 / 11), abs=0.02)
    assert score_of(good, "r2")[1] == pytest.approx(10 / 11, abs=0.03)
    for chance in (score_of(good, "pearson_r")[0], *score_of(bad, "pearson_r")):
        assert abs(chance) < 0.12
    assert score_of(good, "r2", "shuffled-labels").to_numpy() == pytest.approx(0, abs=0.03)
    row = good[(good.layer == 1) & (good.metric == "pearson_r") & (good.baseline == "none")].iloc[0]
    assert row.ci_low < row.score < row.ci_high
    assert (row.n_train, row.n_test, row.probe) == (480, 640, "regression")


def test_a_channel_without_values_somewhere_is_tested_where_it_has_them(study):
    units = study.units.copy()
    units.loc[units.index % 3 == 0, "good"] = np.nan
    scores = regress(replace(study, units=units), ["good", "bad"])
    assert set(scores[scores.target == "good"].n_test) == {int((units.index % 3 != 0).sum())}
    assert set(scores[scores.target == "bad"].n_test) == {640}
    assert score_of(scores[scores.target == "good"], "pearson_r")[1] > 0.9


def test_the_null_of_frames_keeps_utterances_and_smoothness():
    """The level of an utterance is read also from shifted frames: chance is far above that of permuted ones."""
    rng = np.random.default_rng(0)
    n = 1600
    slow = rng.normal(size=(n, 3)).cumsum(axis=0).astype(np.float32)
    units = pd.DataFrame(
        {
            "utterance": [f"s{i // 400}/u{i // 100}" for i in range(n)],
            "speaker": [f"s{i // 400}" for i in range(n)],
            "label": "",
            "start": (np.arange(n) % 100) * 0.02,
            "end": (np.arange(n) % 100) * 0.02 + 0.02,
            "height": slow[:, 0],
        }
    )
    frames, phones = (
        regress(Representations.of(units, slow[None], {"unit": unit}), "height")
        for unit in ("frames", "phones")
    )
    assert (frames.attrs["control"], phones.attrs["control"]) == ("shift", "permutation")
    assert score_of(frames, "pearson_r")[0] > 0.99
    null = [score_of(table, "r2", "shuffled-labels")[0] for table in (frames, phones)]
    assert null[0] > 0.5 > 0.3 > null[1]


def test_constants_and_names_are_refused(study):
    constant = replace(study, units=study.units.assign(same=1.0, few=np.nan))
    with pytest.raises(ProbeError, match="same"):
        regress(constant, "same")
    with pytest.raises(ProbeError, match="no column 'height'"):
        regress(study, "height")
