"""Units: the stretches of an utterance, or the patches of its spectrogram, that attribution plays with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from speechinterp.corpora import Utterance
from speechinterp.errors import AnnotationError, AttributionError, shortlist
from speechinterp.segments import Segment

__all__ = ["Patches", "Units", "Windows", "band_edges", "segments_of"]


@dataclass(frozen=True)
class Windows:
    """Equal windows over the whole sound.

    Parameters
    ----------
    seconds
        About how long they are; the sound is divided evenly.
    """

    seconds: float


@dataclass(frozen=True)
class Patches:
    """Patches of the spectrogram: every stretch of time in every band of frequency.

    Parameters
    ----------
    time
        What divides the time: a tier name, segments, or :class:`Windows`.
    bands
        How many bands, equally wide on the mel scale from 0 to half the sample rate; or their edges in Hz.
    """

    time: str | Sequence[Segment] | Windows
    bands: int | tuple[float, ...] = 4


Units = str | Sequence[Segment] | Windows | Patches


def segments_of(
    utterance: Utterance | None, n_samples: int, sample_rate: int, unit: str | Sequence[Segment] | Windows
) -> tuple[Segment, ...]:
    """Return the stretches of time that are units, checked against the sound.

    Parameters
    ----------
    utterance
        Where the tiers are; None for a bare waveform.
    n_samples, sample_rate
        Of the sound.
    unit
        A tier name, segments, or :class:`Windows`. Segments of a tier without a label are no units.

    Raises
    ------
    AnnotationError
        If a unit is outside the sound or empty, or two overlap.
    AttributionError
        If there is no tier or no unit.
    """
    name = f"utterance {utterance.id!r}" if utterance is not None else "the waveform"
    if isinstance(unit, Windows):
        return _windows(n_samples / sample_rate, unit.seconds)
    if isinstance(unit, str):
        if utterance is None:
            raise AttributionError(
                f"unit {unit!r} of a waveform, which has no tiers",
                expected="an utterance with annotation, segments, or windows",
                fix="unit=si.attribution.Windows(0.1), or unit=[si.Segment(...), ...]",
            )
        segments = [segment for segment in utterance.tier(unit) if segment.label]
    else:
        segments = _checked_type(unit)
    if not segments:
        raise AttributionError(
            f"{name} has no unit",
            expected="at least one segment with a label",
            cause="an empty tier, or one without labels",
            fix="choose another tier, or unit=si.attribution.Windows(0.1)",
        )
    _check_times(segments, name, n_samples, sample_rate)
    return tuple(segments)


def _windows(duration: float, seconds: float) -> tuple[Segment, ...]:
    if not 0 < seconds < math.inf:
        raise AttributionError(
            f"windows of {seconds} s", expected="a positive length in seconds", fix="Windows(0.1)"
        )
    n = max(1, round(duration / seconds))
    edges = [duration * i / n for i in range(n + 1)]
    return tuple(Segment(a, b, f"{a:.2f}-{b:.2f} s") for a, b in pairwise(edges))


def _checked_type(unit: object) -> list[Segment]:
    segments = list(unit) if isinstance(unit, Sequence) else [unit]
    wrong = [each for each in segments if not isinstance(each, Segment)]
    if wrong:
        raise AttributionError(
            f"units of type {type(wrong[0]).__name__}",
            expected="a tier name, segments, si.attribution.Windows or si.attribution.Patches",
            fix="unit='words', or unit=[si.Segment(0.1, 0.4, 'cat'), ...]",
        )
    return sorted((s for s in segments if isinstance(s, Segment)), key=lambda s: (s.start, s.end))


def _check_times(segments: Sequence[Segment], name: str, n_samples: int, sample_rate: int) -> None:
    duration = n_samples / sample_rate
    outside = [s for s in segments if s.start >= duration or s.end > duration + 0.02]
    empty = [
        s for s in segments if s not in outside and round(s.end * sample_rate) <= round(s.start * sample_rate)
    ]
    overlapping = [
        b for a, b in pairwise(segments) if round(b.start * sample_rate) < round(a.end * sample_rate)
    ]
    for bad, what, cause in (
        (outside, f"outside the sound, which is {duration:.3f} s long", "times in samples or milliseconds, or "
         "the annotation of another recording"),
        (empty, "without a sample", "points in time, such as a tier of events"),
        (overlapping, "overlapping the unit before", "hand-made annotation in which words overlap"),
    ):  # fmt: skip
        if bad:
            listed = shortlist([f"{s.label!r} {s.start:.3f}-{s.end:.3f} s" for s in bad], 5)
            raise AnnotationError(
                f"{name} has {len(bad)} of {len(segments)} units {what}: {listed}",
                expected="units inside the sound, each with a length, that do not overlap",
                cause=cause,
                fix="correct the annotation, or pass the segments that can be used as units",
            )


def band_edges(bands: int | tuple[float, ...], sample_rate: int) -> npt.NDArray[np.float64]:
    """Return the edges of bands in Hz [shape=(bands + 1,)], from 0 to half the sample rate.

    Raises
    ------
    AttributionError
        If there is no band, or edges do not rise within that range.
    """
    top = sample_rate / 2
    if isinstance(bands, int):
        mels = np.linspace(0, 2595 * np.log10(1 + top / 700), max(bands, 0) + 1)
        edges = 700 * (10 ** (mels / 2595) - 1)
    else:
        edges = np.unique([0.0, *bands, top])
    if len(edges) < 2 or (not isinstance(bands, int) and (min(bands) < 0 or max(bands) > top)):
        raise AttributionError(
            f"bands={bands}",
            expected=f"a number of bands, or edges between 0 and {top:.0f} Hz",
            cause="edges in kHz or mel, or above half the sample rate of the model",
            fix="bands=4, or bands=(500, 1500, 4000)",
        )
    return edges
