r"""Sufficient statistics: everything that linear methods need to know of a corpus, in one pass over it.

Notes
-----
A *view* is a matrix with one row a unit: a layer, acoustic features, a second model, one column a class. For
views :math:`X` (:math:`n \times p`) and :math:`Y` (:math:`n \times q`) these sums are kept, group by group:

.. math:: n, \quad \sum_i x_i, \quad \sum_i x_i \circ x_i, \quad \sum_i x_i y_i^\top, \quad
          \sum_i \lVert y_i \rVert^2 x_i, \quad \sum_i \lVert x_i \rVert^2 y_i, \quad
          \sum_i \lVert x_i \rVert^2 \lVert y_i \rVert^2

The first four serve regression, discriminants, CKA and canonical correlations; the last three are what the
debiased HSIC needs beside them. Sums of two groups of units add up to those of their union and are subtracted
again, so that leaving groups out, or merging what several machines found, costs no pass over the data.

All sums are in double precision and about an origin near the mean (the mean of the first units seen): sums of
squares about 0 would lose what varies in dimensions with a large mean, which speech models have.

References
----------
Chan, T. F., Golub, G. H., & LeVeque, R. J. (1983). Algorithms for computing the sample variance. The American
Statistician 37(3). Song, L., et al. (2012). Feature selection via dependence maximization. JMLR 13.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from speechinterp.errors import StoreError, shortlist
from speechinterp.representations.moments import Doubles, Moments, Pair

__all__ = ["Moments", "Statistics", "View", "indicator"]

View: TypeAlias = "npt.NDArray[np.generic] | sparse.csr_matrix"


class Statistics:
    """Sums of views of the same units, group by group (speaker, fold), fed a block of rows at a time.

    Parameters
    ----------
    pairs
        The pairs of views whose cross-products are summed; a view with itself is such a pair.

    Notes
    -----
    Memory is that of the cross-products, groups x pairs x p x q x 8 bytes, whatever the number of units.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layer, sound = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
    >>> speakers = np.repeat(["anna", "ben", "cleo"], 20)
    >>> statistics = Statistics([("layer", "layer"), ("layer", "sound")])
    >>> for block in (slice(0, 35), slice(35, 60)):
    ...     statistics.add({"layer": layer[block], "sound": sound[block]}, speakers[block])
    >>> train = statistics.without(["ben"])
    >>> train.count, train.cross("layer", "sound").shape
    (40, (4, 2))
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self.pairs = tuple(dict.fromkeys(pairs))
        self.groups: dict[Hashable, Moments] = {}
        self._origin: dict[str, Doubles] = {}

    @property
    def views(self) -> list[str]:
        """The names of the views."""
        return list(dict.fromkeys(view for pair in self.pairs for view in pair))

    def add(self, views: Mapping[str, View], groups: Sequence[Hashable] | npt.NDArray[np.generic]) -> None:
        """Add some units.

        Parameters
        ----------
        views
            For every view its rows of these units [shape=(units, p)], as an array or a sparse matrix.
        groups
            The group of each [shape=(units,)].

        Raises
        ------
        StoreError
            If a view is missing, has another number of rows or columns than it should, or is not finite.
        """
        keys, where = _groups(groups)
        if not len(where):
            return
        blocks = {name: self._checked(name, views, len(where)) for name in self.views}
        for number, key in enumerate(keys):
            rows = np.flatnonzero(where == number)
            part = {name: block[rows] for name, block in blocks.items()} if len(keys) > 1 else blocks
            found = self._sums(part, len(rows))
            self.groups[key] = self.groups[key] + found if key in self.groups else found

    def _checked(self, name: str, views: Mapping[str, View], n_units: int) -> Doubles | sparse.csr_matrix:
        """Return the rows of a view about its origin; an indicator stays as it is, since its mean is small."""
        if name not in views:
            raise StoreError(f"the view {name!r} is missing", expected=f"{shortlist(self.views)}")
        given = views[name]
        sparse_view = sparse.issparse(given)
        block = given.astype(np.float64) if sparse_view else np.asarray(given, dtype=np.float64)
        width = len(self._origin[name]) if name in self._origin else None
        if block.ndim != 2 or block.shape[0] != n_units or width not in (None, block.shape[1]):
            raise StoreError(
                f"view {name!r} has shape {block.shape}",
                expected=f"{n_units} units x {width or 'its'} dimensions",
                cause="views of different units, or of different models under one name",
                fix="add the same units to every view",
            )
        if not np.isfinite(block.data if sparse_view else block).all():
            raise StoreError(
                f"view {name!r} has NaN or infinite values",
                expected="finite values",
                cause="half precision overflowed, or frames without a pitch",
                fix="leave these units out of every view",
            )
        if name not in self._origin:
            self._origin[name] = np.zeros(block.shape[1]) if sparse_view else block.mean(axis=0)
        return block if sparse_view else block - self._origin[name]

    def _sums(self, views: Mapping[str, Any], count: int) -> Moments:
        power = {
            name: view.multiply(view) if sparse.issparse(view) else view**2 for name, view in views.items()
        }
        norms = {name: np.asarray(value.sum(axis=1)).reshape(-1) for name, value in power.items()}
        return Moments(
            self._origin,
            count,
            {name: np.asarray(view.sum(axis=0)).reshape(-1) for name, view in views.items()},
            {name: np.asarray(value.sum(axis=0)).reshape(-1) for name, value in power.items()},
            {(a, b): _product(views[a], views[b]) for a, b in self.pairs},
            {
                (a, b): (
                    np.asarray(views[a].T @ norms[b]).reshape(-1),
                    np.asarray(views[b].T @ norms[a]).reshape(-1),
                )
                for a, b in self.pairs
            },
            {(a, b): float(norms[a] @ norms[b]) for a, b in self.pairs},
        )

    def merge(self, other: Statistics) -> Statistics:
        """Return the statistics of the units of both; a group that both have is one group.

        Raises
        ------
        StoreError
            If they are not of the same pairs of views.
        """
        if set(self.pairs) != set(other.pairs):
            odd = sorted(" x ".join(pair) for pair in set(self.pairs) ^ set(other.pairs))
            raise StoreError(
                f"one of the two statistics lacks {shortlist(odd)}",
                expected="the same pairs of views in both",
                cause="parts of two different studies",
                fix="make all parts with the same arguments",
            )
        merged = Statistics(self.pairs)
        merged._origin = self._origin or other._origin
        merged.groups = dict(self.groups)
        for key, moments in other.groups.items():
            moved = moments if moments.origin is merged._origin else moments.about(merged._origin)
            merged.groups[key] = merged.groups[key] + moved if key in merged.groups else moved
        return merged

    @property
    def total(self) -> Moments:
        """The sums over all units."""
        return self.only(self.groups)

    def only(self, groups: Iterable[Hashable]) -> Moments:
        """Return the sums over the units of some groups.

        Raises
        ------
        StoreError
            If a group is not there, or none is named.
        """
        names = list(groups)
        if not names or any(name not in self.groups for name in names):
            raise StoreError(
                f"groups {shortlist(names) or 'none'}",
                expected=f"some of {shortlist(self.groups)}",
                fix="take them from statistics.groups",
            )
        total = self.groups[names[0]]
        for name in names[1:]:
            total = total + self.groups[name]
        return total

    def without(self, groups: Iterable[Hashable]) -> Moments:
        """Return the sums over the units of all groups but these, as :meth:`only` does."""
        left_out = set(groups)
        return self.only(name for name in self.groups if name not in left_out)

    def folds(self, fold_of: Callable[[Hashable], int]) -> dict[int, Moments]:
        """Return for every fold the sums of all units outside it, each found by one subtraction.

        Parameters
        ----------
        fold_of
            Gives the fold of a group.
        """
        members: dict[int, list[Hashable]] = {}
        for name in self.groups:
            members.setdefault(fold_of(name), []).append(name)
        total = self.total
        return {fold: total - self.only(names) for fold, names in sorted(members.items())}

    def __repr__(self) -> str:
        units = sum(moments.count for moments in self.groups.values())
        return f"Statistics({units} units, {len(self.groups)} groups, {len(self.pairs)} pairs of views)"


def indicator(classes: npt.NDArray[np.integer], n_classes: int) -> sparse.csr_matrix:
    """Return one column a class, 1 where a unit is of it [shape=(units, n_classes)]; a class below 0 is none."""
    rows = np.flatnonzero(classes >= 0)
    return sparse.csr_matrix(
        (np.ones(len(rows)), (rows, classes[rows])), shape=(len(classes), n_classes), dtype=np.float64
    )


def _groups(
    groups: Sequence[Hashable] | npt.NDArray[np.generic],
) -> tuple[list[Hashable], npt.NDArray[np.int64]]:
    """Return the groups in the order in which they come, and the number of each unit's group."""
    numbers: dict[Hashable, int] = {}
    values = groups.tolist() if isinstance(groups, np.ndarray) else groups
    where = [numbers.setdefault(value, len(numbers)) for value in values]
    return list(numbers), np.array(where, dtype=np.int64)


def _product(a: Any, b: Any) -> Doubles:
    """Return the cross-products of two views, either of which may be sparse."""
    product = (b.T @ a).T if sparse.issparse(b) and not sparse.issparse(a) else a.T @ b
    return product.toarray() if sparse.issparse(product) else np.ascontiguousarray(product)
