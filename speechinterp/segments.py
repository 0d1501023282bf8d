"""Segments and tiers: labelled stretches of time, in seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from speechinterp.errors import AnnotationError

__all__ = ["Segment", "Tier"]


@dataclass(frozen=True, order=True)
class Segment:
    """A labelled stretch of time.

    Parameters
    ----------
    start, end
        Times in seconds; ``start == end`` is a point in time.
    label
        What is said there; empty for silence that nobody labelled.
    score
        Where an aligner found the segment, how sure it is: a natural log-probability, the mean over the frames
        or symbols of the segment, so that 0 is certain. None for annotation. Segments that differ in
        nothing else are equal.

    Raises
    ------
    AnnotationError
        If a time is not a number, is negative, or the end comes before the start.
    """

    start: float
    end: float
    label: str
    score: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and 0 <= self.start <= self.end):
            raise AnnotationError(
                f"segment {self.label!r} runs from {self.start} s to {self.end} s",
                expected="0 <= start <= end, in seconds",
                cause="times in samples or milliseconds, or start and end exchanged",
                fix="correct the annotation, or convert its times to seconds",
            )

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True)
class Tier(Sequence[Segment]):
    """A named sequence of segments, in the order of time.

    Segments may leave gaps. They may overlap, as words do in a few hand-made annotations.

    Parameters
    ----------
    name
        The name of the tier, for example ``"words"`` or ``"phones"``.
    segments
        The segments; they are put in the order of their start and end.
    """

    name: str
    segments: tuple[Segment, ...]

    def __init__(self, name: str, segments: Iterable[Segment] = ()) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "segments", tuple(sorted(segments, key=lambda s: (s.start, s.end))))

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Segment, ...]: ...
    def __getitem__(self, index: int | slice) -> Segment | tuple[Segment, ...]:
        return self.segments[index]

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @property
    def labels(self) -> list[str]:
        """The labels, in the order of time."""
        return [segment.label for segment in self.segments]

    def relabel(self, rule: Callable[[str], str | None]) -> Tier:
        """Return a tier with every label passed through `rule`; segments for which it gives None are left out."""
        pairs = [(segment, rule(segment.label)) for segment in self.segments]
        return Tier(self.name, [replace(s, label=label) for s, label in pairs if label is not None])
