"""Slow oracles of the lenses, from the definitions, in loops."""

from __future__ import annotations

import itertools
import math
from functools import cache


def edit_distance(a: tuple, b: tuple) -> int:
    """The recursive definition of Levenshtein."""

    @cache
    def d(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(d(i - 1, j) + 1, d(i, j - 1) + 1, d(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return d(len(a), len(b))


def ctc_probability(probs: list[list[float]], target: tuple[int, ...], blank: int) -> float:
    """Sum the probability of every path that collapses to the target."""
    total = 0.0
    for path in itertools.product(range(len(probs[0])), repeat=len(probs)):
        collapsed = tuple(s for s, _ in itertools.groupby(path) if s != blank)
        if collapsed == target:
            total += math.prod(frame[s] for frame, s in zip(probs, path, strict=True))
    return total


def softmax(logits: list[float]) -> list[float]:
    exps = [math.exp(x - max(logits)) for x in logits]
    return [x / sum(exps) for x in exps]


def entropy(p: list[float]) -> float:
    return -sum(x * math.log(x) for x in p)


def kl(p: list[float], q: list[float]) -> float:
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))


def settled_from(best: list[int]) -> int:
    """The first layer from which on every layer says what the last says."""
    for layer in range(len(best)):
        if all(b == best[-1] for b in best[layer:]):
            return layer
    raise AssertionError


def word_error_rate(pairs: list[tuple[str, str]]) -> float:
    errors = sum(edit_distance(tuple(said.split()), tuple(text.split())) for said, text in pairs)
    return errors / sum(len(said.split()) for said, _ in pairs)
