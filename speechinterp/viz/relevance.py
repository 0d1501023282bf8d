"""Relevance back on the sound: waveform, spectrogram, and tiers, in colours centred at zero."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AttributionError, shortlist
from speechinterp.segments import Segment
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_relevance"]

FOR, AGAINST = "#B2182B", "#2166AC"
MAP = "RdBu_r"
NOTHING = 0.66
"""Grey of the waveform where there is no relevance."""
BIN = 0.01
RATE = 16000
DYNAMIC = 60.0
LABELLED = 0.006
"""Share of the figure's width below which a segment carries no label."""


def plot_relevance(
    relevance: xr.DataArray,
    utterance: Utterance | None = None,
    *,
    target: int | str = 0,
    tiers: Sequence[str] = ("words", "phones"),
    start: float = 0.0,
    end: float | None = None,
) -> Figure:
    """Draw relevance over the sound.

    Parameters
    ----------
    relevance
        A result of :mod:`speechinterp.attribution`, over time or over units.
    utterance
        Whose waveform, spectrogram and tiers to draw along with it; None for relevance alone.
    target
        Which target, by number or name.
    tiers
        Which of the utterance's tiers to draw.
    start, end
        The stretch to draw, in seconds.

    Returns
    -------
    matplotlib.figure.Figure
        From above: the waveform, every 10 ms in the colour of its relevance; the spectrogram in grey, with relevance
        over it where relevance has frequencies; relevance over time, summed over frequencies or channels; tiers.
        Red is for the target, blue against it, white is zero, grey on the waveform. Dashed lines mark where the target
        is said.

    Raises
    ------
    AttributionError
        If there is no such target, or the result is over neither time nor units.
    """
    row = _row(relevance, target)
    duration = float(relevance.attrs.get("duration_s", 0)) or (utterance.duration if utterance else 0.0)
    end = min(duration, end) if end is not None else duration
    if not 0 <= start < end:
        raise AttributionError(
            f"a stretch from {start} s to {end} s of {duration:.2f} s",
            expected="0 <= start < end",
            fix="choose a stretch within the sound",
        )
    drawn = [name for name in tiers if utterance is not None and name in utterance.tiers]
    spectral = "frequency" in row.dims
    heights = (
        ([1.2, 2.4] if utterance is not None else [2.4] if spectral else []) + [1.2] + [0.35] * len(drawn)
    )
    figure = new_figure(10, 0.9 + sum(heights))
    axes = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    edges, amounts = _over_time(row, start, end)
    rest = iter(axes)
    if utterance is not None:
        _draw_waveform(next(rest), utterance, edges, amounts)
    if utterance is not None or spectral:
        _draw_spectrum(next(rest), utterance, row if spectral else None, start, end)
    _draw_amounts(next(rest), edges, amounts)
    for name in drawn:
        assert utterance is not None
        _draw_tier(next(rest), list(utterance.tiers[name]), name, start, end)
    for axis in axes:
        for edge in (
            float(row.coords.get("target_start", np.nan)),
            float(row.coords.get("target_end", np.nan)),
        ):
            if np.isfinite(edge):
                axis.axvline(edge, color="black", linewidth=0.9, linestyle="--")
    axes[0].set_xlim(start, end)
    axes[-1].set_xlabel("Time (s)")
    said = str(row.target.item()).strip()
    place = relevance.attrs.get("space", relevance.attrs.get("units", "units"))
    method = str(relevance.attrs.get("method", "relevance")).replace("_", " ")
    figure.suptitle(
        f"{method}, {place}: what speaks for “{said}” ({relevance.attrs.get('model', '')})", fontsize=11
    )
    return figure


def _row(relevance: xr.DataArray, target: int | str) -> xr.DataArray:
    """Return the relevance of one target."""
    if "target" not in relevance.dims or not {"time", "unit"} & set(relevance.dims):
        raise AttributionError(
            f"relevance over {shortlist(relevance.dims) or 'nothing'}",
            expected="the dimensions target, and time or unit",
            fix="rel.sel(target=['cat']) keeps the dimension",
        )
    names = [str(name) for name in relevance.target.to_numpy()]
    if isinstance(target, str) and target not in names:
        raise AttributionError(f"target {target!r}", expected=f"one of {shortlist(names)}", fix="target=0")
    return relevance.isel(target=names.index(target) if isinstance(target, str) else target)


