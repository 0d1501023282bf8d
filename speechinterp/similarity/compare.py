"""The way of every measure that rests on cross-products: score, interval and chance, from one pass over each pair."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, permutations, product
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd

from speechinterp.errors import SimilarityError, check_choice
from speechinterp.representations import Moments, Representations, Statistics
from speechinterp.similarity.jackknife import jackknife
from speechinterp.similarity.nulls import NULLS, Null, Rotations, orders, rotations, spans, usable_null
from speechinterp.similarity.views import Doubles, Other, Side, SimilarityWarning, clusters, paired

__all__ = ["FEWEST", "Chance", "Measure", "Rows", "check_settings", "compared", "warn_of_chance"]

FEWEST = 4
"""Units that the debiased HSIC needs."""
ALIKE = 0.2
"""From this chance level on a score is not to be read without it."""


def check_settings(null: str, n_null: int, confidence: float) -> None:
    """Refuse settings that mean nothing.

    Raises
    ------
    SimilarityError
        If one is not among its values.
    """
    check_choice("null", null, NULLS, SimilarityError)
    if not 0 < confidence < 1 or n_null < 1:
        raise SimilarityError(
            f"confidence {confidence} and n_null {n_null}",
            expected="a share between 0 and 1, and at least one draw",
            fix="confidence=0.95, n_null=50",
        )


class Rows(NamedTuple):
    """One side for the null: rows that give the same score as the whole, and their squared norms."""

    rows: Doubles
    norms: Doubles


class Chance(NamedTuple):
    """What a score with broken ties is computed from: the cross-products and the products of squared norms."""

    cross: Doubles
    norms: float
    n_units: int


class Measure(Protocol):
    """A similarity that is a function of second moments."""

    name: str
    symmetric: bool

    def own(self, moments: Moments, view: str) -> Any:
        """Return what one side contributes alone, from its own moments."""

    def score(self, moments: Moments, own: Any, other: Any) -> float:
        """Return the similarity of the views a and b."""

    def rows(self, centred: Doubles, own: Any) -> Doubles:
        """Return rows of one side, with as few columns as the null needs."""

    def drawn(self, chance: Chance, own: Any, other: Any) -> float:
        """Return the similarity of two sides whose rows are in another order."""

    def expected(self, null: Null, x: Rotations, y: Rotations, own: Any, other: Any) -> float | None:
        """Return the exact mean of the null, or None where it has to be estimated from draws."""

    def heldout(self, train: Moments, a: Doubles, b: Doubles, own: Any, other: Any) -> float | None:
        """Return the similarity of rows that were not among those of `train`, or None where nothing is fitted."""


class _Prepared(NamedTuple):
    centred: Doubles
    owns: list[Any]
    rows: Rows
    rotations: Rotations


def compared(
    reps: Representations,
    other: Other,
    measure: Measure,
    *,
    null: Null = "shift",
    n_null: int = 50,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Compare every layer with every layer of the other side, or with each other; see the measures' own pages."""
    check_settings(null, n_null, confidence)
    tables: list[pd.DataFrame] = []
    record: dict[Any, Any] = {}
    for name, source in {"none": reps, **(baselines or {})}.items():
        units, first, second = paired(source, other)
        kind = usable_null(null, units, other if isinstance(other, str) else None)
        study = _Study(units, measure, null=kind, n_null=n_null, over=over, confidence=confidence, seed=seed)
        rows = study.table(first, second, progress)
        tables.append(rows.assign(baseline=name))
        if name == "none":
            record = study.record()
    table = pd.concat(tables, ignore_index=True)
    table.attrs = record | {"measure": measure.name, "representations": dict(reps.meta)}
    if isinstance(other, Representations):
        table.attrs["other"] = dict(other.meta)
    warn_of_chance(table)
    return table


