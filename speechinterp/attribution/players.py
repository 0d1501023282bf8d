"""Players: an utterance cut into units that can be taken away, alone or together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.attribution.baselines import Baseline, check_baseline, filling, name_of
from speechinterp.attribution.units import Patches, Units, band_edges, segments_of
from speechinterp.audio.edits import crossfade_gates, without
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.segments import Segment

__all__ = ["FADE", "Players", "players_of"]

FADE = 0.005
"""Seconds of crossfade at the ends of a unit that is replaced."""
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Players:
    """Units of one sound, and what it is without them.

    Parameters
    ----------
    sound
        With all units [shape=(samples,)].
    segments
        Time and label of every unit.
    changes
        What is added to the sound when a unit is taken away [shape=(units, samples)]; None if units are deleted.
    fade
        Samples of crossfade.
    sample_rate
        In Hz.
    low, high
        Band of every unit in Hz; empty where units are stretches of time.
    settings
        What a result records of them.
    """

    sound: Tensor
    segments: tuple[Segment, ...]
    changes: Tensor | None
    fade: int
    sample_rate: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    settings: dict[str, Any]

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """First sample of every unit, and the one after its last."""
        return [_span(s, len(self.sound), self.sample_rate) for s in self.segments]

    @property
    def deletes(self) -> bool:
        """Whether units are taken out of the time."""
        return self.changes is None

    def sounds(self, kept: Bools) -> Tensor:
        """Return the sound with only some of the units.

        Parameters
        ----------
        kept
            Which units stay, for every sound [shape=(sounds, units)]; a single row if units are deleted.

        Returns
        -------
        Tensor
            [shape=(sounds, samples)].

        Raises
        ------
        AttributionError
            If nothing is left.
        """
        if self.changes is not None:
            gone = torch.from_numpy(~kept).to(self.changes)
            return self.sound + gone @ self.changes
        cut = self._cut(kept[0])
        if sum(stop - start for start, stop in cut) == len(self.sound):
            raise AttributionError(
                "a sound of which nothing is left once all units are deleted",
                expected="some sound in no unit, such as the silence before and after",
                cause="units that cover the whole sound",
                fix="baseline='silence' leaves the time as it is",
            )
        return torch.from_numpy(without(self.sound.numpy(), cut, self.fade))[None]

    def _cut(self, kept: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
        return [span for span, stays in zip(self.spans, kept, strict=True) if not stays]

    def moved(self, kept: npt.NDArray[np.bool_]) -> Callable[[float], float]:
        """Return where a time of the sound is, in seconds, once the units that do not stay are deleted."""
        cut = [(a / self.sample_rate, b / self.sample_rate) for a, b in self._cut(kept)]

        def where(time: float) -> float:
            return time - sum(min(time, b) - a for a, b in cut if a < time)

        return where

    def coordinates(self) -> dict[str, Any]:
        """Return label, start and end of every unit, and its band, as coordinates of a dimension ``unit``."""
        columns: dict[str, Any] = {
            "unit": np.arange(len(self)),
            "label": ("unit", np.array([s.label for s in self.segments], dtype=str)),
            "start": ("unit", np.array([s.start for s in self.segments])),
            "end": ("unit", np.array([s.end for s in self.segments])),
        }
        if self.low:
            columns |= {"low_hz": ("unit", np.array(self.low)), "high_hz": ("unit", np.array(self.high))}
        return columns


def players_of(
    heard: Utterance | npt.NDArray[np.float32] | Tensor,
    sample_rate: int,
    unit: Units = "words",
    baseline: Baseline = "silence",
    *,
    fade: float = FADE,
    seed: int = 0,
) -> Players:
    """Cut a sound into units and prepare what takes their place.

    Parameters
    ----------
    heard
        An utterance, or a waveform at `sample_rate`.
    sample_rate
        Of the model, in Hz.
    unit
        A tier name, segments, :class:`Windows` or :class:`Patches`.
    baseline
        What is heard instead of a unit (:func:`filling`); ``delete`` takes it out of the time as well.
    fade
        Seconds of crossfade, centred on the ends of a unit.
    seed
        Of noise.

    Raises
    ------
    AttributionError
        If the sound is silent, there are no units, or the baseline does not fit.
    AnnotationError
        If a unit does not fit the sound.

    Notes
    -----
    With x the sound, b_i what replaces unit i, and gates g_i that sum to 1 where units touch, the sound without the
    units R is x + sum over R of g_i (b_i - x). A patch is what a band-pass passes of g_i (b_i - x); the bands
    of a stretch sum to the stretch.
    """
    utterance = heard if isinstance(heard, Utterance) else None
    wave = heard.waveform(sample_rate) if isinstance(heard, Utterance) else heard
    samples = np.asarray(wave, dtype=np.float32)
    _check(samples, utterance, fade)
    check_baseline(baseline, len(samples), sample_rate)
    time = unit.time if isinstance(unit, Patches) else unit
    segments = segments_of(utterance, len(samples), sample_rate, time)
    width = round(fade * sample_rate)
    settings = {
        "unit": unit if isinstance(unit, str) else "segments" if isinstance(unit, Sequence) else repr(unit),
        "baseline": name_of(baseline),
        "fade_s": fade,
        "seed": seed,
        "utterance": utterance.id if utterance is not None else "",
        "duration_s": len(samples) / sample_rate,
    }
    spans = [_span(s, len(samples), sample_rate) for s in segments]
    sound = torch.from_numpy(samples.copy())
    if isinstance(baseline, str) and baseline == "delete":
        if isinstance(unit, Patches):
            raise AttributionError(
                "patches of the spectrogram that are to be deleted",
                expected="a baseline that leaves the time as it is",
                cause="a patch shares its time with those above and below it",
                fix="baseline='silence'",
            )
        return Players(sound, segments, None, width, sample_rate, (), (), settings)
    changes = _changes(samples, spans, baseline, width, np.random.default_rng(seed))
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    if isinstance(unit, Patches):
        edges = band_edges(unit.bands, sample_rate)
        changes = _bands(changes, edges, sample_rate)
        low, high = (tuple(np.tile(side, len(segments)).tolist()) for side in (edges[:-1], edges[1:]))
        segments = tuple(s for s in segments for _ in edges[1:])
    return Players(sound, segments, torch.from_numpy(changes), width, sample_rate, low, high, settings)


def _check(samples: npt.NDArray[np.float32], utterance: Utterance | None, fade: float) -> None:
    name = f"utterance {utterance.id!r}" if utterance is not None else "the waveform"
    if not samples.any():
        raise AttributionError(
            f"{name} is silent",
            expected="a sound, something of which can be taken away",
            cause="an empty recording, or the wrong channel",
            fix="leave it out (--on-bad skip)",
        )
    if not 0 <= fade <= 0.1:
        raise AttributionError(
            f"a crossfade of {fade} s",
            expected="0 to 0.1 s",
            cause="milliseconds instead of seconds",
            fix=f"fade={FADE}",
        )


def _span(segment: Segment, n_samples: int, rate: int) -> tuple[int, int]:
    return round(segment.start * rate), min(round(segment.end * rate), n_samples)


def _changes(
    samples: npt.NDArray[np.float32],
    spans: list[tuple[int, int]],
    baseline: Baseline,
    width: int,
    random: np.random.Generator,
) -> npt.NDArray[np.float32]:
    changes = np.zeros((len(spans), len(samples)), dtype=np.float32)
    for change, gate in zip(changes, crossfade_gates(spans, len(samples), width), strict=True):
        inside = np.flatnonzero(gate)
        first, stop = int(inside[0]), int(inside[-1]) + 1
        instead = filling(baseline, samples, first, stop, random)
        change[first:stop] = gate[first:stop] * (instead - samples[first:stop])
    return changes


def _bands(
    changes: npt.NDArray[np.float32], edges: npt.NDArray[np.float64], rate: int
) -> npt.NDArray[np.float32]:
    """Split every change into bands that sum to it [shape=(units * bands, samples)]."""
    window = 2 ** round(np.log2(0.032 * rate))
    taper = torch.hann_window(window)
    spectra = torch.stft(
        torch.from_numpy(changes), window, window // 4, window=taper, return_complex=True, pad_mode="constant"
    )
    centres = torch.arange(window // 2 + 1) * rate / window
    parts = []
    for low, high in pairwise([*edges[:-1], np.inf]):
        band = ((centres >= low) & (centres < high)).to(spectra)[:, None]
        parts.append(torch.istft(spectra * band, window, window // 4, window=taper, length=changes.shape[1]))
    return torch.stack(parts, 1).flatten(0, 1).numpy()
