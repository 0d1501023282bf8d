"""Chance: what remains when the two sides no longer belong together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from speechinterp.similarity.views import Doubles, Integers

__all__ = ["NULLS", "Null", "Rotations", "orders", "rotations", "shift_mean", "spans", "usable_null"]

Null = Literal["shift", "permutation"]
NULLS: tuple[Null, ...] = get_args(Null)


def spans(units: pd.DataFrame) -> Integers:
    """Return where each utterance starts, and where the last one ends [shape=(utterances + 1,)]."""
    names = units["utterance"].astype(str).to_numpy()
    return np.concatenate([[0], np.flatnonzero(names[1:] != names[:-1]) + 1, [len(names)]]).astype(np.int64)


def orders(null: Null, bounds: Integers, draws: int, seed: int) -> Iterator[Integers]:
    """Yield orders in which the rows of one side are taken to break its tie with the other [shape=(units,)].

    Parameters
    ----------
    null
        ``shift``: the units of every utterance are rotated in time by a random number of units, which keeps
        utterance, speaker and the likeness of neighbours. ``permutation``: all units are exchanged, which keeps none.
    bounds
        From :func:`spans`.
    draws, seed
        How many, and their seed.
    """
    random = np.random.default_rng(seed)
    sizes = np.diff(bounds)
    place = np.arange(bounds[-1]) - np.repeat(bounds[:-1], sizes)
    for _ in range(draws):
        if null == "permutation":
            yield random.permutation(int(bounds[-1]))
        else:
            move = np.repeat(random.integers(sizes), sizes)
            yield np.repeat(bounds[:-1], sizes) + (place + move) % np.repeat(sizes, sizes)


def usable_null(null: Null, units: pd.DataFrame, column: str | None) -> Null:
    """Return ``permutation`` where a rotation moves nothing, else `null`.

    Parameters
    ----------
    null
        What was asked for.
    units
        With one unit an utterance there is nothing to rotate.
    column
        The other side, where it is a column of the units: the speaker is the same in the whole utterance.
    """
    different = units if column is None else units[["utterance", column]].astype(str).drop_duplicates()
    return "permutation" if len(different) == units["utterance"].nunique() else null


class Rotations(NamedTuple):
    """What the rotations of one side depend on: sums of utterances, their autocorrelations and squared norms."""

    sizes: Integers
    sums: Doubles
    lags: Doubles
    norms: Doubles


def rotations(rows: Doubles, bounds: Integers) -> Rotations:
    """Sum up one side for :func:`shift_mean`.

    Parameters
    ----------
    rows
        Centred [shape=(units, p)].
    bounds
        From :func:`spans`.
    """
    pieces = [rows[start:stop] for start, stop in pairwise(bounds)]
    power = [np.sum(np.abs(np.fft.fft(piece, axis=0)) ** 2, axis=1) for piece in pieces]
    return Rotations(
        np.diff(bounds),
        np.array([piece.sum(axis=0) for piece in pieces]),
        np.concatenate([np.fft.ifft(spectrum).real for spectrum in power]),
        np.array([np.sum(piece**2) for piece in pieces]),
    )


def shift_mean(x: Rotations, y: Rotations) -> tuple[float, float]:
    r"""Return the exact means over all rotations of the two sums that linear CKA is made of.

    Returns
    -------
    squared, norms
        The means of :math:`\lVert X^\top P Y \rVert_F^2` and of :math:`\sum_i \lVert x_i \rVert^2 \lVert (PY)_i
        \rVert^2`, P rotating the units of every utterance by any number of units, independently of the others.

    Notes
    -----
    Rows of two utterances meet in all combinations, which leaves the product of their sums; rows of one utterance
    keep their distance around the circle. With :math:`r_u(\tau) = \sum_t x_t \cdot x_{t + \tau}` the circular
    autocorrelation within utterance u, :math:`q_u` that of y, and :math:`a_u, b_u` the sums of its :math:`n_u` rows,

    .. math:: \mathrm{E} \lVert X^\top P Y \rVert_F^2 = \Big\lVert \sum_u \frac{a_u b_u^\top}{n_u} \Big\rVert_F^2
              + \sum_u \Big( \frac{1}{n_u} \sum_\tau r_u(\tau) q_u(\tau)
              - \frac{\lVert a_u \rVert^2 \lVert b_u \rVert^2}{n_u^2} \Big).
    """
    n = x.sizes
    between = float(np.sum(((x.sums / n[:, None]).T @ y.sums) ** 2))
    own = float(np.sum(np.sum(x.sums**2, axis=1) * np.sum(y.sums**2, axis=1) / n**2))
    within = float(np.sum(x.lags * y.lags / np.repeat(n, n)))
    return between - own + within, float(np.sum(x.norms * y.norms / n))
