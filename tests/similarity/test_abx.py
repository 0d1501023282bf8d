"""ABX is what its definition says, triplet by triplet, and at chance where there is nothing."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from similarity import reference

import speechinterp as si
from speechinterp.errors import SimilarityError
from speechinterp.representations import Representations
from speechinterp.similarity import dtw, triplets

CONDITIONS = {
    "on": ([], []),
    "within speaker": (["speaker"], []),
    "across speaker": ([], ["speaker"]),
    "within context and speaker": (["previous", "next", "speaker"], []),
    "within context, across speaker": (["previous", "next"], ["speaker"]),
    "across speaker and channel": ([], ["speaker", "channel"]),
}


def spoken(n=40, labels=3, speakers=3, frames=1, seed=0, planted=1.0, dimensions=5):
    """Make units in random order, `frames` rows each at most."""
    random = np.random.default_rng(seed)
    label, speaker = random.integers(labels, size=n), random.integers(speakers, size=n)
    means = random.normal(size=(labels, dimensions))
    units, vectors = [], []
    for i in range(n):
        length = int(random.integers(1, frames + 1))
        vectors.append(planted * means[label[i]] + random.normal(size=(length, dimensions)))
        unit = {
            "utterance": f"s{speaker[i]}/u{i}", "speaker": f"s{speaker[i]}", "label": "aiu"[label[i]],
            "start": 0.0, "end": 0.5, "previous": "pt"[random.integers(2)], "next": "k",
            "channel": "lr"[random.integers(2)],
        }  # fmt: skip
        units += [{**unit, "time": 0.02 * t} for t in range(length)]
    order = random.permutation(len(units))
    table = pd.DataFrame(units).iloc[order].reset_index(drop=True)
    return Representations.of(
        table, np.concatenate(vectors)[order][None].astype(np.float32), {"model": "demo/x"}
    )


def items(reps):
    """Return units as dicts with their frames in the order of time."""
    rows = reps.units.assign(row=range(len(reps)))
    found = []
    for _, group in rows.groupby("utterance"):
        unit = group.iloc[0].to_dict()
        found.append(
            {**unit, "frames": reps.layer(0)[group.sort_values("time")["row"]].astype(float).tolist()}
        )
    return found


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("name", CONDITIONS)
def test_it_is_the_mean_over_all_triplets_of_a_loop(name, frames):
    by, across = CONDITIONS[name]
    reps = spoken(frames=frames)
    units = items(reps)
    distances = {
        (i, j): reference.dtw(units[i]["frames"], units[j]["frames"])
        for i, j in itertools.product(range(len(units)), repeat=2)
    }
    cells = reference.abx_cells(units, "label", by, across, lambda i, j: distances[i, j])
    assert cells
    contexts = [c for c in by if c != "speaker"]
    speaker = 2 + by.index("speaker") if "speaker" in by else 2 + len(by) if across else None
    expected = reference.averaged(cells, contexts, speaker)
    found = si.similarity.abx(reps, by=by, across=across).iloc[0]
    assert found.score == pytest.approx(expected, abs=1e-9)
    assert found.n_cells == len(cells)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 7), m=st.integers(1, 7), seed=st.integers(0, 1000))
def test_warping_is_that_of_a_loop_and_symmetric(n, m, seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(n, 3)), random.normal(size=(m, 3))
    prepare, between = dtw.frame_distances("angular")
    table = between(prepare(torch.from_numpy(x)), prepare(torch.from_numpy(y)))
    found = [
        dtw.warped(t, *(torch.tensor([v]) for v in (0, a, 0, b)))
        for t, a, b in ((table, n, m), (table.T.contiguous(), m, n))
    ]
    assert float(found[0]) == pytest.approx(reference.dtw(x, y), abs=1e-12)
    assert float(found[1]) == float(found[0])


def test_warping_many_pairs_is_warping_each():
    random = torch.Generator().manual_seed(0)
    table = torch.rand(30, 30, generator=random, dtype=torch.float64)
    rows, columns = (torch.randint(0, 20, (200,), generator=random) for _ in range(2))
    n, m = (torch.randint(1, 9, (200,), generator=random) for _ in range(2))
    together = dtw.warped(table, rows, n, columns, m)
    alone = torch.cat(
        [
            dtw.warped(table, rows[i : i + 1], n[i : i + 1], columns[i : i + 1], m[i : i + 1])
            for i in range(200)
        ]
    )
    assert torch.equal(together, alone)


def test_distances_have_their_formulas():
    x, y = torch.tensor([[1.0, 0.0], [0.0, 0.0]]).double(), torch.tensor([[1.0, 1.0]]).double()
    expected = {"angular": [0.25, 0.5], "cosine": [1 - 2**-0.5, 1.0], "euclidean": [1.0, 2**0.5]}
    for name, values in expected.items():
        prepare, between = dtw.frame_distances(name)
        assert between(prepare(x), prepare(y)).flatten().tolist() == pytest.approx(values)


def test_equal_distances_count_one_half():
    table = spoken(n=12)
    same = Representations.of(table.units, np.ones((1, len(table), 4), np.float32))
    assert si.similarity.abx(same).score.tolist() == [0.5]


@pytest.mark.parametrize("name", ["on", "within speaker", "across speaker"])
def test_noise_is_at_chance_and_planted_labels_are_not(name):
    by, across = CONDITIONS[name]
    noise = si.similarity.abx(spoken(n=300, planted=0.0), by=by, across=across).iloc[0]
    assert noise.score == pytest.approx(0.5, abs=0.03)
    clear = si.similarity.abx(spoken(n=300, planted=3.0), by=by, across=across).iloc[0]
    assert clear.score < 0.1
    assert clear.null == pytest.approx(0.5, abs=0.03)


def test_two_gaussians_have_the_error_of_the_closed_form():
    # In one dimension d(a, x) < d(b, x) for x, a ~ N(0, 1) and b ~ N(m, 1) has a known probability.
    from scipy.stats import norm

    random, m = np.random.default_rng(0), 2.0
    label = np.repeat(["a", "b"], 400)
    values = random.normal(size=800) + m * (label == "b")
    units = pd.DataFrame({"utterance": [f"u{i:04}" for i in range(800)], "speaker": "s", "label": label,
                          "start": 0.0, "end": 0.1})  # fmt: skip
    reps = Representations.of(units, values[None, :, None].astype(np.float32))
    # (b - a)(b + a - 2x) > 0, whose factors are independent: N(m, 2) and N(m, 6).
    p, q = norm.cdf(m / 2**0.5), norm.cdf(m / 6**0.5)
    expected = 1 - (p * q + (1 - p) * (1 - q))
    assert si.similarity.abx(reps, distance="euclidean").score[0] == pytest.approx(expected, abs=0.02)


def test_tiles_change_nothing(monkeypatch):
    reps = spoken(n=120, frames=3)
    settings_ = {"by": ["previous"], "across": "speaker"}
    whole = si.similarity.abx(reps, **settings_)
    for tile, table in ((1, 200), (20, 5000), (60, 10**6)):
        monkeypatch.setattr(triplets, "TILE", tile)
        monkeypatch.setattr(triplets, "TABLE", table)
        monkeypatch.setattr(dtw, "AT_ONCE", table)
        pd.testing.assert_frame_equal(si.similarity.abx(reps, **settings_), whole)


def test_the_interval_leaves_speakers_out():
    reps = spoken(n=90, speakers=4)
    row = si.similarity.abx(reps, across="speaker").iloc[0]
    without = []
    for speaker in sorted(reps.units.speaker.unique()):
        keep = (reps.units.speaker != speaker).to_numpy()
        some = Representations.of(reps.units[keep], reps.layer(0)[keep][None])
        without.append(si.similarity.abx(some, across="speaker").score[0])
    spread = np.sqrt(3 / 4 * np.sum((np.array(without) - np.mean(without)) ** 2))
    from scipy.stats import t

    assert row.ci_high - row.score == pytest.approx(t.ppf(0.975, 3) * spread, rel=1e-9)


def test_pairs_average_to_the_score():
    reps = spoken(n=100)
    pairs = si.similarity.abx_pairs(reps, across="speaker")
    assert len(pairs) == 6
    assert pairs.score.mean() == pytest.approx(si.similarity.abx(reps, across="speaker").score[0])
    assert set(pairs.label) == {"a", "i", "u"}


def test_neighbours_are_found_in_the_tier():
    units = pd.DataFrame(
        {"utterance": ["u", "u", "u", "v"], "speaker": "s", "label": ["a", "b", "c", "d"],
         "start": [0.0, 0.1, 0.35, 0.0], "end": [0.1, 0.2, 0.4, 0.1]}
    ).iloc[[2, 0, 3, 1]]  # fmt: skip
    from speechinterp.similarity.sequences import sequences

    found = sequences(Representations.of(units, np.zeros((1, 4, 2), np.float32))).units
    assert found.label.tolist() == ["a", "b", "c", "d"]
    assert found.previous.tolist() == ["#", "a", "#", "#"]  # a pause of the annotation lies before c
    assert found.next.tolist() == ["b", "#", "#", "#"]


def test_baselines_stand_in_the_same_table_whatever_the_order_of_their_rows():
    reps = spoken(n=60)
    order = np.random.default_rng(3).permutation(len(reps))
    moved = Representations.of(reps.units.iloc[order], reps.layer(0)[order][None], {"model": "mfcc"})
    table = si.similarity.abx(reps, across="speaker", baselines={"mfcc": moved})
    assert table.baseline.tolist() == ["none", "mfcc"]
    assert table.layer.isna().tolist() == [False, True]
    assert table.score[0] == table.score[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"on": "tone"}, "tone"),
        ({"by": ["label"]}, "named twice"),
        ({"distance": "manhattan"}, "angular"),
        ({"by": ["utterance"]}, "fewer conditions"),
    ],
)
def test_wrong_conditions_are_refused(change, message):
    with pytest.raises(SimilarityError, match=message):
        si.similarity.abx(spoken(), **change)


def test_units_without_a_speaker_or_with_broken_vectors_are_refused():
    reps = spoken()
    unknown = Representations.of(reps.units.assign(speaker=None), reps.layer(0)[None])
    with pytest.raises(SimilarityError, match="does not name its speakers"):
        si.similarity.abx(unknown, by=["speaker"])
    vectors = reps.layer(0)[None].copy()
    vectors[0, 3] = np.nan
    with pytest.raises(SimilarityError, match="1 vectors"):
        si.similarity.abx(Representations.of(reps.units, vectors))
    with pytest.raises(SimilarityError, match="39 units and not 40"):
        si.similarity.abx(
            reps, baselines={"mfcc": Representations.of(reps.units[1:], reps.layer(0)[None, 1:])}
        )
