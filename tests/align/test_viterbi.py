"""The best path: against loops and enumeration, whole and cut."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speechinterp.align.cuts import cut_points
from speechinterp.align.viterbi import best_path, fewest_frames
from speechinterp.errors import AlignmentError

Doubles = npt.NDArray[np.float64]


def log_softmax(scores: Doubles) -> Doubles:
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@st.composite
def cases(draw: st.DrawFn, longest: int = 40) -> tuple[Doubles, list[int]]:
    """Draw log-probabilities, peaked or flat, and symbols that fit into them; blank is 0."""
    n_symbols = draw(st.integers(2, 5))
    symbols = draw(st.lists(st.integers(1, n_symbols - 1), min_size=1, max_size=longest // 2))
    needed = fewest_frames(symbols)
    n_frames = needed + draw(st.integers(0, 20))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([0.1, 1.0, 8.0]))
    return log_softmax(scale * random.standard_normal((n_frames, n_symbols))), symbols


def test_the_oracle_finds_what_enumeration_finds() -> None:
    random = np.random.default_rng(0)
    for symbols in ([1], [1, 1], [1, 2], [2, 1, 1]):
        scores = log_softmax(random.standard_normal((6, 3))).tolist()
        best = pytest.approx(reference.ctc_enumerated(scores, symbols, 0), abs=1e-12)
        assert reference.ctc_paths(scores, symbols, 0)[0] == best
        assert reference.ctc_score(scores, symbols, 0) == best


@given(cases())
@settings(max_examples=150, deadline=None)
def test_the_path_is_the_oracles(case: tuple[Doubles, list[int]]) -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    log_probs, symbols = case
    score, paths = reference.ctc_paths(log_probs.tolist(), symbols, 0)
    found = best_path(log_probs, symbols, 0)
    assert found.score == pytest.approx(score, abs=1e-9)
    assert found.labels.tolist() in paths  # the path itself where only one is best
    assert [int(found.labels[start]) for start, _ in found.spans] == symbols


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


def spoken(n_frames: int, seed: int = 0) -> tuple[Doubles, list[int]]:
    """Make log-probabilities of a text in which every tenth symbol is heard as another."""
    random = np.random.default_rng(seed)
    symbols = random.integers(1, 30, n_frames // 5)
    heard = np.where(random.random(len(symbols)) < 0.1, random.integers(1, 30, len(symbols)), symbols)
    scores = random.standard_normal((n_frames, 30))
    scores[:, 0] += 5
    scores[2::5, 0] -= 5
    scores[np.arange(2, n_frames, 5)[: len(heard)], heard] += 7
    return log_softmax(scores), symbols.tolist()


def peak(n_frames: int) -> int:
    log_probs, symbols = spoken(n_frames)
    tracemalloc.start()
    cut_points(log_probs, symbols, 0)
    _, high = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return high


def test_memory_of_cutting_is_a_fraction_of_that_of_a_table_of_frames_and_states() -> None:
    assert peak(2500) < 2500 * (2 * 500 + 1) / 20


def test_whole_and_cut_give_one_path() -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    log_probs, symbols = spoken(3000)
    whole, cut, apart = (best_path(log_probs, symbols, 0, every=n) for n in (10**9, 300, 1))
    assert len(cut_points(log_probs, symbols, 0, 300)[1]) > 5
    assert cut.score == apart.score == whole.score
    assert (cut.labels == whole.labels).all()
    assert (apart.labels == whole.labels).all()
    assert cut.spans == whole.spans


@given(cases(20))
@settings(max_examples=150, deadline=None)
def test_equally_good_ways_into_a_state_give_a_best_path_too(case: tuple[Doubles, list[int]]) -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    log_probs, symbols = np.round(case[0]), case[1]  # whole numbers: many paths are equally good
    score = reference.ctc_score(log_probs.tolist(), symbols, 0)
    found = best_path(log_probs, symbols, 0)
    assert found.score == score
    assert log_probs[np.arange(len(log_probs)), found.labels].sum() == score
    assert [int(found.labels[start]) for start, _ in found.spans] == symbols


def test_torchaudio_alone_takes_a_worse_path_where_two_ways_are_equally_good() -> None:
    forced_align = pytest.importorskip("torchaudio.functional").forced_align
    log_probs = np.log([[0.05, 0.9, 0.05], [0.45, 0.45, 0.1], [0.05, 0.05, 0.9], [0.05, 0.05, 0.9]])
    _, scores = forced_align(torch.from_numpy(log_probs)[None], torch.tensor([[1, 2]]), blank=0)
    if float(scores.sum()) == pytest.approx(np.log([0.9, 0.45, 0.9, 0.9]).sum()):
        pytest.skip("this torchaudio has pytorch/audio#4221 repaired")
    assert best_path(log_probs, [1, 2], 0).score == pytest.approx(np.log([0.9, 0.45, 0.9, 0.9]).sum())


def test_too_little_sound_is_refused_before_anything_else() -> None:
    with pytest.raises(AlignmentError, match=r"3 frames of sound for 3 symbols. Expected: at least 4 frames"):
        best_path(log_softmax(np.zeros((3, 4))), [1, 2, 2], 0)


def test_without_torchaudio_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torchaudio'] = None\n"
        "import numpy as np\nfrom speechinterp.align.viterbi import best_path\n"
        "try: best_path(np.log(np.full((5, 2), 0.5)), [1], 0)\n"
        "except ValueError as error: print(type(error).__name__, error)"
    )
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.startswith("AlignmentError CTC alignment needs torchaudio")
    assert 'pip install "speechinterp[align]"' in said
