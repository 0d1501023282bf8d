"""What every aligner returns."""

from __future__ import annotations

import inspect

import speechinterp as si
from speechinterp.align import Alignment


def test_the_room_is_the_function_too() -> None:
    import speechinterp.align.text  # noqa: F401

    assert callable(si.align)
    assert list(inspect.signature(si.align).parameters)[:2] == ["model", "utterance"]
    assert si.align.Alignment is Alignment


def test_segments_that_differ_in_score_alone_are_equal() -> None:
    assert si.Segment(0, 1, "a", -0.5) == si.Segment(0, 1, "a")
    tier = si.Tier("words", [si.Segment(0, 1, "a", -0.5)]).relabel(str.upper)
    assert (tier[0].label, tier[0].score) == ("A", -0.5)
