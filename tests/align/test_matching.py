"""Matching: as many labels and boundaries as can be, against oracles that try everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from speechinterp.align.matching import hits, matched

times = st.lists(st.integers(0, 400).map(lambda n: n / 200), unique=True, max_size=12).map(sorted)


@given(times, times, st.sampled_from([0.0, 0.02, 0.1]))
def test_hits_are_a_maximum_matching(found: list[float], gold: list[float], tolerance: float) -> None:
    near = np.abs(np.subtract.outer(found, gold)).reshape(len(found), len(gold)) <= tolerance + 1e-9
    expected = 0
    if near.any():
        expected = int((maximum_bipartite_matching(csr_array(near.astype(int))) >= 0).sum())
    assert hits(np.array(found), np.array(gold), tolerance) == expected


labels = st.lists(st.sampled_from("abc"), max_size=9)


@given(labels, labels)
def test_as_many_labels_as_possible_are_matched_in_order(gold: list[str], found: list[str]) -> None:
    pairs = matched(gold, found)
    assert [i for i, _ in pairs if i is not None] == list(range(len(gold)))
    assert [j for _, j in pairs if j is not None] == list(range(len(found)))
    both = [(i, j) for i, j in pairs if i is not None and j is not None]
    assert all(gold[i] == found[j] for i, j in both)

    def longest(a: list[str], b: list[str]) -> int:
        if not a or not b:
            return 0
        return longest(a[1:], b[1:]) + 1 if a[0] == b[0] else max(longest(a[1:], b), longest(a, b[1:]))

    assert len(both) == longest(gold, found)
