"""Representational similarity analysis: are units that are alike on one side alike on the other?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from speechinterp.errors import SimilarityError, shortlist
from speechinterp.representations import Representations, indicator
from speechinterp.similarity.compare import FEWEST, check_settings
from speechinterp.similarity.jackknife import jackknife
from speechinterp.similarity.nulls import Null, orders, spans, usable_null
from speechinterp.similarity.views import Doubles, Other, clusters, paired

__all__ = ["rsa"]

TAIL = 1e-3


def rsa(
    reps: Representations,
    other: Other = None,
    *,
    on: str = "label",
    control: Sequence[str] = (),
    null: Null = "shift",
    n_null: int = 50,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    r"""Correlate how alike any two units are in a layer with how alike they are on another side.

    Parameters
    ----------
    reps, null, n_null, over, confidence, seed, baselines, progress
        As in :func:`speechinterp.similarity.cka`.
    other
        What gives the other likeness of two units:

        - other representations, or one row of numbers a unit: the cosine of their vectors;
        - None: the cosine in the other layers;
        - a column of ``reps.units``: 1 if two units have the same value, else 0 (*local* RSA, for ``"label"``); for a
          column of numbers, minus the squared difference;
        - a square table with labels as both index and columns, such as
          :func:`~speechinterp.similarity.edit_similarity` (*global* RSA) or
          :func:`~speechinterp.similarity.feature_similarity`: its entry for the values of `on`;
        - any other table with one row a label: the cosine of the two rows.
    on
        The column that holds the labels of tables.
    control
        Columns whose likeness is held constant (partial correlation): ``["speaker", "utterance"]``, or numbers such
        as a duration.

    Returns
    -------
    pandas.DataFrame
        As for :func:`speechinterp.similarity.cka`; the score is Pearson's r over all pairs of different units, none of
        them sampled.

    Raises
    ------
    SimilarityError
        If the two sides have no units in common, or a column is missing.

    Notes
    -----
    Every likeness used here is a bilinear form :math:`a_{ij} = \varphi(i)^\top J \varphi(j)` of a few numbers a unit:
    a unit vector for the cosine, one column a label for tables, :math:`(1, z, z^2)` for :math:`-(z_i - z_j)^2`. So the
    sum over all pairs of units of the products of two likenesses is

    .. math:: \sum_{i, j} a_{ij} b_{ij} = \mathrm{tr}(J_a P J_b P^\top), \qquad P = \sum_i \varphi_a(i)
              \varphi_b(i)^\top,

    from which the pairs of a unit with itself are subtracted. Exact r over millions of pairs takes one pass over the
    units; speakers are left out by subtracting their sums.

    References
    ----------
    Kriegeskorte, N., Mur, M., & Bandettini, P. (2008). Representational similarity analysis. Frontiers in Systems
    Neuroscience 2. Chrupała, G., Higy, B., & Alishahi, A. (2020). Analyzing analytical methods: the case of
    phonology in neural models of spoken language. ACL.
    """
    check_settings(null, n_null, confidence)
    tables: list[pd.DataFrame] = []
    record: dict[Any, Any] = {}
    for name, source in {"none": reps, **(baselines or {})}.items():
        study = _Study(
            source, other, on=on, control=control, null=null, n_null=n_null, over=over, confidence=confidence, seed=seed
        )  # fmt: skip
        tables.append(study.table(progress).assign(baseline=name))
        record = record or study.record()
    table = pd.concat(tables, ignore_index=True)
    table.attrs = record | {"representations": dict(reps.meta)}
    if isinstance(other, Representations):
        table.attrs["other"] = dict(other.meta)
    return table


class Likeness(NamedTuple):
    """How alike units are: phi(i) J phi(j), with J the identity if it is None, and of each unit with itself."""

    phi: Any
    inner: Doubles | None
    own: Doubles


def cosine(rows: Doubles) -> Likeness:
    """Return the likeness of vectors; one of zeros is like no other."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return Likeness(rows / np.where(norms > 0, norms, 1), None, (norms[:, 0] > 0).astype(np.float64))


def likeness_of(values: pd.Series, table: pd.DataFrame | None = None) -> Likeness:
    """Return the likeness of labels or numbers, from a table if there is one."""
    if table is not None:
        if not (len(table) == len(table.columns) and (table.index == table.columns).all()):
            return cosine(table.reindex(values.astype(str)).to_numpy(np.float64))
        codes = table.index.get_indexer(pd.Index(values.astype(str))).astype(np.int64)
        inner = table.to_numpy(np.float64)
        return Likeness(indicator(codes, len(table)), inner, np.diag(inner)[codes])
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        z = values.to_numpy(np.float64)
        z = (z - z.mean()) / (z.std() or 1)
        inner = np.array([[0, 0, -1], [0, 2, 0], [-1, 0, 0]], dtype=np.float64)
        return Likeness(np.stack([np.ones_like(z), z, z**2], axis=1), inner, np.zeros_like(z))
    codes = pd.factorize(values)[0].astype(np.int64)
    return Likeness(indicator(codes, int(codes.max()) + 1), None, np.ones(len(codes)))


