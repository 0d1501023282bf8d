"""Matching: which found segment is which of gold, and how many boundaries coincide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["hits", "matched"]


def matched(gold: Sequence[str], found: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Return pairs of positions, in order, with as many equal labels as possible; None where one side has no match.

    Examples
    --------
    >>> matched(["a", "cat", "sat"], ["a", "sat", "down"])
    [(0, 0), (1, None), (2, 1), (None, 2)]
    """
    n, m = len(gold), len(found)
    alike = next((k for k in range(min(n, m)) if gold[k] != found[k]), min(n, m))
    if alike:
        rest = matched(gold[alike:], found[alike:]) if alike < max(n, m) else []
        later = [(None if i is None else i + alike, None if j is None else j + alike) for i, j in rest]
        return [*((k, k) for k in range(alike)), *later]
    longest = np.zeros((n + 1, m + 1), np.int32)  # longest common subsequence of what is left
    for i in range(n - 1, -1, -1):
        equal = np.fromiter((label == gold[i] for label in found), bool, m)
        best = np.maximum(longest[i + 1, :-1], np.where(equal, longest[i + 1, 1:] + 1, 0))
        longest[i, :-1] = np.maximum.accumulate(best[::-1])[::-1]
    pairs: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < n and j < m:
        if gold[i] == found[j] and longest[i, j] == longest[i + 1, j + 1] + 1:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif longest[i, j] == longest[i + 1, j]:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return [*pairs, *((k, None) for k in range(i, n)), *((None, k) for k in range(j, m))]


def hits(found: npt.NDArray[np.float64], gold: npt.NDArray[np.float64], tolerance: float) -> int:
    """Return how many sorted times can be paired one to one within a tolerance."""
    i = j = count = 0
    while i < len(found) and j < len(gold):
        distance = found[i] - gold[j]
        if abs(distance) <= tolerance + 1e-9:
            count, i, j = count + 1, i + 1, j + 1
        elif distance < 0:
            i += 1
        else:
            j += 1
    return count
