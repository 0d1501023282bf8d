"""Cuts: the best paths of the pieces make up that of the whole, with any beam, in little memory."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import reference
from align.paths import Doubles, cases, log_softmax, spoken
from hypothesis import given, settings
from hypothesis import strategies as st

from speechinterp.align.cuts import cut_points


@given(cases(), st.integers(1, 12), st.sampled_from([0.3, 3.0, 50.0, 1e9]))
@settings(max_examples=200, deadline=None)
def test_pieces_between_cuts_have_the_best_path_of_the_whole(
    case: tuple[Doubles, list[int]], every: int, beam: float
) -> None:
    log_probs, symbols = case
    score, cuts = cut_points(log_probs, symbols, 0, every, beam)
    places = [(0, 0), *cuts, (len(log_probs), len(symbols))]
    assert all(t < u and i < j for (t, i), (u, j) in pairwise(places))
    pieces = [
        reference.ctc_paths(log_probs[t:u].tolist(), symbols[i:j], 0)[0]
        for (t, i), (u, j) in pairwise(places)
    ]
    assert sum(pieces) == pytest.approx(score, abs=1e-9)
    assert score == pytest.approx(reference.ctc_paths(log_probs.tolist(), symbols, 0)[0], abs=1e-9)


def test_a_text_that_does_not_match_is_cut_exactly_too() -> None:
    random = np.random.default_rng(1)
    log_probs = log_softmax(6 * random.standard_normal((400, 6)))
    symbols = random.integers(1, 6, 120).tolist()
    score, cuts = cut_points(log_probs, symbols, 0, every=40, beam=1.0)
    assert len(cuts) > 3
    places = [(0, 0), *cuts, (400, 120)]
    pieces = [
        reference.ctc_paths(log_probs[t:u].tolist(), symbols[i:j], 0)[0]
        for (t, i), (u, j) in pairwise(places)
    ]
    assert sum(pieces) == pytest.approx(score, abs=1e-9)
    assert score == pytest.approx(reference.ctc_paths(log_probs.tolist(), symbols, 0)[0], abs=1e-9)


def peak(n_frames: int) -> int:
    log_probs, symbols = spoken(n_frames)
    tracemalloc.start()
    cut_points(log_probs, symbols, 0)
    _, high = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return high


def test_memory_of_cutting_is_a_fraction_of_that_of_a_table_of_frames_and_states() -> None:
    assert peak(2500) < 2500 * (2 * 500 + 1) / 20
