"""Label tracks of Audacity."""

from __future__ import annotations

import pytest

from speechinterp.corpora.formats.audacity import parse_audacity
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier


def test_labels_points_and_frequencies() -> None:
    text = (
        "0.250000\t0.500000\tja\n\\\t120.000000\t4000.000000\n0.750000\t0.750000\tH*\n1.0\t2.0\t\n1.5\t2.5\n"
    )
    segments = [Segment(0.25, 0.5, "ja"), Segment(0.75, 0.75, "H*"), Segment(1, 2, ""), Segment(1.5, 2.5, "")]
    assert parse_audacity(text, "a.txt") == [Tier("labels", segments)]


def test_tabs_within_a_label() -> None:
    assert parse_audacity("0\t1\ta\tb\n", "a.txt")[0].labels == ["a\tb"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("She had your suit", "a.txt, line 2: 'She had your suit'. Expected: start, end and label"),
        ("0.5 1.0 x", "line 2.*tabs that an editor made spaces"),
        ("0,5\t1,0\tx", "line 2: '0,5'. Expected: a number of seconds"),
        ("-0.5\t1.0\tx", "line 2: segment 'x' runs from -0.5"),
        ("1.0\t0.5\tx", "line 2: segment 'x' runs from 1.0 s to 0.5"),
    ],
)
def test_broken_lines(line: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse_audacity(f"0\t1\ta\n{line}\n", "a.txt")
