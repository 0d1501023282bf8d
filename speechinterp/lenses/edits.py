"""Edit distance with its alignment: which units of a reference were recognised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Alignment", "aligned", "distance"]


@dataclass(frozen=True)
class Alignment:
    """How a hypothesis differs from a reference.

    Parameters
    ----------
    errors
        Substitutions, deletions and insertions: the edit distance.
    heard
        For every unit of the reference the unit of the hypothesis in its place; None where it is deleted.
    """

    errors: int
    heard: tuple[str | None, ...]


def _costs(reference: Sequence[str], hypothesis: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the edit distance of every two beginnings [shape=(reference + 1, hypothesis + 1)]."""
    number = {unit: i for i, unit in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    said = np.array([number[unit] for unit in hypothesis], dtype=np.int64)
    place = np.arange(len(hypothesis) + 1)
    costs = np.empty((len(reference) + 1, len(hypothesis) + 1), dtype=np.int64)
    costs[0] = place
    for row, unit in enumerate(reference, 1):
        above = costs[row - 1]
        best = above + 1
        np.minimum(best[1:], above[:-1] + (said != number[unit]), out=best[1:])
        costs[row] = np.minimum.accumulate(best - place) + place  # insertions, from left to right
    return costs


def distance(reference: Sequence[str], hypothesis: Sequence[str]) -> int:
    """Return the least number of substitutions, deletions and insertions (Levenshtein distance)."""
    return int(_costs(reference, hypothesis)[-1, -1])


def aligned(reference: Sequence[str], hypothesis: Sequence[str]) -> Alignment:
    """Align a hypothesis with a reference by the least number of edits.

    Notes
    -----
    Several alignments can have the least number. From the end backwards, a match or substitution is taken
    before a deletion, and a deletion before an insertion.
    """
    costs = _costs(reference, hypothesis)
    heard: list[str | None] = [None] * len(reference)
    row, column = len(reference), len(hypothesis)
    while row:
        here = costs[row, column]
        differs = column > 0 and reference[row - 1] != hypothesis[column - 1]
        if column and here == costs[row - 1, column - 1] + differs:
            row, column = row - 1, column - 1
            heard[row] = hypothesis[column]
        elif here == costs[row - 1, column] + 1:
            row -= 1
        else:
            column -= 1
    return Alignment(int(costs[-1, -1]), tuple(heard))
