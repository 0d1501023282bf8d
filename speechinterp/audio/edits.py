"""Edits of sound: stretches replaced or taken out, with crossfades instead of clicks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from speechinterp.errors import AudioError

__all__ = ["crossfade_gates", "joined_spans", "replaced", "without"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Span = tuple[int, int]


def crossfade_gates(spans: Sequence[Span], n_samples: int, fade: int) -> Doubles:
    """Return for every span a gate that is 1 inside and 0 outside, with crossfades centred on its ends.

    Parameters
    ----------
    spans
        First sample and the sample after the last, in the order of time and without overlap.
    n_samples
        Of the sound.
    fade
        Length of a crossfade in samples; shorter where a span is shorter than it.

    Returns
    -------
    numpy.ndarray
        [shape=(spans, samples)]. The gates of spans that touch sum to 1 where they meet, so that what is left
        after both are taken away holds nothing of either. At the ends of the sound there is no fade.

    Raises
    ------
    AudioError
        If a span is empty or outside the sound, or two overlap.

    Notes
    -----
    An end at sample b with a crossfade of f samples is the step r_b(n) = (1 - cos(pi c)) / 2 with
    c = (n + 1/2 - b + f/2) / f, limited to 0 ... 1; the gate of a span from a to b is r_a - r_b.
    """
    check_spans(spans, n_samples)
    gates = np.zeros((len(spans), n_samples))
    for gate, (start, stop), (rising, falling) in zip(gates, spans, _fades(spans, fade), strict=True):
        first, last = max(0, start - rising), min(n_samples, stop + falling)
        at = np.arange(first, last) + 0.5
        gate[first:last] = _step(at, start, 0 if start == 0 else rising)
        gate[first:last] -= _step(at, stop, falling) if stop < n_samples else 0.0
    return gates


def check_spans(spans: Sequence[Span], n_samples: int) -> None:
    """Raise AudioError if a span is empty or outside the sound, or two overlap."""
    bad = [span for span in spans if not 0 <= span[0] < span[1] <= n_samples]
    bad += [after for before, after in pairwise(spans) if after[0] < before[1]]
    if bad:
        raise AudioError(
            f"a span from sample {bad[0][0]} to {bad[0][1]} of {n_samples}",
            expected="spans inside the sound, with at least a sample each, in order and without overlap",
            cause="units that overlap, are points in time, or belong to another recording",
            fix="correct the times of the units",
        )


def _fades(spans: Sequence[Span], fade: int) -> list[tuple[int, int]]:
    """Return the crossfades at both ends of every span, in samples."""
    widths = [[min(fade, stop - start)] * 2 for start, stop in spans]
    for here, (before, after) in enumerate(pairwise(spans)):
        if before[1] == after[0]:
            widths[here][1] = widths[here + 1][0] = min(widths[here][1], widths[here + 1][0])
    return [(rising, falling) for rising, falling in widths]


def _step(at: npt.NDArray[np.floating[Any]], place: int, width: int) -> Doubles:
    if width == 0:
        return (at > place).astype(np.float64)
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((at - place + width / 2) / width, 0, 1))


def replaced(samples: Floats, spans: Sequence[Span], filling: Floats, fade: int) -> Floats:
    """Return a sound in which spans are taken from another sound of the same length, with crossfades.

    Parameters
    ----------
    samples, filling
        The two sounds [shape=(samples,)].
    spans, fade
        As in :func:`crossfade_gates`.
    """
    gate = crossfade_gates(joined_spans(spans), len(samples), fade).sum(0)
    return (samples + gate * (filling - samples)).astype(np.float32)


def without(samples: Floats, spans: Sequence[Span], fade: int) -> Floats:
    """Return a sound from which spans are cut out; what stands after them comes earlier.

    Parameters
    ----------
    samples
        The sound [shape=(samples,)].
    spans, fade
        As in :func:`crossfade_gates`.

    Returns
    -------
    numpy.ndarray
        Shorter by exactly the lengths of the spans. Over `fade` samples around a cut, the sound around the start of
        the span passes into the sound around its end.
    """
    check_spans(spans, len(samples))
    cuts = joined_spans(spans)
    pieces: list[Doubles] = []
    place = 0
    for i, (start, stop) in enumerate(cuts):
        until = cuts[i + 1][0] if i + 1 < len(cuts) else len(samples)
        half = min(fade // 2, start - place, (until - stop) // 2, (stop - start) // 2)
        half = 0 if start == 0 or stop == len(samples) else half
        pieces.append(samples[place : start - half].astype(np.float64))
        rise = _step(np.arange(2 * half) + 0.5, half, 2 * half) if half else np.zeros(0)
        before, after = samples[start - half : start + half], samples[stop - half : stop + half]
        pieces.append(before * (1 - rise) + after * rise)
        place = stop + half
    pieces.append(samples[place:].astype(np.float64))
    return np.concatenate(pieces).astype(np.float32)


def joined_spans(spans: Sequence[Span]) -> list[Span]:
    """Return the spans with those that touch made one."""
    result: list[Span] = []
    for start, stop in spans:
        if result and result[-1][1] == start:
            result[-1] = (result[-1][0], stop)
        else:
            result.append((start, stop))
    return result
