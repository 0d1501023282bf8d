"""Units: which frames of an utterance are one source or one target of mixing."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.corpora import Utterance
from speechinterp.errors import AnnotationError, FrameError, MixingError, check_choice, shortlist
from speechinterp.frames import RULES, FrameGrid, FrameRule
from speechinterp.segments import Segment

__all__ = ["EmptyUnitWarning", "OverlapWarning", "Partition", "Unit", "every_frame", "partition", "positions"]

Unit = str | Sequence[Segment]


class EmptyUnitWarning(UserWarning):
    """A unit is so short that no frame belongs to it, and is left out of a map."""


class OverlapWarning(UserWarning):
    """Units overlap in time; what they share was divided in the middle."""


@dataclass(frozen=True)
class Partition:
    """Every frame in one column: the units, then what lies outside them.

    Parameters
    ----------
    segments
        The units.
    index
        Column of every frame [shape=(frames,)].
    outside
        Names of the columns after the units: ``"gap"`` (frames of the sound in no unit) and ``"pad"``
        (Whisper's padding), as far as there are such frames.
    empty
        Units that were left out, since no frame belongs to them.
    timed
        Whether units have times; a decoder's tokens have none.
    """

    segments: tuple[Segment, ...]
    index: Tensor
    outside: tuple[str, ...] = ()
    empty: tuple[Segment, ...] = ()
    timed: bool = True

    @property
    def n_units(self) -> int:
        """Number of units."""
        return len(self.segments)

    @property
    def n_columns(self) -> int:
        """Number of units and of what lies outside them."""
        return self.n_units + len(self.outside)

    @cached_property
    def frames(self) -> tuple[Tensor, ...]:
        """The frames of every column."""
        order = torch.argsort(self.index, stable=True)
        return tuple(order.split(self.sizes.tolist()))

    @cached_property
    def sizes(self) -> Tensor:
        """Number of frames of every column [shape=(columns,)]."""
        return torch.bincount(self.index, minlength=self.n_columns)

    @cached_property
    def targets(self) -> Tensor:
        """The frames of all units, unit after unit [shape=(target frames,)]."""
        return torch.cat(self.frames[: self.n_units])

    def sum_columns(self, scores: Tensor) -> Tensor:
        """Add the scores of a column's frames [shape=(..., frames) -> (..., columns)]."""
        pooled = scores.new_zeros(*scores.shape[:-1], self.n_columns)
        return pooled.index_add_(-1, self.index.to(scores.device), scores)

    def mean_rows(self, scores: Tensor, rows: Tensor | None = None) -> Tensor:
        """Average the rows of every column's frames.

        Parameters
        ----------
        scores
            [shape=(..., rows, sources)].
        rows
            The frame that each row is of; all frames by default.

        Returns
        -------
        Tensor
            [shape=(..., columns, sources)]; NaN for columns without rows.
        """
        index = self.index if rows is None else self.index[rows]
        total = scores.new_zeros(*scores.shape[:-2], self.n_columns, scores.shape[-1])
        total.index_add_(-2, index.to(scores.device), scores)
        counts = torch.bincount(index, minlength=self.n_columns).to(scores.device)
        return total / counts[:, None]

    def coordinates(self, columns: Sequence[int]) -> dict[str, npt.NDArray[np.generic]]:
        """Return label, start and end (in seconds) of some columns."""
        names = [s.label for s in self.segments] + list(self.outside)
        blank = [np.nan] * len(self.outside)
        starts, ends = (
            np.array([*(getattr(s, side) if self.timed else np.nan for s in self.segments), *blank], float)
            for side in ("start", "end")
        )
        chosen = list(columns)
        labels = np.array([names[i] for i in chosen], dtype=str)
        return {"label": labels, "start": starts[chosen], "end": ends[chosen]}


def positions(labels: Sequence[str]) -> Partition:
    """Return the partition of a decoder's tokens: each is a unit, and has no time."""
    segments = tuple(Segment(0.0, 0.0, label) for label in labels)
    return Partition(segments, torch.arange(len(labels)), timed=False)


def every_frame(columns: Partition) -> Partition:
    """Return the partition of the same frames in which each is a column of its own."""
    return positions([""] * len(columns.index))


def partition(
    utterance: Utterance | None,
    grid: FrameGrid,
    n_frames: int,
    duration: float,
    unit: Unit,
    *,
    rule: FrameRule = "centre",
) -> Partition:
    """Give every frame of the encoder to one column.

    Parameters
    ----------
    utterance
        Where the tiers are; None for a bare waveform.
    grid
        The frames of the utterance.
    n_frames
        Number of frames of the encoder, padding included.
    duration
        Of the sound in seconds.
    unit
        ``"frames"``, a tier name, or segments. Segments of a tier without a label are no units.
    rule
        Which frames belong to a unit. Where neighbours overlap, each takes half of what they share.

    Raises
    ------
    AnnotationError
        If units lie outside the sound, lie within one another, share frames by the rule, or are more than there are
        frames.
    MixingError
        If there is no tier, or no unit with a frame.
    """
    name = f"utterance {utterance.id!r}" if utterance is not None else "the waveform"
    sounding = grid.n_frames or 0
    if isinstance(unit, str) and unit == "frames":
        half = grid.hop / grid.sample_rate / 2
        times = grid.times.tolist()
        edges = [(max(t - half, 0.0), max(min(t + half, duration), t - half, 0.0)) for t in times]
        segments = [Segment(start, end, "") for start, end in edges]
        spans = [range(i, i + 1) for i in range(sounding)]
    else:
        segments = _segments(utterance, unit)
        check_choice("frame rule", rule, RULES, FrameError, "rule='centre'")
        _check_times(segments, name, duration, grid.hop / grid.sample_rate)
        segments = _apart(segments, name)
        spans = [grid.frames_in(s.start, s.end, rule) for s in segments]
        _check_frames(segments, spans, name, sounding, rule)
    kept = [i for i, span in enumerate(spans) if span]
    if not kept:
        raise MixingError(
            f"{name} has no unit with a frame; units: {shortlist(_named(segments)) or 'none'}",
            expected="at least two units that a frame belongs to",
            cause="an empty tier, a tier without labels, or times in another unit than seconds",
            fix="choose another tier, rule='overlap', or pass segments",
        )
    empty = tuple(s for s, span in zip(segments, spans, strict=True) if not span)
    if empty:
        warnings.warn(
            f"{name}: {len(empty)} of {len(segments)} units left out, since no frame belongs to them by the rule "
            f"{rule!r}: {shortlist(_named(empty), 5)}",
            EmptyUnitWarning,
            stacklevel=4,
        )
    index = torch.full((n_frames,), -1)
    for column, i in enumerate(kept):
        index[spans[i].start : spans[i].stop] = column
    outside: list[str] = []
    for where, frames in (("gap", slice(0, sounding)), ("pad", slice(sounding, n_frames))):
        free = index[frames] == -1
        if free.any():
            index[frames][free] = len(kept) + len(outside)
            outside.append(where)
    return Partition(tuple(segments[i] for i in kept), index, tuple(outside), empty)


def _segments(utterance: Utterance | None, unit: Unit) -> list[Segment]:
    if not isinstance(unit, str):
        segments = list(unit)
        wrong = [each for each in segments if not isinstance(each, Segment)]
        if wrong:
            raise MixingError(
                f"units of type {type(wrong[0]).__name__}",
                expected="segments, or the name of a tier",
                fix="unit=[si.Segment(0.1, 0.4, 'cat'), ...] or unit='words'",
            )
        return sorted(segments, key=lambda s: (s.start, s.end))
    if utterance is None:
        raise MixingError(
            f"unit {unit!r} of a waveform, which has no tiers",
            expected="an utterance with annotation, segments, or 'frames'",
            fix="unit='frames', or unit=[si.Segment(...), ...]",
        )
    return [segment for segment in utterance.tier(unit) if segment.label]


def _named(segments: Sequence[Segment]) -> list[str]:
    return [f"{s.label!r} {s.start:.3f}-{s.end:.3f} s" for s in segments]


def _check_times(segments: Sequence[Segment], name: str, duration: float, tolerance: float) -> None:
    outside = [s for s in segments if s.start >= duration or s.end > duration + tolerance]
    if outside:
        raise AnnotationError(
            f"{name} is {duration:.3f} s long, but {len(outside)} of its units end later: "
            f"{shortlist(_named(outside), 5)}",
            expected="units inside the sound, in seconds",
            cause="times in samples or milliseconds, or the annotation of another recording",
            fix="correct or convert the annotation",
        )


def _apart(segments: Sequence[Segment], name: str) -> list[Segment]:
    """Divide what neighbours share between them, and warn; what lies within another stays, to be refused."""
    found, shared = list(segments), []
    for i, (first, second) in enumerate(pairwise(segments)):
        if first.start < second.start < first.end - 1e-9 and first.end < second.end:
            middle = (second.start + first.end) / 2
            found[i], found[i + 1] = replace(found[i], end=middle), replace(second, start=middle)
            shared += [first, second]
    if shared:
        warnings.warn(
            f"{name}: units overlap, and each takes half of what they share: {shortlist(_named(shared), 4)}",
            OverlapWarning,
            stacklevel=5,
        )
    return found


def _check_frames(
    segments: Sequence[Segment], spans: Sequence[range], name: str, n_frames: int, rule: str
) -> None:
    if len(segments) > n_frames:
        raise AnnotationError(
            f"{name} has {len(segments)} units and {n_frames} frames",
            expected="at most as many units as frames",
            cause="a tier of single glottal pulses or samples, or a very short sound",
            fix="choose a coarser unit, or unit='frames'",
        )
    taken = [(span, s) for span, s in zip(spans, segments, strict=True) if span]
    for (before, first), (after, second) in pairwise(taken):
        if after.start < before.stop:
            raise AnnotationError(
                f"{name}: {' and '.join(_named([first, second]))} share frames by the rule {rule!r}",
                expected="every frame in one unit, so that shares add up to 1",
                cause="a segment within another, or a rule that gives a frame to both its neighbours",
                fix="rule='centre', or pass segments of which none lies within another",
            )
