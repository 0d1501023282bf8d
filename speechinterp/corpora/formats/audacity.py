"""Label tracks of Audacity: start, end and label, separated by tabs."""

from __future__ import annotations

from speechinterp.corpora.formats.common import Recording, cannot_carry, number, one_tier, seconds
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError
from speechinterp.segments import Tier

__all__ = ["compose_audacity", "parse_audacity"]


def parse_audacity(text: str, name: str) -> list[Tier]:
    """Return the tier ``labels`` of a label track; the frequencies of spectral selections are left out.

    Raises
    ------
    AnnotationError
        If a line is not start, end and label, or times are impossible.
    """
    segments = []
    for line_number, line in enumerate(text.split("\n"), 1):
        where = f"{name}, line {line_number}"
        if not line.strip() or line.startswith("\\\t"):
            continue
        start, *rest = line.split("\t", 2)
        if not rest:
            raise AnnotationError(
                f"{where}: {line!r}",
                expected="start, end and label, separated by tabs",
                cause="another kind of text under this name, or tabs that an editor made spaces",
                fix="export the labels from Audacity again",
            )
        label = rest[1] if len(rest) == 2 else ""
        segments.append(segment(number(start, where), number(rest[0], where), label, where))
    return [Tier("labels", segments)]


def compose_audacity(tiers: list[Tier], recording: Recording) -> str:
    """Return a label track; points are labels that start and end at the same time.

    Raises
    ------
    AnnotationError
        If there are several tiers, or a label holds a line break.
    """
    lines = []
    for each in one_tier(tiers, "an Audacity label track"):
        if "\n" in each.label or "\r" in each.label:
            raise cannot_carry(
                "an Audacity label track",
                f"label {each.label!r} of {recording.name} holds a line break",
                "relabel the tier, or write a TextGrid",
            )
        lines.append(f"{seconds(each.start)}\t{seconds(each.end)}\t{each.label}")
    return "\n".join([*lines, ""])
