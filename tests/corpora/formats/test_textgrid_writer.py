"""TextGrids as others read them; what is read is tested in test_textgrid.py."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from praatio.utilities import textgrid_io

from speechinterp.corpora.formats.common import Recording
from speechinterp.corpora.formats.textgrid import compose_short_textgrid, compose_textgrid
from speechinterp.segments import Segment, Tier

TIERS = [
    Tier("words", [Segment(0.25, 0.5, 'sagt "ja"'), Segment(0.5, 1, "nein")]),
    Tier("tones", [Segment(0.4, 0.4, "H*"), Segment(0.6, 0.6, "L%")]),
]
LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1.5
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1.5
        intervals: size = 4
        intervals [1]:
            xmin = 0.0
            xmax = 0.25
            text = ""
        intervals [2]:
            xmin = 0.25
            xmax = 0.5
            text = "sagt ""ja\"""
        intervals [3]:
            xmin = 0.5
            xmax = 1.0
            text = "nein"
        intervals [4]:
            xmin = 1.0
            xmax = 1.5
            text = ""
    item [2]:
        class = "TextTier"
        name = "tones"
        xmin = 0
        xmax = 1.5
        points: size = 2
        points [1]:
            number = 0.4
            mark = "H*"
        points [2]:
            number = 0.6
            mark = "L%"
"""


def test_the_long_form_is_praats() -> None:
    lines = compose_textgrid(TIERS, Recording("a", None, 1.5)).splitlines()
    assert [line.rstrip() for line in lines] == LONG.splitlines()


@pytest.mark.parametrize("compose", [compose_textgrid, compose_short_textgrid])
@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, 9999), min_size=1, max_size=6, unique=True),
    label=st.text(st.sampled_from('abö"ŋ !<>='), max_size=6).map(str.strip),
)
def test_praatio_reads_the_same(compose, cuts: list[int], label: str) -> None:
    edges = [0.0, *(n / 1000 for n in sorted(cuts))]
    tier = Tier("t", [Segment(a, b, label) for a, b in pairwise(edges)])
    (theirs,) = textgrid_io.parseTextgridStr(compose([tier], Recording("a")), True)["tiers"]
    assert [(float(e[0]), float(e[1]), e[2]) for e in theirs["entries"]] == [
        (s.start, s.end, s.label) for s in tier
    ]


def test_the_duration_is_never_shorter_than_the_tiers() -> None:
    assert "xmax = 1.0 \n" in compose_textgrid(TIERS, Recording("a", None, 0.9))


def test_an_empty_tier_is_one_unlabelled_interval() -> None:
    text = compose_short_textgrid([Tier("words")], Recording("a", None, 1.0))
    assert text.endswith('"IntervalTier"\n"words"\n0\n1.0\n1\n0.0\n1.0\n""\n')