class _Study:
    """One comparison on the units that both sides have."""

    def __init__(
        self,
        units: pd.DataFrame,
        measure: Measure,
        *,
        null: Null,
        n_null: int,
        over: str,
        confidence: float,
        seed: int,
    ) -> None:
        self.measure, self.n_null, self.confidence, self.seed = measure, n_null, confidence, seed
        self.bounds = spans(units)
        self.codes, self.over = clusters(units, over, seed)
        self.null: Null = null
        self.n_units = len(units)
        self.n_utterances = len(self.bounds) - 1

    def record(self) -> dict[str, Any]:
        """Say how it was done."""
        return {
            "null": self.null, "n_null": self.n_null, "clusters": self.over, "n_clusters": int(self.codes.max()) + 1,
            "confidence": self.confidence, "seed": self.seed, "n_units": self.n_units,
            "n_utterances": self.n_utterances,
        }  # fmt: skip

    def table(
        self, first: Side, second: Side | None, progress: Callable[[int, int], object] | None
    ) -> pd.DataFrame:
        """Return one row a pair of layers."""
        left = {layer: self.prepared(first, layer) for layer in first.layers}
        if second is None:
            ways = combinations if self.measure.symmetric else permutations
            pairs = list(ways(first.layers, 2))
            right, name = left, first.name
        else:
            pairs = list(product(first.layers, second.layers))
            right, name = {layer: self.prepared(second, layer) for layer in second.layers}, second.name
        rows = []
        for number, (a, b) in enumerate(pairs, 1):
            values = self.pair(left[a], right[b])
            rows.append({"model": first.name, "layer": a, "other": name, "other_layer": b, **values})
            if progress:
                progress(number, len(pairs))
        columns = ["model", "layer", "other", "other_layer", "measure", "score", "heldout", "ci_low", "ci_high", "null",
                   "null_high", "n"]  # fmt: skip
        table = pd.DataFrame(rows, columns=columns).astype({"layer": "Int64", "other_layer": "Int64"})
        return table if table["heldout"].notna().any() else table.drop(columns="heldout")

    def prepared(self, side: Side, layer: int | None) -> _Prepared:
        """Return what a layer contributes to all its comparisons."""
        rows = side.read(layer)
        statistics = Statistics([("a", "a")])
        statistics.add({"a": rows}, self.codes)
        subsets = list(self.subsets(statistics))
        if not np.any(subsets[0].deviation("a")):
            raise SimilarityError(
                f"{side.name} is the same for all {len(rows)} units",
                expected="values that vary",
                cause="a column with one value, or a selection of one label",
                fix="choose other units",
            )
        owns = [self.measure.own(moments, "a") for moments in subsets]
        centred = rows - rows.mean(axis=0)
        return _Prepared(
            centred,
            owns,
            Rows(self.measure.rows(centred, owns[0]), np.sum(centred**2, axis=1)),
            rotations(centred, self.bounds),
        )

    def subsets(self, statistics: Statistics) -> Iterator[Moments]:
        """Yield the moments of all units, then those without each cluster."""
        total = statistics.total
        yield total
        if total.count - max(moments.count for moments in statistics.groups.values()) >= FEWEST:
            yield from (total - statistics.groups[code] for code in range(len(statistics.groups)))

    def pair(self, x: _Prepared, y: _Prepared) -> dict[str, Any]:
        """Compare two layers."""
        statistics = Statistics([("a", "b")])
        statistics.add({"a": x.centred, "b": y.centred}, self.codes)
        scores, held, sizes = [], [], []
        for code, (moments, own, other) in enumerate(
            zip(self.subsets(statistics), x.owns, y.owns, strict=True), -1
        ):
            scores.append(self.measure.score(moments, own, other))
            out = self.codes == code
            value = (
                self.measure.heldout(moments, x.centred[out], y.centred[out], own, other)
                if out.any()
                else None
            )
            if value is not None:
                held.append(value)
                sizes.append(int(out.sum()))
        low, high = jackknife(scores[0], np.array(scores[1:]), self.confidence)
        draws = np.array([
            self.measure.drawn(
                Chance(x.rows.rows.T @ y.rows.rows[order], float(x.rows.norms @ y.rows.norms[order]), self.n_units),
                x.owns[0], y.owns[0],
            )
            for order in orders(self.null, self.bounds, self.n_null, self.seed)
        ])  # fmt: skip
        exact = self.measure.expected(self.null, x.rotations, y.rotations, x.owns[0], y.owns[0])
        return {
            "measure": self.measure.name,
            "score": scores[0],
            "heldout": np.average(held, weights=sizes) if held else np.nan,
            "ci_low": low,
            "ci_high": high,
            "null": float(draws.mean()) if exact is None else exact,
            "null_high": float(np.quantile(draws, self.confidence)),
            "n": self.n_units,
        }


def warn_of_chance(table: pd.DataFrame) -> None:
    """Warn if scores are high because of chance."""
    if not table["null"].max() >= ALIKE:
        return
    most = table.iloc[int(table["null"].argmax())]
    below = int((table["score"] <= table["null_high"]).sum())
    warnings.warn(
        f"Chance is high: {most['measure']} is up to {most['null']:.2f} (the score: {most['score']:.2f}) between "
        f"sides whose {'units were rotated in time' if table.attrs['null'] == 'shift' else 'units were exchanged'}, "
        f"with {table.attrs['n_units']} units in {table.attrs['n_utterances']} utterances; {below} of {len(table)} "
        "scores do not exceed their null_high. Few units, many dimensions or slowly varying frames do this: report the "
        "score beside its null",
        SimilarityWarning,
        stacklevel=4,
    )