def _over_time(row: xr.DataArray, start: float, end: float) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return edges of bins in seconds, and the relevance in each."""
    if "unit" in row.dims:
        order = np.argsort(row.start.to_numpy(), kind="stable")
        firsts, lasts = row.start.to_numpy()[order], row.end.to_numpy()[order]
        edges, amounts = [float(firsts[0])], []
        for a, b, value in zip(firsts, lasts, row.to_numpy()[order], strict=True):
            if a > edges[-1] + 1e-9:
                edges.append(float(a))
                amounts.append(0.0)
            edges.append(float(b))
            amounts.append(float(value))
        return np.array(edges), np.array(amounts)
    over = row.sum([d for d in row.dims if d != "time"])
    times = over.time.to_numpy()
    step = max(BIN, float(np.median(np.diff(times))) if len(times) > 1 else BIN)
    n = max(1, round((end - start) / step))
    edges_ = start + step * np.arange(n + 1)
    amounts_, _ = np.histogram(times, bins=edges_, weights=over.to_numpy())
    return edges_, amounts_


def _limit(values: npt.NDArray[Any], share: float = 100.0) -> float:
    """Return the amount at which colours are full."""
    largest = float(np.percentile(np.abs(values), share)) if values.size else 0.0
    return largest or float(np.abs(values).max(initial=0.0)) or 1.0


def _draw_waveform(
    axis: Axes, utterance: Utterance, edges: npt.NDArray[Any], amounts: npt.NDArray[Any]
) -> None:
    import matplotlib as mpl

    samples = utterance.waveform(RATE)
    fine = np.arange(edges[0], edges[-1], BIN / 4)
    places = np.clip((np.append(fine, edges[-1]) * RATE).astype(int), 0, len(samples))
    low = np.array([samples[a:b].min(initial=0) for a, b in pairwise(places)])
    high = np.array([samples[a:b].max(initial=0) for a, b in pairwise(places)])
    owner = np.clip(np.searchsorted(edges, fine + BIN / 8) - 1, 0, len(amounts) - 1)
    strength = amounts[owner] / _limit(amounts)
    colours = mpl.colormaps[MAP](0.5 + strength / 2)
    share = np.sqrt(np.abs(strength))[:, None]
    colours[:, :3] = share * colours[:, :3] + (1 - share) * NOTHING
    axis.bar(fine, high - low, bottom=low, width=BIN / 4, align="edge", color=colours, linewidth=0)
    axis.set_ylabel("Amplitude")
    largest = max(float(np.abs(low).max(initial=0)), float(high.max(initial=0)), 1e-4)
    axis.set_ylim(-1.05 * largest, 1.05 * largest)
    axis.set_facecolor("#F2F2F2")


def _draw_spectrum(
    axis: Axes, utterance: Utterance | None, row: xr.DataArray | None, start: float, end: float
) -> None:
    import matplotlib as mpl

    if utterance is not None:
        power, times, hertz = _spectrogram(utterance.waveform(RATE), start, end)
        axis.pcolormesh(
            times, hertz, power, cmap="Greys", vmin=-DYNAMIC, vmax=0, rasterized=True, shading="nearest"
        )
    if row is not None:
        part = row.transpose("frequency", "time")
        part = part.isel(time=(part.time >= start) & (part.time <= end))
        values = part.to_numpy()
        strength = np.clip(values / _limit(values, 99.8), -1, 1)
        colours = mpl.colormaps[MAP](0.5 + strength / 2)
        colours[..., 3] = np.abs(strength) ** 0.5 if utterance is not None else 1.0
        axis.pcolormesh(
            part.time.to_numpy(), part.frequency.to_numpy(), colours, rasterized=True, shading="nearest"
        )
    axis.set_ylim(0, RATE / 2)
    axis.set_ylabel("Frequency (kHz)")
    axis.set_yticks([0, 2000, 4000, 6000, 8000], ["0", "2", "4", "6", "8"])


def _spectrogram(
    samples: npt.NDArray[np.float32], start: float, end: float
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return decibels below the maximum, times and frequencies."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    first = int(start * RATE)
    part = samples[first : int(end * RATE)].astype(float)
    if len(part) < 2 * 400:
        part = np.pad(part, (0, 800 - len(part)))
    transform = ShortTimeFFT(hann(160, sym=False), hop=80, fs=RATE, mfft=512, scale_to="magnitude")
    power = 20 * np.log10(np.abs(transform.stft(part)) + 1e-9)
    return power - power.max(), start + transform.t(len(part)), transform.f


def _draw_amounts(axis: Axes, edges: npt.NDArray[Any], amounts: npt.NDArray[Any]) -> None:
    colours = [FOR if amount > 0 else AGAINST for amount in amounts]
    axis.bar(edges[:-1], amounts, width=np.diff(edges), align="edge", color=colours, linewidth=0)
    axis.axhline(0, color="black", linewidth=0.6)
    axis.set_ylabel("Relevance")


def _draw_tier(axis: Axes, segments: list[Segment], name: str, start: float, end: float) -> None:
    axis.set_yticks([])
    axis.set_ylabel(name, rotation=0, ha="right", va="center")
    for segment in segments:
        if segment.end <= start or segment.start >= end:
            continue
        axis.axvspan(segment.start, segment.end, facecolor="white", edgecolor="#6E6E6E", linewidth=0.6)
        if segment.duration > LABELLED * (end - start):
            middle = (max(segment.start, start) + min(segment.end, end)) / 2
            narrow = segment.duration < 0.012 * len(segment.label) * (end - start)
            axis.text(
                middle, 0.5, segment.label, ha="center", va="center", fontsize=6 if narrow else 9,
                transform=axis.get_xaxis_transform(), parse_math=False, clip_on=True,
            )  # fmt: skip
