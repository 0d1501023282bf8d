"""Readings against sums written out, their known extremes, and their controls."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from mixing.common import TOKENS, UNITS, wave
from scipy.stats import spearmanr
from tiny import shared_model

import speechinterp as si
from speechinterp.errors import MixingError
from speechinterp.mixing import readings as table_of_readings
from speechinterp.segments import Segment

EDGES = [0.0, 0.1, 0.3, 0.4, 0.8, 1.0]
CENTRES = [(a + b) / 2 for a, b in itertools.pairwise(EDGES)]


def a_map(values, pad=None, stacks=("encoder", "encoder")):
    """Make a map of units between EDGES, with a column of padding after them if there is one."""
    values = np.asarray(values, float)
    n = values.shape[-2]
    outside = [np.nan] * (values.shape[-1] - n)
    names = [*"abcde"[:n], *(["pad"] if outside else [])]
    dims = (
        ("layer", "head", "target", "source")[-values.ndim :]
        if values.ndim == 4
        else ("layer", "target", "source")
    )
    coords = {dim: np.arange(size) for dim, size in zip(dims, values.shape, strict=True)}
    for side, columns in (("target", n), ("source", values.shape[-1])):
        coords[f"{side}_label"] = (side, names[:columns])
        coords[f"{side}_start"] = (side, [*EDGES[:n], *outside][:columns])
        coords[f"{side}_end"] = (side, [*EDGES[1 : n + 1], *outside][:columns])
    return xr.DataArray(values, coords, dims, attrs={"target_stack": stacks[0], "source_stack": stacks[1]})


def random_map(seed=0, shape=(2, 5, 5)):
    return a_map(np.random.default_rng(seed).dirichlet(np.ones(shape[-1]) / 2, size=shape[:-1]))


def loop(mix, weight):
    """Average a weight of (target centre, source centre) over rows, one number at a time."""
    result = []
    for layer in mix.values:
        rows = []
        for i, row in enumerate(layer):
            total = sum(row[: len(CENTRES)])
            rows.append(sum(row[j] / total * weight(CENTRES[i], CENTRES[j]) for j in range(len(CENTRES))))
        result.append(sum(rows) / len(rows))
    return result


@pytest.mark.parametrize("shape", [(2, 5, 5), (2, 5, 6)])
def test_readings_of_distance_are_their_sums(shape):
    mix = random_map(shape=shape)
    longest = CENTRES[-1] - CENTRES[0]
    near = si.mixing.diagonality(mix, band=0.2)
    assert near.values == pytest.approx(loop(mix, lambda a, b: abs(a - b) <= 0.2 + 1e-9))
    far = si.mixing.mixing_distance(mix)
    assert far.values == pytest.approx(loop(mix, lambda a, b: 1000 * abs(a - b)))
    cumulative = si.mixing.cumulative_diagonality(mix)
    widths = np.linspace(0, 1, 20001)
    integral = [
        np.trapezoid(
            [loop(mix, lambda a, b, r=r: abs(a - b) <= r * longest)[layer] for r in widths[::100]],
            widths[::100],
        )
        for layer in range(2)
    ]
    assert cumulative.values == pytest.approx(integral, abs=0.005)


def test_the_diagonal_is_local_and_its_opposite_is_not():
    diagonal, opposite = a_map(np.eye(5)[None]), a_map(np.eye(5)[None, ::-1])
    assert si.mixing.diagonality(diagonal, band=0).item() == 1
    assert si.mixing.cumulative_diagonality(diagonal).item() == 1
    assert si.mixing.mixing_distance(diagonal).item() == 0
    assert si.mixing.cumulative_diagonality(opposite) < 0.5


def test_rows_without_values_are_left_out_and_not_taken_for_zeros():
    mix = random_map()
    mix.values[0, 2] = np.nan
    kept = [i for i in range(5) if i != 2]
    rows = np.abs(np.subtract.outer(CENTRES, CENTRES))
    by_hand = np.mean([(random_map().values[0, i] * rows[i]).sum() for i in kept])
    assert si.mixing.mixing_distance(mix).values[0] == pytest.approx(1000 * by_hand)


def test_heads_that_agree_have_no_diversity_and_those_that_share_nothing_have_ln_2():
    same = a_map(np.tile(random_map().values[:, None], (1, 3, 1, 1)))
    assert si.mixing.head_diversity(same).values == pytest.approx([0, 0])
    apart = a_map(np.stack([np.eye(5), np.eye(5)[::-1][[1, 0, 2, 4, 3]]])[None])
    apart.values[0, 1] = np.roll(np.eye(5), 1, axis=1)
    assert si.mixing.head_diversity(apart).item() == pytest.approx(math.log(2))


def test_head_diversity_is_the_mean_divergence_of_pairs():
    mix = random_map(shape=(2, 3, 5, 5))
    for layer in range(2):
        pairs = []
        for a in range(3):
            for b in range(a):
                for i in range(5):
                    p, q = mix.values[layer, a, i], mix.values[layer, b, i]
                    m = (p + q) / 2
                    pairs.append(0.5 * sum(p * np.log(p / m)) + 0.5 * sum(q * np.log(q / m)))
        assert si.mixing.head_diversity(mix).values[layer] == pytest.approx(np.mean(pairs))


def test_diversity_of_averaged_heads_is_refused():
    with pytest.raises(MixingError, match="axis `head`"):
        si.mixing.head_diversity(random_map())


def test_the_control_uses_all_that_can_be_used_alike():
    mix = a_map(np.tril(np.full((5, 5), 0.2))[None])
    control = si.mixing.uniform(mix).values[0]
    assert control == pytest.approx(np.tril(np.ones((5, 5))) / np.arange(1, 6)[:, None])
    padded = si.mixing.uniform(random_map(shape=(1, 5, 6))).values[0]
    assert (padded[:, -1] == 0).all()
    assert padded[:, :5] == pytest.approx(np.full((5, 5), 0.2))


def test_one_table_holds_every_reading_beside_its_control():
    mix = random_map(shape=(2, 3, 5, 5))
    table = table_of_readings(mix, band=0.3)
    assert set(table.reading) == {
        "diagonality",
        "cumulative_diagonality",
        "mixing_distance_ms",
        "head_diversity",
    }
    row = table[(table.reading == "diagonality") & (table.layer == 1) & (table["head"] == 2)]
    assert row.value.item() == pytest.approx(si.mixing.diagonality(mix, 0.3).sel(layer=1, head=2).item())
    assert row.uniform.item() == pytest.approx(
        si.mixing.diagonality(si.mixing.uniform(mix), 0.3).sel(layer=1, head=2).item()
    )
    assert "head" not in table_of_readings(random_map())


def test_tokens_have_no_distance():
    model = shared_model("whisper")
    mix = si.mixing.attention(model, wave(), UNITS, where="decoder", tokens=TOKENS)
    with pytest.raises(MixingError, match="no times"):
        si.mixing.mixing_distance(mix)
    other = si.mixing.value_zeroing(model, wave(), UNITS, where="decoder", tokens=TOKENS)
    table = si.mixing.agreement({"attention": mix, "value_zeroing": other})
    assert table.spearman.notna().all()


# the cue


CUE, TARGET = Segment(0.1, 0.3, "two"), Segment(0.4, 0.8, "rows")


def test_the_cue_has_its_mass_share_and_rank():
    row = [0.05, 0.3, 0.4, 0.2, 0.05]
    mix = a_map(np.tile(row, (1, 5, 1)))
    found = si.mixing.cue_alignment(mix, TARGET, CUE).iloc[0]
    assert (found.mass, found["rank"], found.top) == (pytest.approx(0.3), 2, 0)
    assert found.share == pytest.approx(0.3 / 0.8), "what goes to the target itself is left out"
    assert found.chance_top == found.chance_share == pytest.approx(1 / 4)


def test_the_target_itself_and_padding_do_not_compete():
    row = [0.02, 0.1, 0.03, 0.5, 0.05, 0.3]
    found = si.mixing.cue_alignment(a_map(np.tile(row, (1, 5, 1))), TARGET, CUE).iloc[0]
    assert (found["rank"], found.top) == (1, 1)
    assert found.share == pytest.approx(0.1 / 0.2)


def test_a_map_without_preference_finds_the_cue_by_chance():
    found = si.mixing.cue_alignment(a_map(np.full((1, 5, 5), 0.2)), TARGET, CUE).iloc[0]
    assert found.top == found.chance_top == found.share == 0.25


def test_smaller_units_are_added_up_for_the_mass_and_averaged_over_the_target():
    values = np.random.default_rng(3).dirichlet(np.ones(5), size=(1, 5))
    target, cue = Segment(0.3, 0.8, "c d"), Segment(0.0, 0.3, "a b")
    found = si.mixing.cue_alignment(a_map(values), target, cue).iloc[0]
    row = values[0, 2:4].mean(0)
    assert found.mass == pytest.approx(row[:2].sum())
    assert found.share == pytest.approx(row[:2].sum() / row[[0, 1, 4]].sum())
    assert found["rank"] == 1 + (row[4] > row[:2].max())
    assert found.chance_top == pytest.approx(2 / 3)


@given(st.integers(0, 1000))
def test_ranks_and_tops_agree(seed):
    mix = random_map(seed, (3, 4, 5, 5))
    table = si.mixing.cue_alignment(mix, TARGET, CUE)
    assert len(table) == 12
    assert ((table["rank"] == 1) == (table.top == 1)).all()
    assert table["rank"].between(1, 4).all()
    assert table.mass.tolist() == pytest.approx(mix.values[:, :, 3, 1].ravel().tolist())


def test_rows_without_values_give_none():
    mix = random_map()
    mix.values[0, 3] = np.nan
    table = si.mixing.cue_alignment(mix, TARGET, CUE)
    assert table[["mass", "share", "rank", "top"]].isna().all(axis=1).tolist() == [True, False]


@pytest.mark.parametrize(
    ("target", "cue", "message"),
    [
        (Segment(2, 3, "x"), CUE, "centre in the target, 'x'"),
        (TARGET, Segment(0.21, 0.29, "x"), "centre in the cue, 'x'"),
        (TARGET, Segment(0.3, 0.8, "x"), "share a unit"),
    ],
)
def test_cues_that_no_unit_stands_for_are_refused(target, cue, message):
    with pytest.raises(MixingError, match=message):
        si.mixing.cue_alignment(random_map(), target, cue)


# comparisons


def test_agreement_is_the_rank_correlation_over_other_sources():
    one, two = random_map(1), random_map(2)
    table = si.mixing.agreement({"one": one, "two": two})
    for row in table.itertuples():
        expected = []
        for i in range(5):
            others = [j for j in range(5) if j != i]
            expected.append(
                spearmanr(one.values[row.layer, i, others], two.values[row.layer, i, others]).statistic
            )
        assert row.spearman == pytest.approx(np.mean(expected))
    assert si.mixing.agreement({"one": one, "again": one}).spearman.tolist() == pytest.approx([1, 1])
    across = (
        a_map(one.values, stacks=("decoder", "encoder")),
        a_map(two.values, stacks=("decoder", "encoder")),
    )
    table = si.mixing.agreement({"one": across[0], "two": across[1]})
    expected = np.mean([spearmanr(one.values[0, i], two.values[0, i]).statistic for i in range(5)])
    assert table.spearman[0] == pytest.approx(expected), "between stacks nothing is the target itself"


def test_maps_of_other_units_are_not_compared():
    with pytest.raises(MixingError, match="the same units"):
        si.mixing.agreement({"one": random_map(), "two": random_map(shape=(2, 4, 4))})
    with pytest.raises(MixingError, match="averaged over heads"):
        si.mixing.agreement({"one": random_map(), "two": random_map(shape=(2, 3, 5, 5))})


def test_intervals_are_over_utterances_and_not_over_rows():
    rows = [(f"u{i // 50}", "vz", float(i // 50 % 2)) for i in range(1000)]
    table = pd.DataFrame(rows, columns=["utterance", "measure", "top"])
    found = si.mixing.summarise(table, "top", ["measure"]).iloc[0]
    assert (found["mean"], found["n"], found["n_utterances"]) == (0.5, 1000, 20)
    spread = 1.96 * math.sqrt(0.25 / 20)
    assert found.ci_low == pytest.approx(0.5 - spread, abs=0.06)
    assert found.ci_high == pytest.approx(0.5 + spread, abs=0.06)
    one = si.mixing.summarise(table[table.utterance == "u1"], "top", ["measure"]).iloc[0]
    assert math.isnan(one.ci_low)


def test_utterances_count_by_their_rows():
    table = pd.DataFrame({"utterance": ["a", "a", "a", "b"], "layer": 0, "x": [1.0, 1, 1, 0]})
    assert si.mixing.summarise(table, "x", ["layer"])["mean"].item() == 0.75
