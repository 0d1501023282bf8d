"""CKA is its formula, is invariant to what it should be, and stands beside an honest chance level."""

import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from similarity import reference
from similarity.views_of import related, timed, views

import speechinterp as si
from speechinterp.errors import SimilarityError
from speechinterp.similarity import SimilarityWarning, nulls
from speechinterp.similarity.rbf import centred_kernel, gaussian

pytestmark = pytest.mark.filterwarnings("ignore::speechinterp.similarity.SimilarityWarning")


def one(table):
    """Return the only row of a table."""
    assert len(table) == 1
    return table.iloc[0]


def rotation(dimensions, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))[0]


def test_biased_is_the_formula_on_centred_features():
    units, x, y = related()
    found = one(si.similarity.cka(views(units, x), views(units, y), debiased=False))
    assert found.score == pytest.approx(reference.cka(x, y), abs=1e-6)


def test_debiased_is_the_mean_over_sets_of_four_units():
    units, x, y = related(n_utterances=3, size=4)
    found = one(si.similarity.cka(views(units, x), views(units, y)))
    assert found.score == pytest.approx(reference.debiased_cka(x @ x.T, y @ y.T), abs=1e-6)


def test_a_gaussian_kernel_is_the_mean_over_sets_of_four_units():
    units, x, y = related(n_utterances=3, size=4)
    kernels = [gaussian(side, 1.0) for side in (x, y)]
    distance = np.linalg.norm(x[:, None] - x, axis=-1)
    median = np.median(distance[np.triu_indices(len(x), 1)])
    assert kernels[0] == pytest.approx(np.exp(-(distance**2) / (2 * median**2)), abs=1e-9)
    found = one(si.similarity.cka(views(units, x), views(units, y), kernel="rbf"))
    assert found.score == pytest.approx(reference.debiased_cka(*kernels), abs=1e-5)
    biased = one(si.similarity.cka(views(units, x), views(units, y), kernel="rbf", debiased=False))
    centre = np.eye(len(x)) - 1 / len(x)
    k, l_ = (centre @ kernel @ centre for kernel in kernels)
    assert biased.score == pytest.approx(np.sum(k * l_) / np.sqrt(np.sum(k * k) * np.sum(l_ * l_)), abs=1e-5)


@pytest.mark.parametrize("debiased", [True, False])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_rotation_scale_and_shift_change_nothing(debiased, seed, scale, shift):
    units, x, y = related(seed=seed)
    plain = one(si.similarity.cka(views(units, x), views(units, y), debiased=debiased, n_null=1))
    moved = scale * y @ rotation(4, seed) + shift
    turned = one(si.similarity.cka(views(units, x), views(units, moved), debiased=debiased, n_null=1))
    for column in ("score", "ci_low", "ci_high", "null"):
        assert turned[column] == pytest.approx(plain[column], abs=1e-3 if abs(shift) > 100 * scale else 2e-5)
    itself = one(
        si.similarity.cka(views(units, x), views(units, scale * x @ rotation(6, seed)), debiased=debiased)
    )
    assert itself.score == pytest.approx(1, abs=1e-4)


def test_an_invertible_map_that_is_no_rotation_does_change_it():
    units, x, _ = related()
    stretched = x * np.array([10, 1, 1, 1, 1, 0.1])
    assert one(si.similarity.cka(views(units, x), views(units, stretched))).score < 0.9


