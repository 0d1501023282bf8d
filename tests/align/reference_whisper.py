"""Slow oracles of Whisper alignment: every path is written down and scored by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement


def paths(n_letters: int, n_steps: int, first: list[bool], least: int) -> Iterator[list[int]]:
    """Yield every path: the letter of each state, -1 for a pause, as `states` lists them, and all edges."""
    order = states(n_letters, first)
    for inner in combinations_with_replacement(range(n_steps + 1), len(order) - 1):
        edges = [0, *inner, n_steps]
        if all(
            edges[s + 1] - edges[s] >= least
            for s, letter in enumerate(order)
            if letter >= 0 and first[letter]
        ):
            yield edges


def states(n_letters: int, first: list[bool]) -> list[int]:
    """List the letters with a pause (-1) before every word and after the last."""
    order = []
    for letter in range(n_letters):
        if first[letter]:
            order.append(-1)
        order.append(letter)
    return [*order, -1]


def score(
    edges: list[int], letters: list[list[float]], pause: float, onset: list[float], first: list[bool]
) -> float:
    """Add up what a path earns, step by step."""
    total = 0.0
    for state, letter in enumerate(states(len(letters), first)):
        for step in range(edges[state], edges[state + 1]):
            total += pause if letter < 0 else letters[letter][step]
        if letter >= 0 and first[letter] and edges[state] < len(onset):
            total += onset[edges[state]]
    return total


def change(mel: list[list[float]]) -> list[float]:
    """Compare the mean of three frames before with that of three frames from every frame on; edges are repeated."""
    n = len(mel[0])
    found = []
    for t in range(n):
        squares = []
        for channel in mel:
            before = sum(channel[max(t - k, 0)] for k in (1, 2, 3)) / 3
            after = sum(channel[min(t + k, n - 1)] for k in (0, 1, 2)) / 3
            squares.append((before - after) ** 2)
        found.append((sum(squares) / len(squares)) ** 0.5)
    return found
