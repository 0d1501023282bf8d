"""Encoding models explain what was planted, group by group, as regressions on the units themselves do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import planted
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.preprocessing import StandardScaler

from speechinterp.errors import ProbeError
from speechinterp.probing import encode
from speechinterp.probing.confounds import design
from speechinterp.probing.plan import make_plan
from speechinterp.representations import Representations

GROUPS = {"phone": ["label"], "length": ["length"], "nothing": ["noise"]}


@pytest.fixture(scope="module")
def reps():
    """Vectors: a part from the phone, a part from the length, noise; variances 4, 1 and 5."""
    base = planted((0.0,), n=960, classes=4)
    rng = np.random.default_rng(0)
    labels = np.unique(base.units.label, return_inverse=True)[1]
    length = rng.normal(size=960)
    phone = rng.normal(size=(4, 300))[labels]
    vectors = 2 * (phone - phone.mean(axis=0)) / (phone - phone.mean(axis=0)).std() + np.outer(
        length, rng.normal(size=300)
    )
    vectors += np.sqrt(5) * rng.normal(size=(960, 300)) + 10
    units = base.units.assign(length=length, noise=rng.normal(size=960))
    return Representations.of(units, vectors.astype(np.float32)[None])


def table(scores, baseline="none"):
    return scores[scores.baseline == baseline].set_index(["target", "metric"]).score


def test_each_group_explains_the_variance_that_was_planted(reps):
    found = table(encode(reps, GROUPS))
    assert found["all", "r2"] == pytest.approx(0.5, abs=0.03)
    assert found["phone", "r2"] == pytest.approx(0.4, abs=0.03)
    assert found["phone", "unique_r2"] == pytest.approx(0.4, abs=0.03)
    assert found["length", "unique_r2"] == pytest.approx(0.1, abs=0.02)
    assert found["nothing", "unique_r2"] == pytest.approx(0, abs=0.003)


def test_permuted_features_explain_nothing(reps):
    null = table(encode(reps, GROUPS), "shuffled-labels")
    assert null.abs().max() < 0.01


def test_what_groups_share_is_unique_to_none(reps):
    twice = replace(reps, units=reps.units.assign(again=reps.units.length))
    found = table(encode(twice, {"length": ["length"], "again": ["again"]}))
    assert found["length", "r2"] == pytest.approx(0.1, abs=0.02)
    assert found["length", "unique_r2"] == pytest.approx(0, abs=1e-3)


def test_scores_are_those_of_a_loop_with_scikit_learn(reps):
    plan = make_plan(reps, None, "speaker", n_folds=4, seed=0, baselines=None)
    y, units = reps.layer(0)[plan.sources["none"][1]].astype(float), plan.units
    for name, columns in (("phone", ["label"]), ("all", ["label", "length", "noise"])):
        f = design(units, columns)
        error = total = 0.0
        for train, test in plan.study.splits():
            inner = plan.study.inner(train)
            best = None
            for alpha in [10.0**k for k in range(6, -4, -1)]:
                scale = StandardScaler().fit(f[train[~inner]])
                fitted = SklearnRidge(alpha=alpha).fit(scale.transform(f[train[~inner]]), y[train[~inner]])
                missed = ((fitted.predict(scale.transform(f[train[inner]])) - y[train[inner]]) ** 2).sum()
                best = min(best or (np.inf, 0), (missed, alpha))
            scale = StandardScaler().fit(f[train])
            fitted = SklearnRidge(alpha=best[1]).fit(scale.transform(f[train]), y[train])
            error += ((fitted.predict(scale.transform(f[test])) - y[test]) ** 2).sum()
            total += ((y[test] - y[train].mean(axis=0)) ** 2).sum()
        assert table(encode(reps, GROUPS))[name, "r2"] == pytest.approx(1 - error / total, abs=1e-5)


def test_voices_explain_where_they_are_known(reps):
    rng = np.random.default_rng(1)
    voice = pd.factorize(reps.units.speaker)[0]
    vectors = reps.layer(0) + 3 * rng.normal(size=(8, 300)).astype(np.float32)[voice]
    loud = Representations.of(reps.units, vectors[None])
    groups = {"phone": ["label"], "voice": ["speaker"]}
    assert table(encode(loud, groups, folds="utterance"))["voice", "unique_r2"] > 0.3
    assert table(encode(loud, groups, folds="speaker"))["voice", "unique_r2"] < 0.01


def test_groups_need_names_and_columns(reps):
    for groups in ({}, {"all": ["label"]}, {"phone": []}):
        with pytest.raises(ProbeError, match="Groups of features"):
            encode(reps, groups)
    with pytest.raises(ProbeError, match="no confound 'stress'"):
        encode(reps, {"stress": ["stress"]})