def test_layers_are_compared_with_each_other_and_with_all_of_another_model():
    units, x, _ = related()
    random = np.random.default_rng(1)
    layers = [x + noise * random.normal(size=x.shape) for noise in (0, 1, 3)]
    among = si.similarity.cka(views(units, *layers))
    assert list(zip(among.layer, among.other_layer, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert among.score[0] > among.score[1]
    two = si.similarity.cka(views(units, *layers), views(units, *layers[:2], model="demo/y"))
    assert len(two) == 6
    assert set(two.other) == {"demo/y"}
    assert two.score[0] == pytest.approx(1)


def test_the_order_of_rows_and_units_that_one_side_lacks_change_nothing():
    units, x, y = related()
    whole = one(si.similarity.cka(views(units, x), views(units, y)))
    order = np.random.default_rng(0).permutation(len(units))
    extra = units.assign(utterance=units.utterance + "-other")
    import pandas as pd

    left = views(pd.concat([units, extra]), np.concatenate([x, y[:, [0, 1, 2, 3, 0, 1]]]))
    found = one(si.similarity.cka(left, views(units.iloc[order], y[order])))
    assert found.score == pytest.approx(whole.score, abs=1e-9)
    assert found.null == pytest.approx(whole.null, abs=1e-9)


@pytest.mark.parametrize("debiased", [True, False])
def test_the_mean_of_the_null_is_exact(debiased):
    sizes = [3, 4, 2, 5]
    units, random = timed(sizes), np.random.default_rng(0)
    x, y = (np.cumsum(random.normal(size=(14, d)), axis=0) for d in (3, 2))
    kernels = x @ x.T, y @ y.T
    score = (lambda order: _debiased(kernels[0], kernels[1][order][:, order])) if debiased else (
        lambda order: reference.cka(x, y[order]))  # fmt: skip
    rotated = np.mean([score(order) for order in reference.all_rotations(sizes)])
    found = one(si.similarity.cka(views(units, x), views(units, y), debiased=debiased, n_null=2000))
    assert found.null == pytest.approx(rotated, abs=1e-5)
    some = [score(order) for order in nulls.orders("shift", nulls.spans(units), 2000, 0)]
    assert found.null_high == pytest.approx(np.quantile(some, 0.95), abs=0.005)


def test_the_mean_over_permutations_is_exact():
    units, random = timed([6]), np.random.default_rng(0)
    x, y = random.normal(size=(6, 3)), random.normal(size=(6, 2))
    every = list(permutations(range(6)))
    for debiased in (True, False):
        found = one(
            si.similarity.cka(views(units, x), views(units, y), debiased=debiased, null="permutation")
        )
        if debiased:
            expected = np.mean([_debiased(x @ x.T, (y @ y.T)[list(p)][:, list(p)]) for p in every])
        else:
            expected = np.mean([reference.cka(x, y[list(p)]) for p in every])
        assert found.null == pytest.approx(expected, abs=1e-5)


def _debiased(k, l_):
    """Return the debiased CKA from U-centred matrices, which another test compares with the sets of four."""
    k, l_ = centred_kernel(k, True), centred_kernel(l_, True)
    return np.sum(k * l_) / np.sqrt(np.sum(k * k) * np.sum(l_ * l_))


def test_two_ways_to_the_debiased_hsic_agree():
    _, x, y = related(n_utterances=2, size=5)
    assert _debiased(x @ x.T, y @ y.T) == pytest.approx(reference.debiased_cka(x @ x.T, y @ y.T), abs=1e-10)


def test_five_items_fool_biased_cka_and_the_null_says_so():
    random = np.random.default_rng(0)
    units = timed([1] * 5)
    x, y = random.normal(size=(5, 768)), random.normal(size=(5, 768))
    with pytest.warns(SimilarityWarning, match="Chance is high"):
        biased = one(si.similarity.cka(views(units, x), views(units, y), debiased=False))
    assert biased.score > 0.98
    assert biased.null > 0.98
    assert biased.score <= biased.null_high + 0.005
    assert abs(one(si.similarity.cka(views(units, x), views(units, y))).null) < 1e-9


def test_slow_frames_fool_debiased_cka_too_and_the_null_says_so():
    random, units = np.random.default_rng(0), timed([150])
    noise = [random.normal(size=(1150, d)) for d in (768, 12)]
    for side in noise:
        for t in range(1, 1150):
            side[t] = 0.9 * side[t - 1] + np.sqrt(1 - 0.9**2) * side[t]
    x, y = (side[1000:] for side in noise)
    with pytest.warns(SimilarityWarning, match="rotated in time"):
        found = one(si.similarity.cka(views(units, x), views(units, y)))
    assert found.score > 0.4
    assert found.null == pytest.approx(found.score, abs=0.15)
    assert found.score < found.null_high + 0.1
    # Exchanging frames hides it.
    assert abs(one(si.similarity.cka(views(units, x), views(units, y), null="permutation")).null) < 1e-9


def test_related_views_exceed_their_null_and_unrelated_ones_do_not_often():
    exceeded = 0
    for seed in range(20):
        units, x, y = related(strength=0.0, seed=seed)
        row = one(si.similarity.cka(views(units, x), views(units, y)))
        exceeded += row.score > row.null_high
    assert exceeded <= 4
    units, x, y = related()
    row = one(si.similarity.cka(views(units, x), views(units, y)))
    assert row.ci_low > row.null_high


def test_the_interval_leaves_speakers_out():
    units, x, y = related(speakers=3)
    row = one(si.similarity.cka(views(units, x), views(units, y)))
    without = []
    for speaker in units.speaker.unique():
        keep = (units.speaker != speaker).to_numpy()
        without.append(one(si.similarity.cka(views(units[keep], x[keep]), views(units[keep], y[keep]))).score)
    from scipy.stats import t

    half = t.ppf(0.975, 2) * np.sqrt(2 / 3 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert row.ci_high - row.score == pytest.approx(half, rel=1e-4)


@pytest.mark.long
def test_intervals_hold_the_truth_as_often_as_they_say():
    truth = one(si.similarity.cka(*(views(*pair) for pair in _speakers(400, 0)), n_null=1)).score
    held = 0
    for seed in range(1, 101):
        row = one(si.similarity.cka(*(views(*pair) for pair in _speakers(16, seed)), n_null=1))
        held += row.ci_low <= truth <= row.ci_high
    assert 85 <= held <= 100


def _speakers(n, seed):
    """Make speakers who share a relation of two views and each have an offset of their own."""
    mix = np.random.default_rng(99).normal(size=(3, 10))
    random = np.random.default_rng(seed)
    units = timed([30] * n, n)
    shared = random.normal(size=(len(units), 3))
    offset = np.repeat(random.normal(size=(n, 10)), 30, axis=0)
    both = shared @ mix + 0.5 * offset + random.normal(size=(len(units), 10))
    return (units, both[:, :6]), (units, both[:, 6:])


def test_other_sides_can_be_columns_arrays_and_tables_of_labels():
    units, x, _ = related()
    reps = views(units, x)
    import pandas as pd

    onehot = pd.get_dummies(units.label).to_numpy(float)
    expected = one(si.similarity.cka(reps, onehot))
    assert one(si.similarity.cka(reps, "label")).score == pytest.approx(expected.score)
    table = pd.DataFrame(np.eye(4), index=list("uoia"))
    assert one(si.similarity.cka(reps, table)).score == pytest.approx(expected.score)
    length = one(si.similarity.cka(reps, "start"))
    assert length.score == pytest.approx(one(si.similarity.cka(reps, units.start.to_numpy())).score)


def test_units_without_a_value_are_left_out_of_both_sides():
    units, x, y = related()
    y[::5] = np.nan
    keep = np.isfinite(y).all(axis=1)
    with pytest.warns(SimilarityWarning, match="Left out 48 of 240"):
        found = one(si.similarity.cka(views(units, x), y, debiased=False))
    assert found.score == pytest.approx(reference.cka(x[keep], y[keep]), abs=1e-6)
    import pandas as pd

    with pytest.warns(SimilarityWarning, match="no row for u"):
        si.similarity.cka(views(units, x), pd.DataFrame(np.eye(3), index=list("aio")))


def test_the_record_says_how_it_was_done():
    units, x, y = related()
    record = si.similarity.cka(views(units, x), views(units, y, model="demo/y"), seed=3).attrs
    assert record["null"] == "shift"
    assert record["clusters"] == "speaker"
    assert record["n_clusters"] == 4
    assert record["seed"] == 3
    assert record["other"]["model"] == "demo/y"
    alone = si.similarity.cka(views(units.assign(speaker=None), x), y).attrs
    assert (alone["clusters"], alone["n_clusters"]) == ("utterance", 12)
    many = timed([4] * 40)
    assert si.similarity.cka(views(many, x[:160]), y[:160], over="utterance").attrs["n_clusters"] == 32


def test_the_random_twin_stands_in_the_same_table():
    units, x, y = related()
    table = si.similarity.cka(
        views(units, x), y, baselines={"random-init": views(units, 0 * x + y[:, [0] * 6] ** 2)}
    )
    assert table.baseline.tolist() == ["none", "random-init"]


@pytest.mark.parametrize(
    ("other", "change", "message"),
    [
        ("tone", {}, "no column 'tone'"),
        (np.zeros((3, 2)), {}, "one row for each of the 240 units"),
        (np.ones((240, 2)), {}, "the same for all 240 units"),
        ("label", {"kernel": "cosine"}, "linear or rbf"),
        ("label", {"null": "shuffle"}, "shift, permutation"),
        ("label", {"n_null": 0}, "at least one draw"),
        ("label", {"over": "village"}, "village"),
        ("label", {"kernel": "rbf", "max_units": 10}, "a larger max_units"),
    ],
)
def test_wrong_arguments_are_refused(other, change, message):
    units, x, _ = related()
    with pytest.raises(SimilarityError, match=message):
        si.similarity.cka(views(units, x), other, **change)


def test_units_that_are_mostly_the_same_have_no_gaussian_kernel():
    with pytest.raises(SimilarityError, match="kernel='linear'"):
        gaussian(np.eye(8)[:, :1], 1.0)


def test_two_sides_without_common_units_are_refused():
    units, x, y = related()
    with pytest.raises(SimilarityError, match="0 units in common"):
        si.similarity.cka(views(units, x), views(units.assign(utterance="elsewhere"), y))
    broken = x.copy()
    broken[0, 0] = np.inf
    with pytest.raises(SimilarityError, match="NaN or infinite"):
        si.similarity.cka(views(units, broken), y)


def test_no_warning_where_chance_is_low():
    units, x, y = related(n_utterances=30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        si.similarity.cka(views(units, x), views(units, y))
