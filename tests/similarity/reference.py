"""Slow oracles of similarity: loops written from the definitions, sharing no code with the package."""

from __future__ import annotations

import math
from itertools import product

import numpy as np


def angular(x, y):
    """Return the angle between two vectors, as a share of pi."""
    cosine = sum(a * b for a, b in zip(x, y, strict=True)) / math.sqrt(
        sum(a * a for a in x) * sum(b * b for b in y)
    )
    return math.acos(max(-1.0, min(1.0, cosine))) / math.pi


def dtw(x, y):
    """Align two sequences, trace the path back, and divide its cost by its steps."""
    cost = [[math.inf] * len(y) for _ in x]
    for i, j in product(range(len(x)), range(len(y))):
        before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
        came = min((cost[a][b] for a, b in before if a >= 0 and b >= 0), default=0.0)
        cost[i][j] = angular(x[i], y[j]) + came
    i, j, steps = len(x) - 1, len(y) - 1, 1
    while i or j:
        ways = [(a, b) for a, b in [(i - 1, j - 1), (i, j - 1), (i - 1, j)] if a >= 0 and b >= 0]
        i, j = min(ways, key=lambda way: cost[way[0]][way[1]])
        steps += 1
    return cost[-1][-1] / steps


def abx_cells(units, on, by, across, distance):
    """Return the error of each cell of triplets, asking every triplet in turn.

    `units` is a list of dicts, `distance(i, j)` gives the distance of two of them.
    """
    asked: dict[tuple, list[float]] = {}
    for x, a, b in product(range(len(units)), repeat=3):
        X, A, B = units[x], units[a], units[b]
        if a == x or A[on] != X[on] or B[on] == X[on]:
            continue
        if any(not A[c] == B[c] == X[c] for c in by) or any(A[c] != B[c] or A[c] == X[c] for c in across):
            continue
        near, far = distance(a, x), distance(b, x)
        error = 0.0 if near < far else 1.0 if near > far else 0.5
        cell = (X[on], B[on], *(X[c] for c in by), *(A[c] for c in across), *(X[c] for c in across))
        asked.setdefault(cell, []).append(error)
    return {cell: sum(errors) / len(errors) for cell, errors in asked.items()}


def averaged(cells, contexts, speaker):
    """Average cells over contexts if there are any, then over speakers, then over pairs of labels.

    `speaker` is the position in a cell of the speaker of A and B, or None. The speakers of X are averaged with the
    contexts, or, without these, with the speakers of A and B.
    """
    if contexts:
        by_speaker: dict[tuple, list[float]] = {}
        for cell, error in cells.items():
            by_speaker.setdefault((cell[0], cell[1], None if speaker is None else cell[speaker]), []).append(
                error
            )
        means = {key: sum(values) / len(values) for key, values in by_speaker.items()}
    else:
        means = dict(cells)
    pairs: dict[tuple, list[float]] = {}
    for key, value in means.items():
        pairs.setdefault(key[:2], []).append(value)
    return float(np.mean([sum(values) / len(values) for values in pairs.values()]))


def centred(x):
    """Subtract the mean of every column."""
    return x - x.mean(axis=0)


def cka(x, y):
    """Return linear CKA from the formula in features."""
    x, y = centred(x), centred(y)
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def hsic(k, m):
    """Return the debiased HSIC, as the mean over all ordered sets of four different units of its kernel."""
    n, total, count = len(k), 0.0, 0
    for i, j, q, r in product(range(n), repeat=4):
        if len({i, j, q, r}) == 4:
            total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
            count += 1
    return total / count


def debiased_cka(k, m):
    """Return the debiased CKA of two kernel matrices."""
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def canonical(x, y):
    """Return canonical correlations as cosines of the principal angles of two column spaces."""
    x, y = np.linalg.qr(centred(x))[0], np.linalg.qr(centred(y))[0]
    return np.linalg.svd(x.T @ y, compute_uv=False)


def procrustes(x, y):
    """Rotate y onto x, and return how much of the product of their norms is reached."""
    x, y = centred(x), centred(y)
    u, _, v = np.linalg.svd(y.T @ x, full_matrices=False)
    return np.sum(x * (y @ u @ v)) / (np.linalg.norm(x) * np.linalg.norm(y))


def all_rotations(sizes):
    """Yield every order in which each of some utterances is rotated by any number of units."""
    starts = np.cumsum([0, *sizes[:-1]])
    for moves in product(*(range(size) for size in sizes)):
        yield np.concatenate(
            [
                start + (np.arange(size) + move) % size
                for start, size, move in zip(starts, sizes, moves, strict=True)
            ]
        )
