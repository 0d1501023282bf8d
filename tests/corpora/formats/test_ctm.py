"""CTM."""

from __future__ import annotations

import math

import pytest

from speechinterp.corpora.formats.common import Recording
from speechinterp.corpora.formats.ctm import compose_ctm, parse_ctm, parse_ctm_of_several
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

CTM = """;; made by hand
sw2005 A 0.25 0.25 YES 0.5
sw2005 A 0.50 0.30 <eps> NA

sw2005 A * * <ALT_BEGIN>
sw2005 A 0.80 0.20 I'VE
sw2005 A * * <ALT>
sw2005 A 0.80 0.10 I
sw2005 A 0.90 0.10 HAVE
sw2005 A * * <ALT_END>
sw2005 A 1 1.5e-1 GOT 0
"""
WORDS = [
    Segment(0.25, 0.5, "YES"),
    Segment(0.5, 0.8, ""),
    Segment(0.8, 1.0, "I'VE"),
    Segment(1.0, 1.15, "GOT"),
]


def test_comments_confidence_silence_and_alternatives() -> None:
    (tier,) = parse_ctm(CTM, "a.ctm")
    assert tier == Tier("words", WORDS)
    assert [each.score for each in tier] == [math.log(0.5), None, None, -math.inf]


def test_ends_are_sums_in_decimals() -> None:
    (tier,) = parse_ctm("a 1 0.1 0.2 x\n", "a.ctm")
    assert tier[0].end == 0.3 != 0.1 + 0.2


def test_channels_are_tiers() -> None:
    text = CTM + "sw2005 B 0.3 0.1 HI\n"
    tiers = parse_ctm(text, "a.ctm")
    assert tiers == [Tier("A - words", WORDS), Tier("B - words", [Segment(0.3, 0.4, "HI")])]
    assert parse_ctm(compose_ctm(tiers, Recording("sw2005")), "a.ctm") == tiers


def test_recordings() -> None:
    text = CTM + "sw4390 A 0.3 0.1 HI\n"
    found = parse_ctm_of_several(text, "a.ctm")
    assert found == {"sw2005": [Tier("words", WORDS)], "sw4390": [Tier("words", [Segment(0.3, 0.4, "HI")])]}
    with pytest.raises(AnnotationError, match=r"a.ctm holds 2 recordings: sw2005, sw4390.*annotations=FILE"):
        parse_ctm(text, "a.ctm")


def test_lines() -> None:
    tier = Tier("words", [Segment(0.1, 0.3, "a", math.log(0.25)), Segment(0.3, 0.4, "")])
    text = compose_ctm([tier], Recording("rec"))
    assert text == "rec 1 0.1 0.2 a 0.25\nrec 1 0.3 0.1 <eps>\n"
    assert [each.score for each in parse_ctm(text, "a")[0]] == [pytest.approx(math.log(0.25)), None]


def test_numbers_that_are_no_probabilities_are_no_scores() -> None:
    assert parse_ctm("a 1 0 1 x -12.5\n", "a")[0][0].score is None


def test_nothing_said() -> None:
    assert parse_ctm(compose_ctm([Tier("words")], Recording("rec")), "a") == [Tier("words")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a 1 0.1 0.2", r"a.ctm, line 2: 'a 1 0.1 0.2'. Expected: recording, channel, start"),
        ("a 1 0.1 0.2 two words here", "line 2: .*words with spaces"),
        ("a 1 0,1 0.2 x", "line 2: '0,1'. Expected: a number of seconds.*decimal comma"),
        ("a 1 0.1 0.2 x high", "line 2: 'high'. Expected: a number of confidence"),
        ("a 1 -0.1 0.2 x", "line 2: segment 'x' runs from -0.1"),
        ("a 1 0.1 -0.2 x", "line 2: segment 'x' runs from 0.1 s to -0.1"),
        ("a 1 0.1 nan x", "line 2: segment 'x' runs from 0.1 s to nan"),
        ("a 1 * * x", r"line 2: '\*'"),
        ("a 1 * * <ALT>", "line 2: .*<ALT_BEGIN>, <ALT> and <ALT_END>"),
        ("a 1 * * <ALT_END>", "line 2"),
        ("a 1 * * <ALT_BEGIN>\na 1 * * <ALT_BEGIN>", "line 3"),
        ("a 1 * * <ALT_BEGIN>\na 1 0 1 x", "line 4: 'the file ends'. Expected: <ALT_END>"),
    ],
)
def test_broken_lines(line: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse_ctm(f"a 1 0 0.1 x\n{line}\n", "a.ctm")


def test_a_name_with_spaces() -> None:
    with pytest.raises(AnnotationError, match="'my rec' in a line of CTM"):
        compose_ctm([Tier("words", WORDS)], Recording("my rec"))
