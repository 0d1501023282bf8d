"""Pooling against loops, and the units that have no frame."""

import numpy as np
import pandas as pd
import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st

from speechinterp.errors import FrameError
from speechinterp.frames import RULES, FrameGrid
from speechinterp.representations import pool_units
from speechinterp.representations.pooling import every_frame, whole_unit
from speechinterp.segments import Segment

GRIDS = [FrameGrid(16000, 320, 400), FrameGrid(16000, 320, 1040, -520), FrameGrid(16000, 160, 400)]


def states(n_frames, layers=2, width=3, seed=0):
    return torch.randn(layers, n_frames, width, generator=torch.Generator().manual_seed(seed))


def assert_same(found, expected):
    vectors, rows = found
    assert vectors.shape[1] == len(rows) == len(expected)
    assert rows["unit"].tolist() == [row["unit"] for row in expected]
    assert rows["frames"].tolist() == [row["frames"] for row in expected]
    assert np.allclose(rows["time"], [row["time"] for row in expected], rtol=0, atol=1e-9)
    for i, row in enumerate(expected):
        assert np.allclose(vectors[:, i].numpy(), row["vectors"], rtol=1e-6, atol=1e-6)


milliseconds = st.integers(0, 700)


@given(
    grid=st.sampled_from(GRIDS),
    n_frames=st.integers(1, 30),
    spans=st.lists(st.tuples(milliseconds, milliseconds), max_size=6),
    pool=st.sampled_from(["mean", "centre", "min", "max", "all"]),
    rule=st.sampled_from(RULES),
)
def test_every_pool_and_rule_agrees_with_loops(grid, n_frames, spans, pool, rule):
    units = [Segment(min(s) / 1000, max(s) / 1000, "x") for s in spans]
    known, grid = states(n_frames), grid.with_frames(n_frames)
    shape = {"hop": grid.hop, "receptive_field": grid.receptive_field, "offset": grid.offset}
    expected = reference.pooled(known.tolist(), [sorted(s) for s in spans], pool, rule, **shape)
    assert_same(pool_units(known, grid, units, pool, rule), expected)


def test_a_unit_keeps_its_times_and_label():
    units = [Segment(0.05, 0.15, "nan"), Segment(0.15, 0.2, "ʃ")]
    _, rows = pool_units(states(20), GRIDS[0].with_frames(20), units)
    assert rows[["start", "end", "label"]].values.tolist() == [[0.05, 0.15, "nan"], [0.15, 0.2, "ʃ"]]


@pytest.mark.parametrize(
    "unit", [Segment(0.101, 0.104, "cl"), Segment(0.2, 0.2, "tone"), Segment(9, 9.5, "z")]
)
def test_a_unit_without_a_frame_takes_the_nearest_and_says_so(unit):
    known, grid = states(20), GRIDS[0].with_frames(20)
    nearest = int(np.abs(grid.times - (unit.start + unit.end) / 2 - 1e-9).argmin())
    for pool in ("mean", "min", "max", "centre"):
        vectors, rows = pool_units(known, grid, [unit], pool)
        assert torch.equal(vectors[:, 0], known[:, nearest])
        assert rows["frames"].tolist() == [0]
        assert rows["time"].tolist() == [grid.times[nearest]]
    assert pool_units(known, grid, [unit], "all")[0].shape == (2, 0, 3)


def test_no_units_give_no_rows_but_keep_layers_and_width():
    vectors, rows = pool_units(states(5), GRIDS[0].with_frames(5), [])
    assert vectors.shape == (2, 0, 3)
    assert list(rows) == ["unit", "start", "end", "label", "frames", "time"]
    assert len(rows) == 0


@pytest.mark.parametrize("pool", ["slice", "median", ""])
def test_an_unknown_pool_is_refused(pool):
    with pytest.raises(FrameError, match=r"pool .* of given states.*mean, centre, min, max, all\."):
        pool_units(states(5), GRIDS[0].with_frames(5), [], pool)


@pytest.mark.parametrize("n_frames", [4, 6])
def test_states_and_grid_of_two_utterances_are_refused(n_frames):
    with pytest.raises(FrameError, match=f"states of 5 frames on a grid of {n_frames}"):
        pool_units(states(5), GRIDS[0].with_frames(n_frames), [])


@pytest.mark.parametrize("grid", GRIDS)
def test_frames_as_units_tile_the_sound(grid):
    grid = grid.with_frames(30)
    duration = (grid.samples_of(29)[1] + 50) / grid.sample_rate
    vectors, rows = every_frame(states(30), grid, duration)
    rows = pd.DataFrame(rows)
    assert torch.equal(vectors, states(30))
    assert rows["frames"].tolist() == [1] * 30
    assert set(rows["label"]) == {""}
    assert rows["time"].tolist() == grid.times.tolist()
    assert np.allclose(rows["start"][1:], rows["end"][:-1], rtol=0, atol=1e-12)
    assert rows["start"].min() >= 0
    assert rows["end"].max() <= duration
    for frame, start, end in zip(range(30), rows["start"], rows["end"], strict=True):
        assert grid.frames_in(start, end) == range(frame, frame + 1)


def test_a_unit_encoded_alone_is_the_mean_of_all_its_frames():
    vectors, rows = whole_unit(states(7), Segment(0.2, 0.4, "a"))
    assert torch.equal(vectors[:, 0], states(7).mean(1))
    assert rows == [(0, 0.2, 0.4, "a", 7, pytest.approx(0.3))]
