"""What the formats share: refusing what a format cannot carry, and what is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Segment, Tier

__all__ = [
    "Recording",
    "cannot_carry",
    "filled",
    "is_points",
    "milliseconds",
    "number",
    "one_tier",
    "refuse_overlap",
    "refuse_repeated",
    "seconds",
]

OVERLAP = 1e-6
"""Seconds by which intervals may overlap: what is left of a time after conversion between programs."""


@dataclass(frozen=True)
class Recording:
    """What is written about the sound that tiers belong to."""

    name: str
    file: str | None = None
    duration: float | None = None
    sample_rate: int | None = None


def cannot_carry(form: str, found: str, fix: str) -> AnnotationError:
    """Return the error for what a format has no place for."""
    return AnnotationError(found, expected=f"what {form} can hold", cause=f"a limit of {form}", fix=fix)


def one_tier(tiers: list[Tier], form: str) -> Tier:
    """Return the only tier, for formats that hold one."""
    if len(tiers) != 1:
        raise cannot_carry(
            form,
            f"{len(tiers)} tiers for {form}, which holds one: {shortlist(tier.name for tier in tiers)}",
            "write one tier a file, for example {'words': tiers['words']}, or write a TextGrid",
        )
    return tiers[0]


def is_points(tier: Tier, form: str) -> bool:
    """Return whether a tier consists of points; refuse a mixture of points and intervals."""
    points = [each for each in tier if each.duration == 0]
    if points and len(points) < len(tier):
        raise cannot_carry(
            form,
            f"tier {tier.name!r} holds {len(points)} points among {len(tier) - len(points)} intervals, "
            f"the first {points[0].label!r} at {points[0].start} s",
            "put points on a tier of their own, or leave out segments without length",
        )
    return bool(points)


def refuse_overlap(tier: Tier, name: str, fix: str) -> Tier:
    """Return the tier if its segments follow one another."""
    for one, next_ in pairwise(tier):
        if next_.start < one.end - OVERLAP:
            raise AnnotationError(
                f"{name}, tier {tier.name!r}: {one.label!r} ({one.start}-{one.end} s) overlaps "
                f"{next_.label!r} ({next_.start}-{next_.end} s)",
                expected="intervals that follow one another",
                cause="a file written or changed by a script, or speech that overlaps",
                fix=fix,
            )
    return tier


def refuse_repeated(tiers: list[Tier], name: str, program: str) -> list[Tier]:
    """Return the tiers if there are any, and all have names of their own."""
    names = [tier.name for tier in tiers]
    repeated = sorted({each for each in names if names.count(each) > 1})
    if repeated or not tiers:
        raise AnnotationError(
            f"{name} has several tiers called {shortlist(repeated)}" if repeated else f"{name} has no tiers",
            expected="at least one tier, each with its own name",
            cause=f"a tier that was copied in {program}, or an annotation that nobody filled in",
            fix=f"rename, remove or add tiers in {program}",
        )
    return tiers


def filled(segments: Iterable[Segment], end: float) -> Iterator[Segment]:
    """Give segments that cover everything from 0 to `end`: gaps become unlabelled intervals."""
    reached = 0.0
    for each in segments:
        if each.start > reached + OVERLAP:
            yield Segment(reached, each.start, "")
        yield each
        reached = max(reached, each.end)
    if end > reached + OVERLAP:
        yield Segment(reached, end, "")


def seconds(time: float) -> str:
    """Return a time as text that gives the same number when it is read."""
    return repr(float(time))


def number(text: str, where: str, what: str = "seconds") -> float:
    """Return a number that a file holds as text."""
    try:
        return float(text)
    except ValueError:
        raise AnnotationError(
            f"{where}: {text!r}",
            expected=f"a number of {what}",
            cause="a decimal comma, a damaged line, or a file of another format",
            fix="correct the line, or make the file again",
        ) from None


def milliseconds(segment: Segment, form: str) -> tuple[int, int]:
    """Return start and end as whole milliseconds, for formats without finer times and without points."""
    start, end = round(segment.start * 1000), round(segment.end * 1000)
    if start == end:
        raise cannot_carry(
            form,
            f"{segment.label!r} at {segment.start} s lasts {segment.duration * 1000:.3f} ms, "
            f"and {form} holds whole milliseconds and no points",
            "leave it out, or write a TextGrid",
        )
    return start, end
