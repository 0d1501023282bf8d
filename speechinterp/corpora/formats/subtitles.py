"""Subtitles: SubRip (SRT) and WebVTT, one cue a segment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from speechinterp.corpora.formats.common import Recording, cannot_carry, milliseconds, one_tier
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

__all__ = ["compose_srt", "compose_vtt", "parse_srt", "parse_vtt"]

TIME = r"(?:(\d+):)?([0-5]\d):([0-5]\d)[.,](\d{3})"
TIMES = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(?:\s.*)?")
WITHIN = re.compile(rf"<{TIME}>")
TAG = re.compile(r"</?[a-zA-Z][^<>]*>|</?\d[\d:.]*>")
NO_CUE = re.compile(r"(NOTE|STYLE|REGION)\b")


def parse_srt(text: str, name: str) -> list[Tier]:
    """Return the cues of a SubRip file as a tier: ``words`` if every cue is one word, else ``cues``.

    Raises
    ------
    AnnotationError
        If a block has no line of times, or times are impossible.
    """
    cues = [segment(start, end, label, where) for where, start, end, label in _cues(_blocks(text), name)]
    return [_tier(cues)]


def parse_vtt(text: str, name: str) -> list[Tier]:
    """Return the cues of a WebVTT file as a tier: ``words`` if every cue is one word, else ``cues``.

    Where cues hold times of their words (``<00:00:01.500>``), these words are a tier ``words`` of their own.
    Markup, comments, styles and regions are left out.

    Raises
    ------
    AnnotationError
        If the head is missing, a block has no line of times, or times are impossible.
    """
    blocks = _blocks(text)
    head = next(blocks, (1, [""]))[1]
    if not re.match(r"WEBVTT(\s|$)", head[0]):
        raise AnnotationError(
            f"{name} starts with {head[0][:30]!r}",
            expected="WEBVTT",
            cause="an SRT file under this name, or another kind of file",
            fix="give it the suffix of its format",
        )
    cues, words = [], []
    for where, start, end, raw in _cues((block for block in blocks if not NO_CUE.match(block[1][0])), name):
        cues.append(segment(start, end, unescape(TAG.sub("", raw)), where))
        words += _words(raw, start, end, where)
    return [_tier(cues), Tier("words", words)] if words else [_tier(cues)]


def compose_srt(tiers: list[Tier], recording: Recording) -> str:
    """Return a SubRip file of one tier, in whole milliseconds.

    Raises
    ------
    AnnotationError
        If there are several tiers, points, segments shorter than a millisecond, or labels with blank lines.
    """
    cues = enumerate(one_tier(tiers, "SRT"), 1)
    return "\n".join(f"{n}\n{_times(each, ',', 'SRT')}\n{_text(each, 'SRT')}\n" for n, each in cues)


def compose_vtt(tiers: list[Tier], recording: Recording) -> str:
    """Return a WebVTT file of one tier, in whole milliseconds; raises what :func:`compose_srt` raises."""
    cues = [
        f"{_times(each, '.', 'WebVTT')}\n{_escaped(_text(each, 'WebVTT'))}\n"
        for each in one_tier(tiers, "WebVTT")
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _tier(cues: list[Segment]) -> Tier:
    return Tier("words" if all(len(cue.label.split()) <= 1 for cue in cues) else "cues", cues)


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Give the stretches between blank lines, each with the number of its first line."""
    block: list[str] = []
    for line_number, line in enumerate([*text.removeprefix("\ufeff").split("\n"), ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield line_number - len(block), block
            block = []


def _cues(blocks: Iterator[tuple[int, list[str]]], name: str) -> Iterator[tuple[str, float, float, str]]:
    for line_number, lines in blocks:
        where = f"{name}, line {line_number}"
        at = 1 if len(lines) > 1 and "-->" not in lines[0] else 0
        times = TIMES.fullmatch(lines[at])
        if times is None:
            raise AnnotationError(
                f"{where}: {lines[at]!r}",
                expected="a line of times, such as 00:00:01.500 --> 00:00:02.000, above the text of every cue",
                cause="a file that was cut off, a blank line within a text, or a file of another format",
                fix="correct the lines, or make the file again",
            )
        yield where, _seconds(times.groups()[:4]), _seconds(times.groups()[4:]), "\n".join(lines[at + 1 :])


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, thousandths = (int(part or 0) for part in parts)
    return ((hours * 60 + minutes) * 60000 + seconds * 1000 + thousandths) / 1000


def _words(raw: str, start: float, end: float, where: str) -> list[Segment]:
    """Return what stands between the times within a cue."""
    pieces = WITHIN.split(raw)
    if len(pieces) == 1:
        return []
    starts = [start, *(_seconds(tuple(pieces[i : i + 4])) for i in range(1, len(pieces), 5))]
    labels = [unescape(TAG.sub("", piece)).strip() for piece in pieces[::5]]
    spans = zip(starts, [*starts[1:], end], labels, strict=True)
    return [segment(one, next_, label, where) for one, next_, label in spans if label]


def _times(each: Segment, point: str, form: str) -> str:
    def clock(ms: int) -> str:
        return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"

    start, end = milliseconds(each, form)
    return f"{clock(start)} --> {clock(end)}"


def _text(each: Segment, form: str) -> str:
    blank = any(not line.strip() for line in each.label.split("\n"))
    if (each.label and blank) or "\r" in each.label or "-->" in each.label:
        raise cannot_carry(
            form,
            f"label {each.label!r} at {each.start} s holds a blank line, a carriage return or -->",
            "relabel the tier, or write a TextGrid",
        )
    return each.label


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
