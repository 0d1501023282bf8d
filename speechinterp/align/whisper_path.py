"""Whisper: time warping of a text onto a sound, from a score of every letter at every step in time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["Path", "Warping"]

Doubles = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Path:
    """One way through a text.

    Parameters
    ----------
    starts, ends
        For every letter its first step, and the one after its last [shape=(letters,)]; a silent letter has none.
    score
        Of the whole path, in nats.
    """

    starts: Steps
    ends: Steps
    score: float


@dataclass(frozen=True)
class Warping:
    r"""Every way to give each step in time to one letter or to a pause, in the order of the text.

    Parameters
    ----------
    letters
        Log score of every letter at every step [shape=(letters, steps)].
    pause
        Log score of a pause at a step.
    onset
        What a word gains by starting at each step [shape=(steps,)].
    first
        True where a letter is the first of its word [shape=(letters,)]. There can be a pause before every word and
        after the last.
    least
        Steps that the first letter of a word lasts at least, so that no word is empty; there must be as many for
        every word.

    Notes
    -----
    The letters and possible pauses are states s = 1 ... S, each from step :math:`b_s` to :math:`b_{s+1}`, and a path
    scores

    .. math:: \sum_s \Big[ o_s(b_s) + \sum_{t=b_s}^{b_{s+1}-1} x_s(t) \Big], \quad 0 = b_1 \le b_2 \le \dots = T

    where x is `letters` or `pause` and o is `onset` for the first letter of a word and 0 for others. With
    :math:`X_s(t) = \sum_{u<t} x_s(u)`, the best score of the states up to s that end at t is

    .. math:: M_s(t) = X_s(t) + \max_{u \le t} \big[ M_{s-1}(u) + o_s(u) - X_s(u) \big],

    a running maximum, so that all of it costs S T operations, and nothing limits how steep a path can be. With sums
    of exponentials in place of the maximum it gives probabilities, in which each path weighs as much as the exponential
    of its score.
    """

    letters: Doubles
    pause: float
    onset: Doubles
    first: npt.NDArray[np.bool_]
    least: int = 1

    @cached_property
    def _states(self) -> list[tuple[Doubles, Doubles, int]]:
        """For every state its summed scores, what it gains by starting, and how long it lasts at least."""
        n_letters, n_steps = self.letters.shape
        pause = self.pause * np.arange(n_steps + 1)
        onset, no_onset = np.append(self.onset, 0.0), np.zeros(n_steps + 1)
        states = []
        for letter in range(n_letters):
            states += [(pause, no_onset, 0)] if self.first[letter] else []
            sums = np.append(0.0, np.cumsum(self.letters[letter]))
            states.append((sums, onset, self.least) if self.first[letter] else (sums, no_onset, 0))
        return [*states, (pause, no_onset, 0)]

    @cached_property
    def _letters_in_states(self) -> Steps:
        """The state of every letter."""
        return np.arange(len(self.first)) + np.cumsum(self.first)

    def best(self) -> Path:
        """Return the path with the highest score."""
        at = np.arange(self.letters.shape[1] + 1)
        best = np.where(at == 0, 0.0, -np.inf)
        came = np.empty((len(self._states), len(at)), np.int64)
        for state, (sums, onset, least) in enumerate(self._states):
            value = _later(best - sums + onset, least)
            highest = np.maximum.accumulate(value)
            came[state] = np.maximum.accumulate(np.where(value == highest, at, 0)) - least
            best = highest + sums
        edges = np.full(len(came) + 1, at[-1])
        for state in range(len(came) - 1, -1, -1):
            edges[state] = came[state, edges[state + 1]]
        where = self._letters_in_states
        return Path(edges[where], edges[where + 1], float(best[-1]))

    def start_probabilities(self) -> Doubles:
        """Return the probability of every word to start at every step [shape=(words, steps + 1)]."""
        reached = [np.where(np.arange(self.letters.shape[1] + 1) == 0, 0.0, -np.inf)]
        for sums, onset, least in self._states:
            reached.append(np.logaddexp.accumulate(_later(reached[-1] - sums + onset, least)) + sums)
        total = reached[-1][-1]
        left = np.full(len(reached[0]), -np.inf)
        left[-1] = 0.0
        rows = []
        for state in range(len(self._states) - 1, -1, -1):
            sums, onset, least = self._states[state]
            left = np.logaddexp.accumulate(_later((left + sums)[::-1], least))[::-1] - sums + onset
            rows.append(reached[state] + left - total)
        words = self._letters_in_states[self.first]
        probabilities: Doubles = np.exp(np.array(rows[::-1])[words])
        return probabilities


def _later(values: Doubles, steps: int) -> Doubles:
    """Return values moved to later steps; nothing comes before."""
    return np.append(np.full(steps, -np.inf), values)[: len(values)] if steps else values
