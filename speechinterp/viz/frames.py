"""Frames of a stretch of sound: what each of them sees, and which belong to the stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import FrameError
from speechinterp.frames import FrameGrid, FrameRule
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_frames"]

INSIDE, OUTSIDE = "#0072B2", "#8A8A8A"
ROWS = 5
"""Bars of frames that overlap are drawn in as many rows."""
LONGEST = 3.0


def plot_frames(
    utterance: Utterance,
    grid: FrameGrid,
    start: float,
    end: float,
    *,
    rule: FrameRule = "centre",
    label: str = "",
) -> Figure:
    """Draw which samples every frame sees around a stretch of time, and which frames belong to it.

    Parameters
    ----------
    utterance
        The sound.
    grid
        Its frames, ``model.frames(utterance)``.
    start, end
        The stretch, in seconds, such as a word.
    rule
        What makes a frame belong to it.
    label
        What to call it.

    Returns
    -------
    matplotlib.figure.Figure
        Above the waveform, below a bar for what each frame sees, with a dot at its centre.

    Raises
    ------
    FrameError
        If the stretch is empty, outside the sound, or longer than 3 s.
    """
    if not 0 <= start < end <= utterance.duration + 1e-6 or end - start > LONGEST:
        raise FrameError(
            f"a stretch from {start:g} s to {end:g} s of {utterance.duration:.2f} s",
            expected=f"0 <= start < end, at most {LONGEST:g} s long",
            fix="choose a word or a phone",
        )
    margin = max(0.04, grid.receptive_field / grid.sample_rate)
    left, right = max(0.0, start - margin), min(utterance.duration, end + margin)
    rate = grid.sample_rate
    wave = utterance.waveform(rate)[round(left * rate) : round(right * rate)]
    belongs = grid.frames_in(start, end, rule)
    figure = new_figure(float(np.clip(3 + 7 * (right - left), 6, 12)), 3.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.3])
    above.plot(left + np.arange(len(wave)) / rate, wave, color="black", linewidth=0.5)
    above.set_ylabel("Amplitude", fontsize=9)
    for ax in (above, below):
        ax.axvspan(start, end, color="#0072B2", alpha=0.12, linewidth=0)
        ax.spines[["top", "right"]].set_visible(False)
    for frame in grid.frames_in(left, right, "overlap"):
        a, b = grid.seconds_of(frame)
        colour, height = (INSIDE if frame in belongs else OUTSIDE), ROWS - frame % ROWS
        below.hlines(height, max(a, left), min(b, right), color=colour, linewidth=1.6)
        below.plot((a + b) / 2, height, "o", color=colour, markersize=3.2, clip_on=True)
    below.set_yticks([])
    below.set_ylim(0.3, ROWS + 0.7)
    below.spines["left"].set_visible(False)
    below.set_ylabel("What frames see", fontsize=9)
    below.set_xlabel("Time (s)")
    below.set_xlim(left, right)
    named = f"“{label}”, " if label else ""
    hop, sees = 1000 * grid.hop / rate, 1000 * grid.receptive_field / rate
    told = f"{len(belongs)} frames ({rule}, blue), one every {hop:g} ms, each of {sees:g} ms"
    title = f"{named}{start:.3f} to {end:.3f} s: {told}"
    above.set_title(title, loc="left", fontsize=9, parse_math=False)
    return figure
