"""Edit distance and alignment, against the recursive definition."""

from __future__ import annotations

import random

import pytest
from lenses.reference import edit_distance

from speechinterp.lenses.edits import aligned, distance


@pytest.mark.parametrize("seed", range(60))
def test_distance_and_alignment_are_those_of_the_definition(seed):
    draw = random.Random(seed)
    a, b = ([draw.choice("abcd") for _ in range(draw.randrange(9))] for _ in range(2))
    least = edit_distance(tuple(a), tuple(b))
    found = aligned(a, b)
    assert distance(a, b) == found.errors == least
    assert len(found.heard) == len(a)
    heard = [unit for unit in found.heard if unit is not None]
    rest = iter(b)
    assert all(unit in rest for unit in heard), "in the order of the hypothesis"
    wrong = sum(h is not None and h != u for h, u in zip(found.heard, a, strict=True))
    deleted = found.heard.count(None)
    inserted = len(b) - len(heard)
    assert wrong + deleted + inserted == least


def test_words_that_are_right_are_known():
    found = aligned(["the", "cat", "sat", "on", "the", "mat"], ["a", "cat", "on", "the", "the", "mat", "now"])
    assert found.heard == ("a", "cat", None, "on", "the", "mat") or found.errors == 4
    assert aligned([], ["a"]).errors == 1
    assert aligned(["a"], []).heard == (None,)
