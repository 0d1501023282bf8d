"""Cuts: where the best path of a long recording passes, exactly, in memory that does not grow with its square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["cut_points"]

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

EVERY = 500
"""Frames from one checkpoint to the next."""
BEAM = 200.0
"""Nats below the best state up to which the first pass follows others; it decides on speed only."""


@dataclass(frozen=True)
class Checkpoint:
    """Of each state from `low` on: where its best path was one checkpoint earlier, and when it came into the state."""

    low: int
    origin: Integers
    entered: Integers


@dataclass(frozen=True)
class Pass:
    """What one pass over the frames found: the last score, and the best that a path it gave up could have got."""

    score: float
    given_up: float
    checkpoints: list[Checkpoint]
    end: int


def cut_points(
    log_probs: Doubles, symbols: Sequence[int], blank: int, every: int = EVERY, beam: float = BEAM
) -> tuple[float, list[tuple[int, int]]]:
    r"""Find the score of the best path of these symbols, and places that it passes.

    Parameters
    ----------
    log_probs
        Natural log-probabilities [shape=(frames, vocabulary)].
    symbols
        None of them blank; the frames must be enough for them.
    blank
        The symbol that says nothing.
    every
        Frames from one checkpoint to the next.
    beam
        Of the first pass; of no consequence for the result.

    Returns
    -------
    score
        Natural log-probability of the best path, summed over the frames.
    cuts
        Pairs of a frame t and a number j, both rising: the best path says the first j symbols before frame t and
        the others from it on. The best paths of the pieces make up the best path of the whole.

    Notes
    -----
    Let :math:`f_t = \sum_{u \ge t} \max_v \log p_u(v)` be what the remaining frames give at best, whatever is
    said. A path in state s at frame t cannot end above :math:`\alpha_t(s) + f_{t+1}`. The first pass keeps what
    lies within a beam and remembers the largest such bound of what it gives up. If its own score reaches that,
    it has found the best path. If not, a second pass gives up only states whose bound is below the score of the
    first, so that nothing it gives up can be on a better path. So the result is exact with any beam. Instead of
    back-pointers for every frame, each state carries along where its path was at the last checkpoint. What is
    kept is one such pair a checkpoint and state: few states where text and sound match, and all of them,
    a 30th of a byte for every frame and state, where nothing matches.
    """
    z = np.full(2 * len(symbols) + 1, blank)
    z[1::2] = symbols
    skips = np.zeros(len(z), bool)
    skips[3::2] = z[3::2] != z[1:-2:2]
    rest = np.append(np.cumsum(log_probs.max(1)[::-1])[::-1], 0.0)
    found = _run(log_probs, z, skips, rest, every=every, beam=beam, least=-np.inf)
    while not np.isfinite(found.score):
        beam *= 4
        found = _run(log_probs, z, skips, rest, every=every, beam=beam, least=-np.inf)
    if found.given_up > found.score:
        slack = 1e-9 * abs(found.score)
        found = _run(log_probs, z, skips, rest, every=every, beam=np.inf, least=found.score - slack)
    return found.score, _traced(found, symbols)


def _run(
    log_probs: Doubles,
    z: Integers,
    skips: npt.NDArray[np.bool_],
    rest: Doubles,
    *,
    every: int,
    beam: float,
    least: float,
) -> Pass:
    """Go through the frames once; states are kept from `low` up to, not including, `low + len(best)`."""
    n_states = len(z)
    barred = np.where(skips, 0.0, -np.inf)
    low, best = 0, np.array([0.0])  # before the first frame the path stands at its first blank
    origin, entered = np.zeros(1, np.int64), np.zeros(1, np.int64)
    given_up = -np.inf
    checkpoints: list[Checkpoint] = []
    for t, frame in enumerate(log_probs):
        size = min(len(best) + 2, n_states - low)
        moves = np.full((3, size), -np.inf)
        for step in range(3):
            reach = min(len(best), size - step)
            moves[step, step : step + reach] = best[:reach]
        moves[2] += barred[low : low + size]
        choice = moves.argmax(0)
        every_state = np.arange(size)
        source = np.minimum(every_state - choice, len(origin) - 1)
        best = moves[choice, every_state] + frame[z[low : low + size]]
        origin = origin[source]
        entered = np.where(choice == 0, entered[source], t)
        kept = np.flatnonzero(best >= max(best.max() - beam, least - rest[t + 1]))
        if not len(kept):
            return Pass(-np.inf, np.inf, [], 0)
        first, stop = int(kept[0]), int(kept[-1]) + 1
        if first > 0 or stop < size:
            lost = max(best[:first].max(initial=-np.inf), best[stop:].max(initial=-np.inf))
            given_up = max(given_up, float(lost) + rest[t + 1])
            best, origin, entered = best[first:stop], origin[first:stop], entered[first:stop]
            low += first
        if (t + 1) % every == 0:
            checkpoints.append(Checkpoint(low, origin, entered))
            origin = np.arange(low, low + len(best))
    ends = {s: float(best[s - low]) for s in (n_states - 2, n_states - 1) if low <= s < low + len(best)}
    if not ends:
        return Pass(-np.inf, np.inf, [], 0)
    end = max(ends, key=lambda s: ends[s])
    return Pass(ends[end], given_up, checkpoints, int(origin[end - low]))


def _traced(found: Pass, symbols: Sequence[int]) -> list[tuple[int, int]]:
    """Follow the best path back through the checkpoints, and keep the places where it can be cut."""
    state = found.end
    places = []
    for checkpoint in reversed(found.checkpoints):
        entered = int(checkpoint.entered[state - checkpoint.low])
        places.append((entered, state // 2))
        state = int(checkpoint.origin[state - checkpoint.low])
    cuts: list[tuple[int, int]] = []
    for t, j in reversed(places):
        between = 0 < j < len(symbols) and symbols[j - 1] != symbols[j]
        if between and j > (cuts[-1][1] if cuts else 0):
            cuts.append((t, j))
    return cuts