class _Study:
    """One analysis on the units that both sides have."""

    def __init__(
        self, reps: Representations, other: Other, *, on: str, control: Sequence[str], null: Null, n_null: int,
        over: str, confidence: float, seed: int,
    ) -> None:  # fmt: skip
        table = _named(other)
        column = on if table is not None else other if isinstance(other, str) else None
        wanted = [column] if column is not None else []
        absent = [name for name in (*wanted, *control) if name not in reps.units]
        if absent:
            raise SimilarityError(
                f"the units have no column {shortlist(absent)}",
                expected=f"one of {shortlist(reps.units.columns, 20)}",
                fix="name one of these, or add the column to reps.units",
            )
        if column is not None:
            known = reps.units[column].notna()
            if table is not None:
                known &= reps.units[column].astype(str).isin(table.index)
            marks = np.where(known, 0.0, np.nan)
            self.units, self.first, _ = paired(reps, marks, name=column)
            self.theirs: list[tuple[int | None, Likeness]] = [(None, likeness_of(self.units[column], table))]
            self.name: str | None = column
        else:
            self.units, self.first, second = paired(reps, other)
            self.theirs = [(layer, cosine(second.read(layer))) for layer in second.layers] if second else []
            self.name = second.name if second else None
        self.controls = [likeness_of(self.units[name]) for name in control]
        self.control = list(control)
        self.codes, self.over = clusters(self.units, over, seed)
        self.bounds = spans(self.units)
        self.null = usable_null(null, self.units, column)
        self.n_null, self.confidence, self.seed = n_null, confidence, seed
        without = [self.codes != code for code in range(int(self.codes.max()) + 1)]
        enough = min(keep.sum() for keep in without) >= FEWEST
        self.keeps = [np.ones(len(self.units), dtype=bool), *(without if enough else [])]

    def record(self) -> dict[str, Any]:
        """Say how it was done."""
        return {
            "measure": self.measure, "control": self.control, "null": self.null, "n_null": self.n_null,
            "clusters": self.over, "n_clusters": int(self.codes.max()) + 1, "confidence": self.confidence,
            "seed": self.seed, "n_units": len(self.units), "n_utterances": len(self.bounds) - 1,
        }  # fmt: skip

    @property
    def measure(self) -> str:
        """The name of the score."""
        return "rsa-partial" if self.control else "rsa"

    def table(self, progress: Callable[[int, int], object] | None) -> pd.DataFrame:
        """Return one row a pair of layers."""
        mine = {layer: cosine(self.first.read(layer)) for layer in self.first.layers}
        if self.name is None:
            pairs = [(a, b, mine[b]) for a, b in combinations(self.first.layers, 2)]
        else:
            pairs = [(a, b, likeness) for a, (b, likeness) in product(self.first.layers, self.theirs)]
        alone = {layer: self.sums(x, x) for layer, x in mine.items()}
        beside = {layer: [self.sums(x, z) for z in self.controls] for layer, x in mine.items()}
        rows = []
        for number, (a, b, y) in enumerate(pairs, 1):
            values = self.pair(mine[a], y, alone[a], beside[a])
            rows.append({"model": self.first.name, "layer": a, "other": self.name or self.first.name, "other_layer": b,
                         "measure": self.measure, **values, "n": len(self.units)})  # fmt: skip
            if progress:
                progress(number, len(pairs))
        return pd.DataFrame(rows).astype({"layer": "Int64", "other_layer": "Int64"})

    def sums(self, x: Likeness, y: Likeness) -> Doubles:
        """Sum x, y and x y over all pairs of different units, with all units and without each cluster.

        Returns
        -------
        numpy.ndarray
            [shape=(1 + clusters, 3)].
        """
        parts = [
            (_cross(x.phi[rows], y.phi[rows]), _sum(x.phi[rows]), _sum(y.phi[rows]), x.own[rows], y.own[rows])
            for rows in (np.flatnonzero(self.codes == code) for code in range(int(self.codes.max()) + 1))
        ]
        cross, sum_x, sum_y = (np.sum([part[k] for part in parts], axis=0) for k in range(3))
        own_x, own_y, own_xy = x.own.sum(), y.own.sum(), x.own @ y.own
        found = [(_form(sum_x, x), _form(sum_y, y), _trace(cross, x, y))]
        owns = [(own_x, own_y, own_xy)]
        for p, s, t, a, b in parts if len(self.keeps) > 1 else []:
            found.append((_form(sum_x - s, x), _form(sum_y - t, y), _trace(cross - p, x, y)))
            owns.append((own_x - a.sum(), own_y - b.sum(), own_xy - a @ b))
        return np.array(found) - np.array(owns)

    def pair(self, x: Likeness, y: Likeness, xx: Doubles, xz: list[Doubles]) -> dict[str, float]:
        """Correlate two likenesses, the controls held constant."""
        sizes = np.array([keep.sum() for keep in self.keeps], dtype=np.float64)
        n_pairs = sizes * (sizes - 1)
        xy, yy, yz = self.sums(x, y), self.sums(y, y), [self.sums(y, z) for z in self.controls]
        zz = [[self.sums(z, w) for w in self.controls] for z in self.controls]
        means = np.stack([xy[:, 0], xy[:, 1], *(row[0][:, 0] for row in zz)], axis=1) / n_pairs[:, None]
        products = np.empty((len(sizes), 2 + len(zz), 2 + len(zz)))
        products[:, 0, 0], products[:, 1, 1] = xx[:, 2], yy[:, 2]
        products[:, 0, 1] = products[:, 1, 0] = xy[:, 2]
        for k in range(len(zz)):
            products[:, 0, 2 + k] = products[:, 2 + k, 0] = xz[k][:, 2]
            products[:, 1, 2 + k] = products[:, 2 + k, 1] = yz[k][:, 2]
            for j in range(len(zz)):
                products[:, 2 + k, 2 + j] = zz[k][j][:, 2]
        covariance = products / n_pairs[:, None, None] - means[:, :, None] * means[:, None, :]
        scores = _partial(covariance)
        low, high = jackknife(scores[0], scores[1:], self.confidence)
        reduced = _reduced(x) if not sparse.issparse(y.phi) and y.inner is None else x
        draws = []
        for order in orders(self.null, self.bounds, self.n_null, self.seed):
            moved = Likeness(y.phi[order], y.inner, y.own[order])
            drawn = covariance[:1].copy()
            for k, side in enumerate([reduced, None, *self.controls]):
                if side is not None:
                    shared = _trace(_cross(side.phi, moved.phi), side, moved) - side.own @ moved.own
                    drawn[0, k, 1] = drawn[0, 1, k] = shared / n_pairs[0] - means[0, k] * means[0, 1]
            draws.append(_partial(drawn)[0])
        return {
            "score": scores[0], "ci_low": low, "ci_high": high, "null": float(np.mean(draws)),
            "null_high": float(np.quantile(draws, self.confidence)),
        }  # fmt: skip


