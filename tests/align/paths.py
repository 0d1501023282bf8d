"""What tests of best paths share: log-probabilities and symbols that fit into them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from speechinterp.align.viterbi import fewest_frames

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
