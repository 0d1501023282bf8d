"""Frames as they are drawn: one bar for what each sees, blue where it belongs to the word."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_hex

import speechinterp as si
from speechinterp.errors import FrameError
from speechinterp.frames import FrameGrid
from speechinterp.viz import plot_frames
from speechinterp.viz.frames import INSIDE


@pytest.mark.parametrize("grid", [FrameGrid(16000, 320, 400), FrameGrid(16000, 320, 1040, -520)])
@pytest.mark.parametrize("rule", ["centre", "overlap"])
def test_bars_are_the_receptive_fields(grid, rule) -> None:
    utterance = next(iter(si.load_corpus("demo?type=sentence")))
    grid = grid.with_frames(90)
    word = utterance.tier("words")[1]
    _, below = plot_frames(utterance, grid, word.start, word.end, rule=rule, label=word.label).axes
    bars = [bar for bar in below.collections if hasattr(bar, "get_segments")]
    blue = [bar for bar in bars if to_hex(bar.get_color()[0]) == INSIDE.lower()]
    belongs = grid.frames_in(word.start, word.end, rule)
    assert len(blue) == len(belongs) < len(bars)
    drawn = sorted(bar.get_segments()[0][:, 0].tolist() for bar in blue)
    left, right = below.get_xlim()
    wanted = [np.clip(grid.seconds_of(frame), left, right).tolist() for frame in belongs]
    np.testing.assert_allclose(drawn, wanted)


def test_a_stretch_must_be_in_the_sound() -> None:
    utterance = next(iter(si.load_corpus("demo?type=sentence")))
    grid = FrameGrid(16000, 320, 400, n_frames=10)
    for start, end in ((0.5, 0.5), (0.1, 99.0), (-0.1, 0.2)):
        with pytest.raises(FrameError, match="stretch"):
            plot_frames(utterance, grid, start, end)
