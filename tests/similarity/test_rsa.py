"""RSA is the correlation over all pairs of units, although no pair is ever looked at."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr, t
from similarity.views_of import related, timed, views

import speechinterp as si
from speechinterp.errors import SimilarityError
from speechinterp.similarity import nulls

pytestmark = pytest.mark.filterwarnings("ignore::speechinterp.similarity.SimilarityWarning")


def cosines(x):
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    return rows @ rows.T


def pairs(matrix):
    """List the entries of all pairs of two different units."""
    return np.array([matrix[i, j] for i, j in combinations(range(len(matrix)), 2)])


def correlation(a, b):
    return np.corrcoef(pairs(a), pairs(b))[0, 1]


def partial(a, b, controls):
    """Correlate what least squares on the controls leaves of both."""
    z = np.stack([np.ones(len(pairs(a))), *map(pairs, controls)], axis=1)
    left = [pairs(m) - z @ np.linalg.lstsq(z, pairs(m), rcond=None)[0] for m in (a, b)]
    return np.corrcoef(*left)[0, 1]


def same(values):
    return (np.asarray(values)[:, None] == np.asarray(values)).astype(float)


@pytest.fixture(scope="module")
def data():
    units, x, y = related(n_utterances=8, size=6)
    return units, x, y, views(units, x)


TABLE = pd.DataFrame(
    [[1, 0.5, 0.2, 0.0], [0.5, 1, 0.3, 0.1], [0.2, 0.3, 1, 0.6], [0.0, 0.1, 0.6, 1]],
    index=list("aiou"),
    columns=list("aiou"),
)


def test_two_models_are_the_correlation_of_cosines(data):
    units, x, y, reps = data
    found = si.similarity.rsa(reps, views(units, y)).iloc[0]
    assert found.score == pytest.approx(correlation(cosines(x), cosines(y)), abs=1e-6)
    found = si.similarity.rsa(views(units, x, x**2)).iloc[0]
    assert found.score == pytest.approx(correlation(cosines(x), cosines(x**2)), abs=1e-6)


def test_a_column_is_same_or_different_and_a_number_is_a_distance(data):
    units, x, _, reps = data
    assert si.similarity.rsa(reps, "label").score[0] == pytest.approx(
        correlation(cosines(x), same(units.label)), abs=1e-6
    )
    start = units.start.to_numpy()
    distance = -((start[:, None] - start) ** 2)
    assert si.similarity.rsa(reps, "start").score[0] == pytest.approx(
        correlation(cosines(x), distance), abs=1e-6
    )


def test_tables_of_labels_give_likeness_or_vectors(data):
    units, x, _, reps = data
    codes = [list("aiou").index(label) for label in units.label]
    likeness = TABLE.to_numpy()[codes][:, codes]
    assert si.similarity.rsa(reps, TABLE).score[0] == pytest.approx(
        correlation(cosines(x), likeness), abs=1e-6
    )
    shuffled = TABLE.loc[list("uoia"), list("ioau")]
    assert si.similarity.rsa(reps, shuffled).score[0] == pytest.approx(
        correlation(cosines(x), likeness), abs=1e-6
    )
    vectors = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 3)), index=list("aiou"))
    expected = correlation(cosines(x), cosines(vectors.to_numpy()[codes]))
    assert si.similarity.rsa(reps, vectors).score[0] == pytest.approx(expected, abs=1e-6)


def test_controls_are_partialled_out(data):
    units, x, _, reps = data
    start = units.start.to_numpy()
    controls = [same(units.speaker), -((start[:, None] - start) ** 2)]
    found = si.similarity.rsa(reps, "label", control=["speaker", "start"]).iloc[0]
    assert found.measure == "rsa-partial"
    assert found.score == pytest.approx(partial(cosines(x), same(units.label), controls), abs=1e-6)


def test_a_confound_is_gone_when_it_is_controlled():
    random = np.random.default_rng(0)
    units = timed([10] * 24, speakers=4)
    voice = random.normal(size=(4, 5))[[int(s[1]) for s in units.speaker]]
    # Speakers prefer labels: the two are confounded, and the vectors know the speaker only.
    units["label"] = np.where(
        random.random(len(units)) < 0.9, units.speaker, random.choice(["s0", "s1", "s2", "s3"], len(units))
    )
    reps = views(units, voice + 0.5 * random.normal(size=voice.shape))
    assert si.similarity.rsa(reps, "label").score[0] > 0.4
    assert abs(si.similarity.rsa(reps, "label", control=["speaker"]).score[0]) < 0.05


def test_the_interval_leaves_speakers_out(data):
    units, x, _, reps = data
    row = si.similarity.rsa(reps, "label", control=["utterance"]).iloc[0]
    without = []
    for speaker in units.speaker.unique():
        keep = (units.speaker != speaker).to_numpy()
        some = units[keep]
        without.append(partial(cosines(x[keep]), same(some.label), [same(some.utterance)]))
    half = t.ppf(0.975, 3) * np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert row.ci_high - row.score == pytest.approx(half, rel=1e-4)


@pytest.mark.parametrize("control", [[], ["speaker"]])
def test_the_null_is_that_of_rotated_units(data, control):
    units, x, y, reps = data
    found = si.similarity.rsa(reps, TABLE, control=control, n_null=20).iloc[0]
    codes = np.array([list("aiou").index(label) for label in units.label])
    controls = [same(units[name]) for name in control]
    draws = [
        partial(cosines(x), TABLE.to_numpy()[codes[order]][:, codes[order]], controls)
        for order in nulls.orders("shift", nulls.spans(units), 20, 0)
    ]
    assert found.null == pytest.approx(np.mean(draws), abs=1e-6)
    assert found.null_high == pytest.approx(np.quantile(draws, 0.95), abs=1e-6)
    dense = si.similarity.rsa(reps, views(units, y), n_null=20).iloc[0]
    draws = [
        correlation(cosines(x), cosines(y[order]))
        for order in nulls.orders("shift", nulls.spans(units), 20, 0)
    ]
    assert dense.null == pytest.approx(np.mean(draws), abs=3e-3)


@pytest.mark.parametrize("compare", [si.similarity.rsa, si.similarity.cka])
def test_what_is_the_same_in_an_utterance_is_not_rotated_but_exchanged(data, compare):
    units, x, _, _ = data
    voice = np.eye(len(units))[pd.factorize(units.speaker)[0]]
    loud = views(units, x + 20 * voice @ np.random.default_rng(0).normal(size=(len(units), x.shape[1])))
    found = compare(loud, "speaker", n_null=20)
    assert found.attrs["null"] == "permutation"
    assert found.score.iloc[0] > 0.5
    assert abs(found.null.iloc[0]) < 0.1
    assert compare(loud, "label", n_null=20).attrs["null"] == "shift"


def test_units_that_the_table_does_not_name_are_left_out(data):
    units, x, _, reps = data
    keep = (units.label != "u").to_numpy()
    some = TABLE.loc[list("aio"), list("aio")]
    codes = [list("aio").index(label) for label in units.label[keep]]
    with pytest.warns(UserWarning, match="Left out 12 of 48"):
        found = si.similarity.rsa(reps, some).iloc[0]
    assert found.score == pytest.approx(
        correlation(cosines(x[keep]), some.to_numpy()[codes][:, codes]), abs=1e-6
    )


def test_wrong_columns_are_refused(data):
    with pytest.raises(SimilarityError, match="tone"):
        si.similarity.rsa(data[3], "tone")
    with pytest.raises(SimilarityError, match="village"):
        si.similarity.rsa(data[3], "label", control=["village"])
    with pytest.raises(SimilarityError, match="one row a label"):
        si.similarity.rsa(data[3], pd.DataFrame(np.ones((2, 3)), index=["a", "a"]))


def means(units, x, labels):
    return np.stack([x[(units.label == label).to_numpy()].mean(axis=0) for label in labels])


def test_of_labels_it_is_the_rank_correlation_of_means(data):
    units, x, y, reps = data
    expected = spearmanr(pairs(cosines(means(units, x, "aiou"))), pairs(TABLE.to_numpy())).statistic
    found = si.similarity.rsa_of_labels(reps, TABLE).iloc[0]
    assert found.score == pytest.approx(expected, abs=1e-9)
    assert found.n == 4
    two = si.similarity.rsa_of_labels(reps, views(units, y), correlation="pearson").iloc[0]
    expected = correlation(cosines(means(units, x, "aiou")), cosines(means(units, y, "aiou")))
    assert two.score == pytest.approx(expected, abs=1e-6)
    assert abs(found.null) < 0.1


def test_agreement_of_speakers_bounds_it():
    random = np.random.default_rng(0)
    units = timed([8] * 30, speakers=5)
    codes = np.array([list("aiou").index(label) for label in units.label])
    centres = random.normal(size=(4, 6))
    clean = si.similarity.noise_ceiling(
        views(units, centres[codes] + 0.05 * random.normal(size=(240, 6)))
    ).iloc[0]
    noise = si.similarity.noise_ceiling(views(units, random.normal(size=(240, 6)))).iloc[0]
    assert 0.95 < clean.lower <= clean.upper <= 1
    assert noise.lower < 0.4
    assert noise.upper > noise.lower
    assert clean.n_speakers == 5


def test_a_noise_ceiling_by_hand():
    units = timed([8] * 12, speakers=3)
    x = np.random.default_rng(1).normal(size=(96, 5))
    of = {s: (units.speaker == s).to_numpy() for s in units.speaker.unique()}
    lower, upper = [], []
    for own in of.values():
        mine = pairs(cosines(means(units[own], x[own], "aiou")))
        lower.append(spearmanr(mine, pairs(cosines(means(units[~own], x[~own], "aiou")))).statistic)
        upper.append(spearmanr(mine, pairs(cosines(means(units, x, "aiou")))).statistic)
    found = si.similarity.noise_ceiling(views(units, x)).iloc[0]
    assert (found.lower, found.upper) == pytest.approx((np.mean(lower), np.mean(upper)), abs=1e-6)


def test_labels_need_speakers_and_a_common_inventory(data):
    units, _, _, reps = data
    with pytest.raises(SimilarityError, match="at least two speakers"):
        si.similarity.noise_ceiling(views(units.assign(speaker="s"), reps.layer(0)))
    with pytest.raises(SimilarityError, match="labels are on both sides"):
        si.similarity.rsa_of_labels(reps, pd.DataFrame(np.eye(2), index=list("xy"), columns=list("xy")))
    with pytest.raises(SimilarityError, match="pearson or spearman"):
        si.similarity.rsa_of_labels(reps, TABLE, correlation="kendall")