def _named(other: Other) -> pd.DataFrame | None:
    """Return a table of labels with its names as text."""
    if not isinstance(other, pd.DataFrame):
        return None
    table = other.set_axis(other.index.astype(str), axis=0)
    if table.index.has_duplicates:
        raise SimilarityError(
            "a table with several rows for one label", expected="one row a label", fix="average them"
        )
    if len(table) == len(table.columns) and set(table.index) == set(table.columns.astype(str)):
        table = table.set_axis(table.columns.astype(str), axis=1)[table.index.tolist()]
    return table


def _cross(a: Any, b: Any) -> Doubles:
    product_ = (b.T @ a).T if sparse.issparse(b) and not sparse.issparse(a) else a.T @ b
    dense: Doubles = product_.toarray() if sparse.issparse(product_) else np.asarray(product_)
    return dense


def _sum(phi: Any) -> Doubles:
    return np.asarray(phi.sum(axis=0)).reshape(-1)


def _form(total: Doubles, x: Likeness) -> float:
    """Sum a likeness over all ordered pairs of units, a unit with itself among them."""
    return float(total @ total if x.inner is None else total @ x.inner @ total)


def _trace(cross: Doubles, x: Likeness, y: Likeness) -> float:
    """Sum the products of two likenesses over all ordered pairs of units."""
    left = cross if x.inner is None else x.inner @ cross
    right = cross if y.inner is None else cross @ y.inner
    return float(np.sum(left * right))


def _partial(covariance: Doubles) -> Doubles:
    """Correlate the first two variables with the others held constant [shape=(n, k, k) -> (n,)]."""
    if covariance.shape[1] > 2:
        rest = np.linalg.pinv(covariance[:, 2:, 2:], hermitian=True)
        covariance = covariance[:, :2, :2] - covariance[:, :2, 2:] @ rest @ covariance[:, 2:, :2]
    spread = covariance[:, 0, 0] * covariance[:, 1, 1]
    found: Doubles = np.where(
        spread > 0, covariance[:, 0, 1] / np.sqrt(np.where(spread > 0, spread, 1)), np.nan
    )
    return found


def _reduced(x: Likeness) -> Likeness:
    """Return a cosine from as few columns as change no sum of products by more than a thousandth of its bound."""
    power, axes = np.linalg.eigh(x.phi.T @ x.phi)
    tail = np.sqrt(np.cumsum(power**2))
    return Likeness(x.phi @ axes[:, tail > TAIL * tail[-1]], None, x.own)
