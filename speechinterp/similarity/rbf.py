"""CKA with a Gaussian kernel, whose matrices are as large as units are many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError
from speechinterp.representations import Representations
from speechinterp.similarity.compare import FEWEST, check_settings, warn_of_chance
from speechinterp.similarity.jackknife import jackknife
from speechinterp.similarity.nulls import Null, orders, spans
from speechinterp.similarity.views import Doubles, Integers, Other, Side, clusters, paired

__all__ = ["centred_kernel", "compared_by_rbf", "gaussian"]


def gaussian(rows: Doubles, bandwidth: float) -> Doubles:
    r"""Return :math:`\exp(-d_{ij}^2 / 2 (\beta m)^2)`, m the median distance of two units [shape=(units, units)]."""
    norms = np.sum(rows**2, axis=1)
    squared = np.maximum(norms[:, None] + norms - 2 * rows @ rows.T, 0)
    np.fill_diagonal(squared, 0)
    median = float(np.median(np.sqrt(squared[np.triu_indices(len(rows), 1)]))) ** 2
    if not median > 0:
        raise SimilarityError(
            "half of all pairs of units are the same",
            expected="units at different places, for a Gaussian kernel",
            cause="labels in the place of vectors",
            fix="kernel='linear'",
        )
    kernel: Doubles = np.exp(squared / (-2 * bandwidth**2 * median))
    return kernel


def centred_kernel(kernel: Doubles, debiased: bool) -> Doubles:
    r"""Centre a kernel matrix, so that sums of products of two of them are multiples of their HSIC.

    Notes
    -----
    Biased: rows and columns are centred. Debiased (U-centred): the diagonal is 0 and
    :math:`K_{ij} - \frac{r_i + r_j}{n-2} + \frac{\sum r}{(n-1)(n-2)}` elsewhere, with :math:`r_i = \sum_{j \ne i}
    K_{ij}`.
    """
    n = len(kernel)
    if not debiased:
        means = kernel.mean(axis=0)
        return kernel - means - means[:, None] + means.mean()
    inner = kernel.copy()
    np.fill_diagonal(inner, 0)
    sums = inner.sum(axis=0)
    inner += sums.sum() / ((n - 1) * (n - 2)) - (sums + sums[:, None]) / (n - 2)
    np.fill_diagonal(inner, 0)
    return inner


class _Kernel(NamedTuple):
    """A kernel, as it is and centred."""

    raw: Doubles
    centred: Doubles


def compared_by_rbf(
    reps: Representations, other: Other, *, debiased: bool, bandwidth: float, max_units: int, null: Null,
    n_null: int, over: str, confidence: float, seed: int, baselines: Mapping[str, Representations] | None,
    progress: Callable[[int, int], object] | None,
) -> pd.DataFrame:  # fmt: skip
    """Compare as :func:`speechinterp.similarity.cka` does."""
    check_settings(null, n_null, confidence)
    tables: list[pd.DataFrame] = []
    record: dict[Any, Any] = {}
    for name, source in {"none": reps, **(baselines or {})}.items():
        units, first, second = paired(source, other)
        chosen = _some(units, max_units, seed)
        some = units.iloc[chosen].reset_index(drop=True)
        codes, what = clusters(some, over, seed)
        keeps = [codes != code for code in np.unique(codes)]
        keeps = keeps if min(keep.sum() for keep in keeps) >= FEWEST else []
        bounds = spans(some)
        way: Null = "permutation" if len(bounds) == len(some) + 1 else null
        drawn = list(orders(way, bounds, n_null, seed))

        def prepared(side: Side, layer: int | None) -> _Kernel:
            raw = gaussian(side.read(layer)[chosen], bandwidth)  # noqa: B023
            return _Kernel(raw, centred_kernel(raw, debiased))

        rows = []
        left = {layer: prepared(first, layer) for layer in first.layers}
        if second is None:
            right, pairs, title = left, list(combinations(first.layers, 2)), first.name
        else:
            right = {layer: prepared(second, layer) for layer in second.layers}
            pairs, title = list(product(first.layers, second.layers)), second.name
        for number, (a, b) in enumerate(pairs, 1):
            values = _values(
                left[a], right[b], keeps=keeps, drawn=drawn, debiased=debiased, confidence=confidence
            )
            measure = "cka-rbf" if debiased else "cka-rbf-biased"
            rows.append({"model": first.name, "layer": a, "other": title, "other_layer": b, "measure": measure,
                         **values, "n": len(some)})  # fmt: skip
            if progress:
                progress(number, len(pairs))
        tables.append(
            pd.DataFrame(rows).astype({"layer": "Int64", "other_layer": "Int64"}).assign(baseline=name)
        )
        if name == "none":
            record = {
                "null": way, "n_null": n_null, "clusters": what, "n_clusters": len(keeps), "confidence": confidence,
                "seed": seed, "n_units": len(some), "n_utterances": len(bounds) - 1, "of_units": len(units),
                "bandwidth": bandwidth,
            }  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    table.attrs = record | {"representations": dict(reps.meta)}
    warn_of_chance(table)
    return table


def _some(units: pd.DataFrame, most: int, seed: int) -> Integers:
    """Return the rows of as many whole utterances, drawn at random, as have at most so many units."""
    bounds = spans(units)
    sizes = np.diff(bounds)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    use = np.sort(drawn[np.cumsum(sizes[drawn]) <= most])
    if not len(use):
        raise SimilarityError(
            f"the first utterance drawn has {sizes[drawn[0]]} units",
            expected=f"at most max_units = {most}",
            fix="a larger max_units; memory grows with its square",
        )
    return np.concatenate([np.arange(bounds[u], bounds[u + 1]) for u in use])


def _values(
    x: _Kernel, y: _Kernel, *, keeps: list[npt.NDArray[np.bool_]], drawn: list[Integers], debiased: bool,
    confidence: float,
) -> dict[str, float]:  # fmt: skip
    def alike(a: Doubles, b: Doubles) -> float:
        squares = np.sum(a * a) * np.sum(b * b)
        return float(np.sum(a * b) / np.sqrt(squares)) if squares > 0 else np.nan

    score = alike(x.centred, y.centred)
    without = [
        alike(*(centred_kernel(side.raw[keep][:, keep], debiased) for side in (x, y))) for keep in keeps
    ]
    low, high = jackknife(score, np.array(without), confidence)
    norm = np.sqrt(np.sum(x.centred**2) * np.sum(y.centred**2))
    draws = np.array([np.sum(x.centred * y.centred[order][:, order]) for order in drawn]) / norm
    return {
        "score": score, "ci_low": low, "ci_high": high, "null": float(draws.mean()),
        "null_high": float(np.quantile(draws, confidence)),
    }  # fmt: skip
