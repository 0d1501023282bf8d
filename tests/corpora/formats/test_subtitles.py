"""SubRip and WebVTT."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from speechinterp.corpora.formats.common import Recording
from speechinterp.corpora.formats.subtitles import compose_srt, compose_vtt, parse_srt, parse_vtt
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

SRT = """1
00:00:00,250 --> 00:00:00,500
Ja, <i>wir</i>

2
01:00:00,500 --> 01:00:01,000 X1:40 X2:600
zwei
Zeilen
"""
VTT = """WEBVTT - a title
Kind: captions

STYLE
::cue { color: red }

NOTE
a comment --> with an arrow

first
00:00.250 --> 00:00.900 align:start position:0%
<v Mary>tea &amp; <00:00:00.400><c>milk</c><00:00:00.700> now</v>

00:01.000 --> 00:02.000
x &lt; y
"""
CUES = Tier(
    "cues", [Segment(0.25, 0.5, "ja, ja"), Segment(0.4, 1.25, 'a & <b> < c\n"d"'), Segment(3700, 3701, "")]
)


def test_srt() -> None:
    (tier,) = parse_srt(SRT, "a.srt")
    assert list(tier) == [Segment(0.25, 0.5, "Ja, <i>wir</i>"), Segment(3600.5, 3601, "zwei\nZeilen")]
    assert tier.name == "cues"


def test_vtt_and_the_words_in_its_cues() -> None:
    cues, words = parse_vtt(VTT, "a.vtt")
    assert cues == Tier("cues", [Segment(0.25, 0.9, "tea & milk now"), Segment(1, 2, "x < y")])
    assert words == Tier(
        "words", [Segment(0.25, 0.4, "tea &"), Segment(0.4, 0.7, "milk"), Segment(0.7, 0.9, "now")]
    )


def test_cues_of_one_word_are_words() -> None:
    assert parse_srt("1\n00:00:00,000 --> 00:00:01,000\nja\n", "a")[0].name == "words"


@pytest.mark.parametrize(("compose", "parse"), [(compose_srt, parse_srt), (compose_vtt, parse_vtt)])
def test_overlaps_line_breaks_and_empty_cues(compose, parse) -> None:
    assert parse(compose([CUES], Recording("a")), "a") == [CUES]


def test_markup_within_labels_is_text() -> None:
    assert "\na &amp; &lt;b&gt; &lt; c\n" in compose_vtt([CUES], Recording("a"))


def test_the_package_srt_reads_the_same() -> None:
    srt = pytest.importorskip("srt", reason="srt is an oracle where it is installed")
    theirs = list(srt.parse(compose_srt([Tier("cues", CUES[:2])], Recording("a"))))
    assert [
        (each.start / timedelta(seconds=1), each.end / timedelta(seconds=1), each.content) for each in theirs
    ] == [(s.start, s.end, s.label) for s in CUES[:2]]


def test_the_package_webvtt_reads_the_same() -> None:
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py is an oracle where it is installed")
    theirs = webvtt.from_buffer(io.StringIO(compose_vtt([Tier("cues", CUES[:2])], Recording("a"))))
    assert [(each.start_in_seconds, each.raw_text) for each in theirs] == [
        (int(s.start), s.label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
        for s in CUES[:2]
    ]


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_vtt, SRT, "a starts with '1'. Expected: WEBVTT"),
        (parse_vtt, "WEBVTTX\n", "starts with 'WEBVTTX'"),
        (parse_vtt, "WEBVTT\n\n00:00.250 -> 00:00.900\nx\n", "a, line 3: 'x'|a, line 3: '00:00.250 ->"),
        (parse_srt, "1\n00:00:00,250 --> 00:00:0\n", "a, line 1: '00:00:00,250 --> 00:00:0'"),
        (parse_srt, "1\n00:00:61,250 --> 00:01:02,000\nx\n", "00:00:61,250"),
        (parse_srt, "1\n00:00:01,000 --> 00:00:00,500\nx\n", "a, line 1: segment 'x' runs from 1.0 s to 0.5"),
        (parse_srt, SRT + "\nleft over\n", "a, line 10: 'left over'.*blank line within a text"),
        (parse_srt, "1\n-0:00:01,000 --> 00:00:00,500\nx\n", "-0:00:01"),
    ],
)
def test_broken_files(parse, text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse(text, "a")
