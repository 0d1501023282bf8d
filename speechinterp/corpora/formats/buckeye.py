"""Label files of the Buckeye corpus (.words and .phones), in the format of xlabel: the end of every entry."""

from __future__ import annotations

import re
from collections.abc import Sequence

from speechinterp.corpora.formats.common import (
    Recording,
    cannot_carry,
    filled,
    number,
    one_tier,
    refuse_overlap,
    seconds,
)
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

__all__ = ["DETAILS", "compose_phones", "compose_words", "parse_phones", "parse_words"]

DETAILS = ("citation", "pronunciation", "pos")
"""What a word's line says after it: dictionary form, what was said, part of speech."""
ENTRY = re.compile(r"\s*(\S+)\s+(\d+)(?:\s+(.*))?")
MARK = ("{", "<")
HEAD = "signal {}\ntype 0\ncolor 122\nseparator ;\nnfields 1\n#\n"

Entry = tuple[Segment, list[str]]


def parse_words(text: str, name: str) -> list[Tier]:
    """Return the tier ``words`` of a .words file, and where words are described their ``citation``, etc.

    Silence, noise and marks of the transcript are labels such as ``<SIL>`` and ``{B_TRANS}``.

    Raises
    ------
    AnnotationError
        If the head or an entry is broken, or an entry ends before the one above it.
    """
    entries = _entries(text, name)
    tiers = [Tier("words", [each for each, _ in entries])]
    described = [(each, fields) for each, fields in entries if not each.label.startswith(MARK)]
    for column, detail in enumerate(DETAILS):
        known = [(each, fields[column]) for each, fields in described if len(fields) == 3 and fields[column]]
        if known:
            tiers.append(Tier(detail, [Segment(each.start, each.end, text) for each, text in known]))
    return tiers


def parse_phones(text: str, name: str) -> list[Tier]:
    """Return the tier ``phones`` of a .phones file; raises what :func:`parse_words` raises."""
    return [Tier("phones", [each for each, _ in _entries(text, name)])]


def _entries(text: str, name: str) -> list[Entry]:
    head, *body = re.split(r"(?m)^#[ \t]*$", text, maxsplit=1)
    if not body:
        raise AnnotationError(
            f"{name} has no line with # alone",
            expected="a head, a line with #, and one line an entry",
            cause="a file that was cut off, or of another format",
            fix="copy it again",
        )
    entries: list[Entry] = []
    reached = 0.0
    for line_number, line in enumerate(body[0].split("\n"), head.count("\n") + 1):
        where = f"{name}, line {line_number}"
        if not line.strip():
            continue
        label, *fields = (field.strip() for field in line.split(";"))
        match = ENTRY.fullmatch(label)
        if match is None:
            raise AnnotationError(
                f"{where}: {line!r}",
                expected="end, colour and label",
                cause="a damaged line, or a file of another format",
                fix="correct the line",
            )
        end = number(match[1], where)
        if end < reached and (match[3] or "").startswith(MARK):
            continue
        entries.append((segment(reached, end, match[3] or "", where), fields))
        reached = end
    return entries


def compose_words(tiers: list[Tier], recording: Recording) -> str:
    """Return a .words file; gaps and unlabelled intervals become ``<SIL>``.

    Parameters
    ----------
    tiers
        ``words``, or one tier of any other name, and if wanted ``citation``, ``pronunciation`` and ``pos`` with
        the same times.
    recording
        Its duration is where the last silence ends.

    Raises
    ------
    AnnotationError
        If there are other tiers, words overlap, details are not at the times of words, or a label holds a
        semicolon or line break.
    """
    details = {tier.name: tier for tier in tiers if tier.name in DETAILS}
    words = one_tier([tier for tier in tiers if tier.name not in DETAILS], ".words")
    known = {(each.start, each.end) for each in words if each.label and not each.label.startswith(MARK)}
    for tier in details.values():
        if stray := next((each for each in tier if (each.start, each.end) not in known), None):
            raise cannot_carry(
                ".words",
                f"tier {tier.name!r}: {stray.label!r} ({stray.start}-{stray.end} s) is no word's",
                "give it the times of a word, or write a TextGrid",
            )
    at = {name: {(each.start, each.end): each.label for each in tier} for name, tier in details.items()}
    lines = [
        "; ".join([each, *(_field(at.get(detail, {}).get(times, "")) for detail in DETAILS)])
        for each, times in _lines(words, recording, "<SIL>")
    ]
    return _file(lines, recording)


def compose_phones(tiers: list[Tier], recording: Recording) -> str:
    """Return a .phones file of one tier; gaps and unlabelled intervals become ``SIL``.

    Raises
    ------
    AnnotationError
        If there are several tiers, phones overlap, or a label holds a semicolon or line break.
    """
    return _file([line for line, _ in _lines(one_tier(tiers, ".phones"), recording, "SIL")], recording)


def _lines(tier: Tier, recording: Recording, silence: str) -> list[tuple[str, tuple[float, float]]]:
    refuse_overlap(tier, "Buckeye", "write a TextGrid for each speaker")
    lines = []
    for each in filled(tier, recording.duration or 0.0):
        label = _field(each.label or silence)
        lines.append((f"    {seconds(each.end)}  122 {label}", (each.start, each.end)))
    return lines


def _field(text: str) -> str:
    if text != text.strip() or re.search(r"[;\n\r]", text):
        raise cannot_carry(
            "Buckeye",
            f"label {text!r} holds a semicolon or line break, or spaces around it",
            "relabel the tier, or write a TextGrid",
        )
    return text


def _file(lines: Sequence[str], recording: Recording) -> str:
    return HEAD.format(recording.name) + "\n".join([*lines, ""])
