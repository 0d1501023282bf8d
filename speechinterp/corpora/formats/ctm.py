"""CTM, the time-marked words of NIST's scoring tools and of Kaldi: one line a word, of any number of recordings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from speechinterp.corpora.formats.common import Recording, cannot_carry, number, one_tier, seconds
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Segment, Tier

__all__ = ["compose_ctm", "parse_ctm", "parse_ctm_of_several"]

SILENCE = "<eps>"
"""What Kaldi writes where nothing is said; a label cannot be empty."""
FIELDS = "recording, channel, start, duration, word and, if wanted, confidence"


def parse_ctm(text: str, name: str) -> list[Tier]:
    """Return the tier ``words`` of a CTM about one recording; with two channels, ``A - words`` and ``B - words``.

    Raises
    ------
    AnnotationError
        If a line is broken, or the file is about several recordings.
    """
    recordings = parse_ctm_of_several(text, name)
    if len(recordings) > 1:
        raise AnnotationError(
            f"{name} holds {len(recordings)} recordings: {shortlist(recordings)}",
            expected="one",
            cause="a CTM of a whole corpus",
            fix="load it with its sound: annotated:FOLDER?annotations=FILE.ctm",
        )
    return next(iter(recordings.values()), [Tier("words")])


def parse_ctm_of_several(text: str, name: str) -> dict[str, list[Tier]]:
    """Return the tiers of every recording in a CTM, by the recording's name.

    Notes
    -----
    Lines that start with ``;;`` are comments. Of alternatives between ``<ALT_BEGIN>`` and ``<ALT_END>`` the
    first is taken. A confidence between 0 and 1 becomes a segment's score, its logarithm; other numbers in
    its place are no probabilities and are dropped. ``<eps>`` is silence without a label.

    Raises
    ------
    AnnotationError
        If a line is broken, an alternative is not closed, or times are impossible.
    """
    found: dict[str, dict[str, list[Segment]]] = {}
    for recording, channel, each in _segments(text, name):
        found.setdefault(recording, {}).setdefault(channel, []).append(each)
    return {
        recording: [
            Tier("words" if len(channels) == 1 else f"{channel} - words", segments)
            for channel, segments in channels.items()
        ]
        for recording, channels in found.items()
    }


def _segments(text: str, name: str) -> Iterator[tuple[str, str, Segment]]:
    alternative = 0
    for line_number, line in enumerate(text.split("\n"), 1):
        where = f"{name}, line {line_number}"
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        if len(fields) not in (5, 6):
            raise _broken(where, line, FIELDS)
        recording, channel, start, duration, word = fields[:5]
        if word in ("<ALT_BEGIN>", "<ALT>", "<ALT_END>"):
            if (word == "<ALT_BEGIN>") != (alternative == 0):
                raise _broken(where, line, "<ALT_BEGIN>, <ALT> and <ALT_END> in this order")
            alternative = 0 if word == "<ALT_END>" else alternative + 1
            continue
        sure = number(fields[5], where, "confidence") if fields[5:] not in ([], ["NA"]) else -1.0
        begin, end = number(start, where), number(start, where) + number(duration, where)
        if math.isfinite(end):
            end = float(Decimal(start) + Decimal(duration))
        each = segment(begin, end, "" if word == SILENCE else word, where)
        if 0 <= sure <= 1:
            each = replace(each, score=math.log(sure) if sure else -math.inf)
        if alternative <= 1:
            yield recording, channel, each
    if alternative:
        raise _broken(f"{name}, line {text.count(chr(10)) + 1}", "the file ends", "<ALT_END>")


def _broken(where: str, line: str, expected: str) -> AnnotationError:
    return AnnotationError(
        f"{where}: {line!r}",
        expected=expected,
        cause="a file that was cut off, words with spaces in them, or a file of another format",
        fix="correct the line, or make the file again",
    )


def compose_ctm(tiers: Sequence[Tier], recording: Recording) -> str:
    """Return a CTM: channel 1 for one tier of any name, or channel A for ``A - words`` and so on for several.

    A score becomes a confidence, as a probability.

    Raises
    ------
    AnnotationError
        If a label or the recording's name holds a space, or several tiers are not named after channels.
    """
    channels = {tier.name.removesuffix(" - words"): tier for tier in tiers if tier.name.endswith(" - words")}
    if len(tiers) == 1 or len(channels) != len(tiers):
        channels = {"1": one_tier(list(tiers), "CTM")}
    name = recording.name
    lines = [] if any(map(len, tiers)) else [";; no words"]
    for channel, tier in channels.items():
        for each in tier:
            word = each.label or SILENCE
            for field in (name, channel, word):
                if field.split() != [field] or field.startswith((";;", "<ALT")):
                    raise cannot_carry(
                        "CTM",
                        f"{field!r} in a line of CTM, whose fields are separated by spaces",
                        "replace spaces and marks of CTM, for example by _, or write a TextGrid",
                    )
            duration = Decimal(seconds(each.end)) - Decimal(seconds(each.start))
            sure = "" if each.score is None else f" {math.exp(min(each.score, 0.0)):.6g}"
            lines.append(f"{name} {channel} {seconds(each.start)} {duration} {word}{sure}")
    return "\n".join([*lines, ""])
