"""One alignment: waveform, spectrogram, and found tiers beside those of the annotation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError
from speechinterp.segments import Tier
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_alignment"]

GOLD, FOUND = "#6E6E6E", "#0072B2"
RATE = 16000
WINDOW = 80
"""Samples of the spectrogram's window, 5 ms: bursts and closures stay sharp, as in Praat's default."""
DYNAMIC = 60.0
"""Decibels below the maximum that are shown."""


def plot_alignment(
    utterance: Utterance, found: Mapping[str, Tier], start: float = 0.0, end: float | None = None
) -> Figure:
    """Draw the sound of an utterance with found tiers and those it came with.

    Parameters
    ----------
    utterance
        The sound, and its own tiers as gold.
    found
        Tiers by name, as :func:`~speechinterp.align.align` returns them.
    start, end
        The stretch to draw, in seconds; by default the first 8 s.

    Returns
    -------
    matplotlib.figure.Figure
        Found boundaries are drawn through waveform and spectrogram: solid those of words, dotted those of phones.

    Raises
    ------
    AlignmentError
        If the stretch is empty.
    """
    end = min(utterance.duration, start + 8.0) if end is None else min(end, utterance.duration)
    if not 0 <= start < end:
        raise AlignmentError(
            f"a stretch from {start} s to {end} s of {utterance.duration:.2f} s",
            expected="0 <= start < end",
            fix="choose a stretch within the sound",
        )
    sound = utterance.waveform(RATE)[round(start * RATE) : round(end * RATE)]
    rows = [(name, gold) for name in found for gold in (True, False) if not gold or name in utterance.tiers]
    heights = [1.0, 2.2, *[0.42] * len(rows)]
    width = float(np.clip(2.0 + 2.6 * (end - start), 6.0, 18.0))
    figure = new_figure(width, 0.75 * sum(heights) + 0.6, layout=None)
    figure.set_layout_engine("constrained", h_pad=0.01, hspace=0.02)
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _sound(axes[0], axes[1], sound, start)
    for name, ax in [(n, a) for n in found for a in axes[:2]]:
        style = "-" if name == "words" else (0, (1, 2))
        times = sorted({t for s in found[name] for t in (s.start, s.end) if start <= t <= end})
        ax.vlines(times, *ax.get_ylim(), colors=FOUND, linestyles=style, linewidth=0.8)
    for (name, gold), ax in zip(rows, axes[2:], strict=True):
        tier = utterance.tiers[name] if gold else found[name]
        _tier(ax, tier, f"{name}, {'gold' if gold else 'found'}", GOLD if gold else FOUND, (start, end))
    axes[-1].set_xlabel("Time (s)")
    axes[-1].tick_params(axis="x", length=3)
    axes[0].set_xlim(start, end)
    axes[0].set_title(utterance.id, loc="left", fontsize=10, parse_math=False)
    return figure


def _sound(above: Axes, below: Axes, sound: npt.NDArray[np.float32], start: float) -> None:
    limit = float(np.abs(sound).max()) or 1.0
    times = start + np.arange(len(sound)) / RATE
    above.plot(times, sound, color="black", linewidth=0.4)
    above.set_ylim(-limit, limit)
    above.set_ylabel("Amplitude", fontsize=8)
    emphasised = np.append(sound[:1], sound[1:] - 0.97 * sound[:-1])
    window = np.exp(-0.5 * (np.linspace(-3, 3, 2 * WINDOW)) ** 2)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(emphasised, WINDOW), 2 * WINDOW)[:: WINDOW // 5]
    power = np.abs(np.fft.rfft(frames * window, 512)) ** 2
    level = 10 * np.log10(power.T + 1e-12)
    top = float(level.max())
    extent = (start, start + len(sound) / RATE, 0.0, RATE / 2000)
    below.imshow(
        level, origin="lower", aspect="auto", extent=extent, cmap="Greys", vmin=top - DYNAMIC, vmax=top
    )
    below.set_ylabel("Frequency (kHz)", fontsize=8)
    for ax in (above, below):
        ax.tick_params(labelsize=7)


def _tier(ax: Axes, tier: Tier, name: str, colour: str, shown: tuple[float, float]) -> None:
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8, color=colour)
    ax.tick_params(axis="x", length=0, labelsize=7)
    for segment in tier:
        if segment.end < shown[0] or segment.start > shown[1] or not segment.label:
            continue
        ax.vlines([segment.start, segment.end], 0, 1, colors=colour, linewidth=0.9)
        middle = (max(segment.start, shown[0]) + min(segment.end, shown[1])) / 2
        ax.text(
            middle, 0.5, segment.label, ha="center", va="center", fontsize=7.5, color=colour, clip_on=True,
            parse_math=False,
        )  # fmt: skip
