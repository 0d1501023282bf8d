"""CTC paths: the best path of a sequence of symbols, and the sum over all of its paths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.errors import TargetError

__all__ = ["best_spans", "path_sum", "territories"]

Window = tuple[int, int]


def best_spans(log_probs: npt.NDArray[np.float64], symbols: Sequence[int], blank: int) -> list[Window]:
    r"""Return the frames of every symbol on the best path that says the symbols.

    Parameters
    ----------
    log_probs
        [shape=(frames, vocabulary)].
    symbols
        Without blanks.
    blank
        The symbol that says nothing.

    Raises
    ------
    TargetError
        If there are more symbols than frames to say them in.

    Notes
    -----
    States are blank, symbol, blank, ..., blank. With s the state, :math:`v_t(s) = \log p_t(s) + \max(v_{t-1}(s),
    v_{t-1}(s - 1), v_{t-1}(s - 2))`, the last only into a symbol that differs from the one before.
    """
    states = np.full(2 * len(symbols) + 1, blank)
    states[1::2] = symbols
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    n = len(log_probs)
    value = np.full(len(states), -np.inf)
    value[:2] = log_probs[0, states[:2]]
    came = np.zeros((n, len(states)), np.int8)
    for t in range(1, n):
        one = np.concatenate([[-np.inf], value[:-1]])
        two = np.where(skips, np.concatenate([[-np.inf] * 2, value])[: len(states)], -np.inf)
        options = np.stack([value, one, two])
        came[t] = options.argmax(0)
        value = options.max(0) + log_probs[t, states]
    state = len(states) - 1 if len(states) == 1 or value[-1] >= value[-2] else len(states) - 2
    if not np.isfinite(value[state]):
        raise TargetError(
            f"{len(symbols)} symbols in {n} frames",
            expected="a frame for every symbol, and one between equal neighbours",
            cause="a transcript that belongs to a longer sound",
            fix="check the transcript, or give what is said as said=",
        )
    path = np.empty(n, int)
    for t in range(n - 1, -1, -1):
        path[t] = state
        state -= came[t, state]
    frames = [np.flatnonzero(path == 2 * i + 1) for i in range(len(symbols))]
    return [(int(found[0]), int(found[-1]) + 1) for found in frames]


def territories(spans: Sequence[Window], n_frames: int) -> list[Window]:
    """Return the frames that each symbol can move in: halfway into the blanks between it and its neighbours."""
    edges = [(a[1] + b[0]) // 2 for a, b in pairwise(spans)]
    return list(zip([0, *edges], [*edges, n_frames], strict=True))


def path_sum(said: Tensor, symbols: Sequence[int], blank: int) -> Tensor:
    """Return the log-probability that frames say the symbols and nothing else, by any path [shape=(batch,)].

    Parameters
    ----------
    said
        Log-probabilities, from a log-softmax [shape=(batch, frames, vocabulary)].
    symbols
        Without blanks.
    blank
        The symbol that says nothing.
    """
    batch, n = said.shape[:2]
    return -torch.nn.functional.ctc_loss(
        said.transpose(0, 1),
        torch.tensor([list(symbols)] * batch, device=said.device),
        torch.full((batch,), n),
        torch.full((batch,), len(symbols)),
        blank=blank,
        reduction="none",
    )
