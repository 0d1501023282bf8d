"""Label files of the Buckeye corpus."""

from __future__ import annotations

import io

import pytest

from speechinterp.corpora.formats.buckeye import compose_phones, compose_words, parse_phones, parse_words
from speechinterp.corpora.formats.common import Recording
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

WORDS = """signal s0101a
type 0
color 122
comment created using xlabel
font -*-times-medium-r-*-*-17-*-*-*-*-*-*-*
separator ;
nfields 1
#
    0.000000  122 {B_TRANS}; B; B; null
    0.500000  122 <SIL>; S; S; null
    0.750000  122 okay; ow k ey; k ay; UH
    1.000000  122 um; UH
    1.250000  122 <LAUGH-yes>
"""


def test_words_and_what_is_said_about_them() -> None:
    assert parse_words(WORDS, "a.words") == [
        Tier(
            "words",
            [
                Segment(0, 0, "{B_TRANS}"),
                Segment(0, 0.5, "<SIL>"),
                Segment(0.5, 0.75, "okay"),
                Segment(0.75, 1, "um"),
                Segment(1, 1.25, "<LAUGH-yes>"),
            ],
        ),
        Tier("citation", [Segment(0.5, 0.75, "ow k ey")]),
        Tier("pronunciation", [Segment(0.5, 0.75, "k ay")]),
        Tier("pos", [Segment(0.5, 0.75, "UH")]),
    ]


def test_what_is_said_about_words_comes_back() -> None:
    tiers = parse_words(WORDS, "a.words")
    assert parse_words(compose_words(tiers, Recording("s0101a")), "a.words") == tiers


def test_phones() -> None:
    text = WORDS.split("#\n", maxsplit=1)[0] + "#\n  0.25 122 SIL\n 0.5  121 ow; f\n"
    assert parse_phones(text, "a") == [Tier("phones", [Segment(0, 0.25, "SIL"), Segment(0.25, 0.5, "ow")])]


def test_marks_that_go_back_in_time_are_left_out() -> None:
    text = WORDS.replace("    0.000000  122 {B_TRANS}", "   -1.000000  122 {B_TRANS}")
    assert parse_words(text, "a")[0].labels[0] == "<SIL>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WORDS.replace("#", "="), "a.words has no line with # alone"),
        (WORDS[:120], "a.words has no line with # alone.*cut off"),
        (WORDS.replace("0.750000  122", "0.75000"), "a.words, line 11: .*end, colour and label"),
        (
            WORDS.replace("0.750000  122 okay", "0.25 122 okay"),
            "line 11: segment 'okay' runs from 0.5 s to 0.25",
        ),
        (WORDS.replace("0.75", "0,75"), "line 11: '0,750000'"),
    ],
)
def test_broken_files(text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse_words(text, "a.words")


def test_details_belong_to_words() -> None:
    tiers = [Tier("words", [Segment(0, 1, "a")]), Tier("pos", [Segment(0, 0.5, "DT")])]
    with pytest.raises(AnnotationError, match=r"tier 'pos': 'DT' \(0-0.5 s\) is no word's"):
        compose_words(tiers, Recording("a"))


def test_gaps_are_silence() -> None:
    text = compose_phones(
        [Tier("p", [Segment(0.25, 0.5, "a"), Segment(0.75, 1, "")])], Recording("a", None, 1.5)
    )
    assert parse_phones(text, "a")[0].labels == ["SIL", "a", "SIL", "SIL", "SIL"]


def test_the_package_buckeye_reads_the_same() -> None:
    buckeye = pytest.importorskip("buckeye", reason="buckeye is an oracle where it is installed")
    tiers = parse_words(WORDS.replace("um; UH", "um; ah m; ah m; UH"), "a")
    theirs = list(buckeye.process_words(io.StringIO(compose_words(tiers, Recording("a")))))
    assert [(w.beg, w.end) for w in theirs] == [(s.start, s.end) for s in tiers[0]]
    assert [w.entry if hasattr(w, "entry") else w.orthography for w in theirs] == tiers[0].labels
    assert [" ".join(w.phonetic) for w in theirs if hasattr(w, "phonetic")] == tiers[2].labels
