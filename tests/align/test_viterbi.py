"""The best path: against loops and enumeration, whole and cut."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import reference
import torch
from align.paths import Doubles, cases, log_softmax, spoken
from hypothesis import given, settings

from speechinterp.align.cuts import cut_points
from speechinterp.align.viterbi import best_path
from speechinterp.errors import AlignmentError


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
