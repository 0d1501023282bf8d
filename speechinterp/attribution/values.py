"""Values of cooperative games, in closed form from the worth of coalitions."""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt

from speechinterp.attribution.game import all_coalitions

__all__ = ["banzhaf_values", "kernel_values", "shapley_kernel", "shapley_values", "shapley_weights"]

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def shapley_weights(n: int) -> Doubles:
    """Return the share of orders of `n` players in which a player comes after a given set of s [shape=(n,)].

    It is s! (n - 1 - s)! / n! = 1 / (n comb(n - 1, s)).
    """
    return np.array([1 / (n * comb(n - 1, s)) for s in range(n)])


def shapley_values(worth: Doubles) -> Doubles:
    """Return the Shapley value of every player [shape=(n, targets)].

    Parameters
    ----------
    worth
        Of all coalitions, in the order of :func:`all_coalitions` [shape=(2 ** n, targets)].
    """
    return _means(worth, shapley_weights(_players(worth)))


def banzhaf_values(worth: Doubles) -> Doubles:
    """Return the Banzhaf value of every player [shape=(n, targets)], from the worth of all coalitions."""
    n = _players(worth)
    return _means(worth, np.full(n, 0.5 ** (n - 1)))


def _players(worth: Doubles) -> int:
    return len(worth).bit_length() - 1


def _means(worth: Doubles, weights: Doubles) -> Doubles:
    """Return the weighted mean of what each player adds to the sets without it."""
    n = _players(worth)
    rows = np.arange(2**n)
    sizes = all_coalitions(n).sum(1)
    values = np.empty((n, worth.shape[1]))
    for i in range(n):
        without = rows[rows >> i & 1 == 0]
        values[i] = weights[sizes[without]] @ (worth[without | 1 << i] - worth[without])
    return values


def shapley_kernel(sizes: npt.NDArray[np.int64], n: int) -> Doubles:
    """Return the weight of a coalition of each size in the regression that gives Shapley values.

    It is (n - 1) / (comb(n, s) s (n - s)), for 0 < s < n.
    """
    return np.array([(n - 1) / (comb(n, int(s)) * int(s) * (n - int(s))) for s in sizes])


def kernel_values(kept: Bools, worth: Doubles, weights: Doubles, full: Doubles, empty: Doubles) -> Doubles:
    """Fit the weighted regression whose coefficients are Shapley values if all coalitions are in it.

    Parameters
    ----------
    kept
        Coalitions, neither all nor none of the players [shape=(coalitions, n)].
    worth, weights
        Of the coalitions [shape=(coalitions, targets)], [shape=(coalitions,)].
    full, empty
        Worth of all and of none [shape=(targets,)].

    Returns
    -------
    numpy.ndarray
        [shape=(n, targets)], with the sum full - empty.

    Notes
    -----
    The constraint on the sum is met by writing the last coefficient as the sum less the others. Of several
    solutions, which there are if coalitions are too few, the one with the least norm is taken.
    """
    last = kept[:, -1:].astype(float)
    design = kept[:, :-1] - last
    rest = worth - empty - last * (full - empty)
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(design * root, rest * root, rcond=None)[0]
    return np.vstack([found, (full - empty) - found.sum(0)])
