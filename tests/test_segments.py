"""Segments and tiers."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

times = st.floats(0, 1000, allow_nan=False)
segments = st.builds(
    lambda a, b, label: Segment(min(a, b), max(a, b), label), times, times, st.text(max_size=3)
)


@pytest.mark.parametrize(("start", "end"), [(-0.1, 1), (1, 0.5), (math.nan, 1), (0, math.inf)])
def test_impossible_times_are_refused(start: float, end: float) -> None:
    with pytest.raises(AnnotationError, match="samples or milliseconds"):
        Segment(start, end, "a")


def test_a_point_has_no_duration() -> None:
    assert Segment(0.5, 0.5, "H*").duration == 0
    assert Segment(0.25, 1.0, "a").duration == 0.75


@given(st.lists(segments))
def test_tiers_are_in_the_order_of_time_and_lose_nothing(given_segments: list[Segment]) -> None:
    tier = Tier("words", given_segments)
    assert sorted(given_segments) == sorted(tier)
    assert all((a.start, a.end) <= (b.start, b.end) for a, b in pairwise(tier))


def test_segments_of_equal_times_keep_their_order() -> None:
    assert Tier("tones", [Segment(1, 1, "z"), Segment(1, 1, "a")]).labels == ["z", "a"]


def test_overlapping_segments_are_kept() -> None:
    assert len(Tier("words", [Segment(0, 1, "a"), Segment(0.9, 2, "b")])) == 2


def test_relabel_renames_and_leaves_out() -> None:
    tier = Tier("phones", [Segment(0, 1, "q"), Segment(1, 2, "ix")])
    folded = tier.relabel({"ix": "ih"}.get)
    assert folded == Tier("phones", [Segment(1, 2, "ih")])
    assert tier.labels == ["q", "ix"]


def test_a_tier_is_a_sequence() -> None:
    tier = Tier("words", [Segment(0, 1, "a"), Segment(1, 2, "b"), Segment(2, 3, "c")])
    assert tier[-1].label == "c"
    assert [s.label for s in tier[:2]] == ["a", "b"]
    assert tier[0] in tier
    assert hash(tier) == hash(Tier("words", tier.segments))
