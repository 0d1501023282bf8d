"""Praat TextGrids, long and short.

Praat reads numbers, quoted texts and <flags> that stand free, and takes everything else for comment; so does
this reader, which is why the long, the short and ELAN's form, labels over several lines and doubled quotes
need no rules of their own. praatio is not used for this: without a word it drops the last interval of a
short TextGrid that ends without a line break, all that follows a cut, and the sign of a negative time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from speechinterp.corpora.formats.common import (
    Recording,
    cannot_carry,
    filled,
    is_points,
    refuse_overlap,
    refuse_repeated,
    seconds,
)
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError
from speechinterp.segments import Tier

__all__ = ["compose_short_textgrid", "compose_textgrid", "parse_textgrid"]

HEAD = re.compile(r'[^"]*"ooTextFile[^"]*"[^"]*"TextGrid[^"]*"')
TOKEN = re.compile(
    r'"(?P<text>[^"]*(?:""[^"]*)*)"'
    r"|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)"
    r"|(?P<flag><\w+>)"
    r"|![^\n]*"
    r'|(?P<unclosed>")'
    r'|[^\s"=]+|='
)
HEADER = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
APART = "correct the times, leave the tier out, or put what overlaps on tiers of its own"


def parse_textgrid(text: str, name: str) -> list[Tier]:
    """Return the tiers of a TextGrid; points become segments that start and end at the same time.

    Parameters
    ----------
    text
        The content of the file.
    name
        How the file is called in errors.

    Raises
    ------
    AnnotationError
        If it is no TextGrid, is cut off, has no tiers or two of the same name, or intervals overlap.
    """
    tokens = _Tokens(text, name)
    if HEAD.match(text) is None:
        raise AnnotationError(
            f"{name} is not a TextGrid that was saved as text: it starts with {text[:30]!r}",
            expected='File type = "ooTextFile", Object class = "TextGrid"',
            cause="a binary or chronological TextGrid, or another kind of file under this name",
            fix="open it in Praat and choose Save as text file",
        )
    for kind in ("text", "text", "number", "number"):
        tokens.take(kind)
    count = tokens.count() if tokens.take("flag") == "<exists>" else 0
    tiers = [_tier(tokens) for _ in range(count)]
    tokens.end()
    return refuse_repeated(tiers, name, "Praat")


def compose_textgrid(tiers: list[Tier], recording: Recording) -> str:
    """Return a TextGrid in the long form, as Praat writes it.

    Parameters
    ----------
    tiers
        A tier of points only becomes a point tier, any other an interval tier in which gaps are unlabelled
        intervals.
    recording
        Its duration is that of the TextGrid, unless a segment ends later.

    Raises
    ------
    AnnotationError
        If intervals overlap, a tier holds points and intervals, or nothing tells how long the recording is.
    """
    return HEADER + "".join(f"{left}{value} \n" for left, value in _lines(tiers, recording))


def compose_short_textgrid(tiers: list[Tier], recording: Recording) -> str:
    """Return a TextGrid in the short form: the values of the long form, one a line."""
    return HEADER + "".join(f"{value}\n" for _, value in _lines(tiers, recording) if value)


def _lines(tiers: list[Tier], recording: Recording) -> Iterator[tuple[str, str]]:
    """Give what stands on every line of the long form: words for the reader, and a value for Praat."""
    end = max([recording.duration or 0.0, *(each.end for tier in tiers for each in tier)])
    if end == 0:
        raise cannot_carry(
            "a TextGrid", f"{recording.name}: no segment, and no duration", "pass audio=, which has one"
        )
    yield from [("xmin = ", "0"), ("xmax = ", seconds(end)), ("tiers? ", "<exists>")]
    yield from [("size = ", str(len(tiers))), ("item []:", "")]
    for number, tier in enumerate(tiers, 1):
        points = is_points(tier, "a TextGrid")
        kind, parts, text = (
            ("TextTier", "points", "mark") if points else ("IntervalTier", "intervals", "text")
        )
        segments = list(tier if points else filled(refuse_overlap(tier, "a TextGrid", APART), end))
        yield f"    item [{number}]:", ""
        yield from [("        class = ", f'"{kind}"'), ("        name = ", _quoted(tier.name))]
        yield from [("        xmin = ", "0"), ("        xmax = ", seconds(end))]
        yield f"        {parts}: size = ", str(len(segments))
        for n, each in enumerate(segments, 1):
            yield f"        {parts} [{n}]:", ""
            yield f"            {'number' if points else 'xmin'} = ", seconds(each.start)
            if not points:
                yield "            xmax = ", seconds(each.end)
            yield f"            {text} = ", _quoted(each.label)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _tier(tokens: _Tokens) -> Tier:
    kind = tokens.take("text")
    if kind not in ("IntervalTier", "TextTier"):
        raise tokens.error(f"a tier of class {kind!r}", "IntervalTier or TextTier")
    tier = tokens.take("text")
    tokens.take("number")
    tokens.take("number")
    segments = []
    for _ in range(tokens.count()):
        start = float(tokens.take("number"))
        end = float(tokens.take("number")) if kind == "IntervalTier" else start
        where = tokens.where
        segments.append(segment(start, end, tokens.take("text").strip(), f"{where}, tier {tier!r}"))
    ordered = Tier(tier, segments)
    return refuse_overlap(ordered, tokens.name, APART) if kind == "IntervalTier" else ordered


class _Tokens:
    """The meaningful parts of a TextGrid, one after the other."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name, self.position = text, name, 0
        self._matches = (match for match in TOKEN.finditer(text) if match.lastgroup)

    @property
    def where(self) -> str:
        return f"{self.name}, line {self.text.count(chr(10), 0, self.position) + 1}"

    def error(self, found: str, expected: str) -> AnnotationError:
        return AnnotationError(
            f"{self.where}: {found}",
            expected=expected,
            cause="a file that was cut off, or edited so that its counts or quotes no longer match",
            fix="open it in Praat and save it again, or make it again",
        )

    def take(self, kind: str) -> str:
        match = next(self._matches, None)
        if match is None:
            self.position = len(self.text)
            raise self.error("the file ends", f"a {kind}")
        self.position = match.start()
        if match.lastgroup != kind:
            found = (
                "a quote that is never closed"
                if match.lastgroup == "unclosed"
                else " ".join(match.group()[:40].split())
            )
            raise self.error(found, f"a {kind}")
        return match[kind].replace('""', '"')

    def count(self) -> int:
        number = self.take("number")
        if not number.isdecimal():
            raise self.error(f"a count of {number}", "a whole number")
        return int(number)

    def end(self) -> None:
        match = next(self._matches, None)
        if match is not None:
            self.position = match.start()
            raise self.error(f"{match.group()[:40]} after the last tier", "the end of the file")
