"""The text of a Praat TextGrid, long or short, as tiers.

Praat reads numbers, quoted texts and <flags> that stand free, and takes everything else for comment; so does
this reader, which is why the long, the short and ELAN's form, labels over several lines and doubled quotes
need no rules of their own. praatio is not used for this: without a word it drops the last interval of a
short TextGrid that ends without a line break, all that follows a cut, and the sign of a negative time.
"""

from __future__ import annotations

import re
from itertools import pairwise

from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Tier

__all__ = ["parse_textgrid"]

HEAD = re.compile(r'[^"]*"ooTextFile[^"]*"[^"]*"TextGrid[^"]*"')
TOKEN = re.compile(
    r'"(?P<text>[^"]*(?:""[^"]*)*)"'
    r"|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?!\S)"
    r"|(?P<flag><\w+>)"
    r"|![^\n]*"
    r'|(?P<unclosed>")'
    r'|[^\s"=]+|='
)
OVERLAP = 1e-6
"""Seconds by which intervals may overlap: what is left of a time after conversion between programs."""


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
    names = [tier.name for tier in tiers]
    repeated = sorted({each for each in names if names.count(each) > 1})
    if repeated or not tiers:
        raise AnnotationError(
            f"{name} has several tiers called {shortlist(repeated)}" if repeated else f"{name} has no tiers",
            expected="at least one tier, each with its own name",
            cause="a tier that was copied in Praat, or a TextGrid that nobody filled in",
            fix="rename, remove or add tiers in Praat",
        )
    return tiers


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
    for one, next_ in pairwise(ordered if kind == "IntervalTier" else ()):
        if next_.start < one.end - OVERLAP:
            raise AnnotationError(
                f"{tokens.name}, tier {tier!r}: {one.label!r} ({one.start}-{one.end} s) overlaps "
                f"{next_.label!r} ({next_.start}-{next_.end} s)",
                expected="intervals that follow one another, as Praat makes them",
                cause="a TextGrid written or changed by a script",
                fix="correct the times; speakers who overlap belong on tiers of their own",
            )
    return ordered


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
