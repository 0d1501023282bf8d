"""Moments: the sums over some units of the views of a corpus, which add up, subtract and can be centred."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.errors import StoreError, shortlist

__all__ = ["Doubles", "Moments", "Pair"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Moments:
    """Sums over the units of some groups, about one origin a view.

    What is summed is said in
    :mod:`speechinterp.representations.statistics`.

    Parameters
    ----------
    origin
        What was subtracted from each view before it was summed [shape=(p,)].
    count
        The number of units.
    totals, squares
        Sums of each view and of its squares [shape=(p,)] each.
    crosses
        Cross-products of pairs of views [shape=(p, q)].
    thirds
        For every pair (a, b), the sums of a weighted by the squared norms of b [shape=(p,)], and of b weighted
        by those of a [shape=(q,)].
    fourths
        For every pair, the sum of the products of their squared norms.
    """

    origin: Mapping[str, Doubles]
    count: int
    totals: Mapping[str, Doubles]
    squares: Mapping[str, Doubles]
    crosses: Mapping[Pair, Doubles]
    thirds: Mapping[Pair, tuple[Doubles, Doubles]]
    fourths: Mapping[Pair, float]

    def __add__(self, other: Moments) -> Moments:
        """Return the sums over the units of both."""
        return self._combined(other, 1)

    def __sub__(self, other: Moments) -> Moments:
        """Return the sums without the units of `other`, which must be among these."""
        return self._combined(other, -1)

    def __or__(self, other: Moments) -> Moments:
        """Return the sums of the views of both, which are sums over the same units.

        Raises
        ------
        StoreError
            If they are sums over different numbers of units.
        """
        if self.count != other.count:
            raise StoreError(
                f"sums over {self.count} and over {other.count} units", expected="sums over the same units"
            )
        moved = other.about({**other.origin, **self.origin})
        return Moments(
            {**moved.origin, **self.origin},
            self.count,
            {**moved.totals, **self.totals},
            {**moved.squares, **self.squares},
            {**moved.crosses, **self.crosses},
            {**moved.thirds, **self.thirds},
            {**moved.fourths, **self.fourths},
        )

    def _combined(self, other: Moments, sign: int) -> Moments:
        if not all(np.array_equal(other.origin[view], origin) for view, origin in self.origin.items()):
            other = other.about(self.origin)
        return Moments(
            self.origin,
            self.count + sign * other.count,
            {view: value + sign * other.totals[view] for view, value in self.totals.items()},
            {view: value + sign * other.squares[view] for view, value in self.squares.items()},
            {pair: value + sign * other.crosses[pair] for pair, value in self.crosses.items()},
            {
                pair: (left + sign * other.thirds[pair][0], right + sign * other.thirds[pair][1])
                for pair, (left, right) in self.thirds.items()
            },
            {pair: value + sign * other.fourths[pair] for pair, value in self.fourths.items()},
        )

    def about(self, origin: Mapping[str, Doubles]) -> Moments:
        """Return the same sums about another origin."""
        n = self.count
        move = {view: self.origin[view] - origin[view] for view in self.origin}
        totals = {view: value + n * move[view] for view, value in self.totals.items()}
        squares = {
            view: value + 2 * move[view] * self.totals[view] + n * move[view] ** 2
            for view, value in self.squares.items()
        }
        crosses, thirds, fourths = {}, {}, {}
        for (a, b), cross in self.crosses.items():
            d, e = move[a], move[b]
            crosses[a, b] = cross + np.outer(self.totals[a], e) + np.outer(d, totals[b])
            if (a, b) not in self.thirds:
                continue
            of_a, of_b = self.thirds[a, b]
            # With squared norms k of a and l of b: k' = k + 2 d.x + |d|^2 and l' = l + 2 e.y + |e|^2.
            k, l_new = self.squares[a].sum(), squares[b].sum()
            thirds[a, b] = (
                of_a + 2 * cross @ e + (e @ e) * self.totals[a] + d * l_new,
                of_b + 2 * cross.T @ d + (d @ d) * self.totals[b] + e * squares[a].sum(),
            )
            fourths[a, b] = float(
                self.fourths[a, b] + 2 * e @ of_b + (e @ e) * k
                + 2 * d @ (of_a + 2 * cross @ e + (e @ e) * self.totals[a]) + (d @ d) * l_new
            )  # fmt: skip
        return Moments(origin, n, totals, squares, crosses, thirds, fourths)

    def select(self, view: str, columns: npt.NDArray[np.integer]) -> Moments:
        """Return the sums of some columns of a view, with all of the other views; they have no HSIC."""

        def part(name: str, values: Doubles) -> Doubles:
            return values[columns] if name == view else values

        return Moments(
            {name: part(name, values) for name, values in self.origin.items()},
            self.count,
            {name: part(name, values) for name, values in self.totals.items()},
            {name: part(name, values) for name, values in self.squares.items()},
            {(a, b): part(b, part(a, cross).T).T for (a, b), cross in self.crosses.items()},
            {},
            {},
        )

    def mean(self, view: str) -> Doubles:
        """Return the mean of a view [shape=(p,)]."""
        return self.origin[view] + self.totals[view] / self.count

    def deviation(self, view: str) -> Doubles:
        """Return the standard deviation of each column of a view, dividing by n [shape=(p,)]."""
        variance = self.squares[view] / self.count - (self.totals[view] / self.count) ** 2
        return np.sqrt(np.maximum(variance, 0))

    def cross(self, a: str, b: str) -> Doubles:
        r"""Return the centred cross-products of two views [shape=(p, q)].

        These are :math:`\sum_i (x_i - \bar x)(y_i - \bar y)^\top`: divided by n, their covariances.

        Raises
        ------
        StoreError
            If this pair was not summed.
        """
        x, y = self.pair(a, b)
        cross = self.crosses[x, y] - np.outer(self.totals[x], self.totals[y] / self.count)
        return cross if (x, y) == (a, b) else cross.T

    def hsic(self, a: str, b: str) -> float:
        r"""Return the debiased HSIC of the linear kernels of two views.

        Raises
        ------
        StoreError
            If this pair was not summed, or there are fewer than four units.

        Notes
        -----
        With :math:`K = X X^\top` and :math:`L = Y Y^\top` whose diagonals are set to 0,

        .. math:: \frac{1}{n (n-3)} \left[ \mathrm{tr} K L + \frac{1^\top K 1 \, 1^\top L 1}{(n-1)(n-2)}
                  - \frac{2}{n-2} 1^\top K L 1 \right].

        Shifting a view does not change it. So let both be centred; then, with :math:`k_i = \lVert x_i \rVert^2`
        and :math:`l_i = \lVert y_i \rVert^2`, the sums are :math:`\mathrm{tr} K L = \lVert X^\top Y \rVert_F^2
        - \sum k_i l_i`, :math:`1^\top K 1 = -\sum k_i` and :math:`1^\top K L 1 = \sum k_i l_i`.
        The debiased CKA is ``hsic(a, b) / sqrt(hsic(a, a) * hsic(b, b))``.
        """
        n = self.count
        if n < 4:
            raise StoreError(
                f"{n} units", expected="at least 4, which the debiased HSIC divides by", fix="more units"
            )
        x, y = self.pair(a, b)
        centred = self._of((x, y)).about({view: self.mean(view) for view in (x, y)})
        k, l_, kl = centred.squares[x].sum(), centred.squares[y].sum(), centred.fourths[x, y]
        trace = np.sum(centred.crosses[x, y] ** 2) - kl
        return float((trace + k * l_ / ((n - 1) * (n - 2)) - 2 * kl / (n - 2)) / (n * (n - 3)))

    def _of(self, pair: Pair) -> Moments:
        """Return the sums of one pair of views only."""
        views = set(pair)
        return Moments(
            {view: self.origin[view] for view in views},
            self.count,
            {view: self.totals[view] for view in views},
            {view: self.squares[view] for view in views},
            {pair: self.crosses[pair]},
            {pair: self.thirds[pair]},
            {pair: self.fourths[pair]},
        )

    def pair(self, a: str, b: str) -> Pair:
        """Return the order in which two views were summed."""
        for pair in ((a, b), (b, a)):
            if pair in self.crosses:
                return pair
        raise StoreError(
            f"the views {a!r} and {b!r} were not summed together",
            expected=f"one of the pairs {shortlist(' x '.join(pair) for pair in self.crosses)}",
            fix="name this pair when the statistics are made",
        )
