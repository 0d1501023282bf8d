"""Localisation: is the relevance where the annotation says that the evidence is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from speechinterp.errors import AttributionError
from speechinterp.segments import Segment

__all__ = ["localisation"]

BIN = 0.010
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def localisation(
    relevances: Mapping[str, xr.DataArray],
    gold: Mapping[str, Sequence[Segment]] | Sequence[Segment],
    *,
    tolerance_ms: float = 0.0,
) -> pd.DataFrame:
    r"""Compare relevance with the stretches of time that are known to decide.

    Parameters
    ----------
    relevances
        Relevance by method: of units [dims=(target, unit)], or a map with a time axis [dims=(target, ..., time)].
    gold
        The stretches that decide; a mapping has them by target.
    tolerance_ms
        How far beside them still counts, for `hit` and `iou`.

    Returns
    -------
    pandas.DataFrame
        One row a method, target and metric: `method`, `target`, `metric`, `value`, and `random`, what relevance without
        any relation to the gold scores on average. Metrics: ``auc``, ``hit``, ``iou`` and ``mass``.

    Raises
    ------
    AttributionError
        If a target has no gold, gold covers nothing or everything, or a relevance has no time.

    Notes
    -----
    A unit is gold if at least half of it is. Maps are summed over all other axes and over bins of 10 ms; a bin is gold
    if its middle is.

    - ``auc``: chance that a gold unit or bin has more relevance than another (equals count half).
    - ``hit``: 1 if the most relevant unit or bin is gold; for a bin, or lies within the tolerance; of equals the mean.
    - ``iou``: bins are taken in the order of relevance until as much time is taken as gold covers; those in gold or
      within the tolerance, over all taken or gold. Units share their relevance evenly among their bins.
    - ``mass``: the share of the positive relevance that is in gold.
    """
    rows = []
    for method, relevance in relevances.items():
        for name in relevance["target"].values.tolist():
            spans = gold.get(name, ()) if isinstance(gold, Mapping) else gold
            if not spans:
                raise AttributionError(
                    f"target {name!r} has no gold",
                    expected="at least one segment for every target",
                    fix="gold={'action=clean': [segment]}",
                )
            found = _metrics(relevance.sel(target=name), list(spans), tolerance_ms / 1000)
            rows += [(method, name, metric, *values) for metric, values in found.items()]
    table = pd.DataFrame(rows, columns=["method", "target", "metric", "value", "random"])
    first = next(iter(relevances.values()))
    table.insert(0, "utterance", first.attrs.get("utterance", ""))
    table.attrs |= {**first.attrs, "tolerance_ms": tolerance_ms}
    return table


def _metrics(
    relevance: xr.DataArray, gold: list[Segment], tolerance: float
) -> dict[str, tuple[float, float]]:
    if "unit" in relevance.dims:
        starts, ends = relevance["start"].values, relevance["end"].values
        values = relevance.values.astype(np.float64)
        overlaps = [np.clip(np.minimum(ends, g.end) - np.maximum(starts, g.start), 0, None) for g in gold]
        shared = np.sum(overlaps, axis=0) / (ends - starts)
        inside = shared >= 0.5
        middle, density = _spread(values, starts, ends)
        near = inside
    elif "time" in relevance.dims:
        values, middle = _bins(relevance)
        density = values
        inside = _within(middle, gold, 0.0)
        near = _within(middle, gold, tolerance + 1e-9)
    else:
        raise AttributionError(
            f"a relevance without time [dims={', '.join(map(str, relevance.dims))}]",
            expected="a dimension unit or time",
            fix="pass the result of a method as it is",
        )
    if inside.all() or not inside.any():
        raise AttributionError(
            f"gold that covers {'everything' if inside.all() else 'no unit and no bin'}",
            expected="some of the sound in gold, and some not",
            cause="gold of another utterance, or an utterance that is one unit",
            fix="correct the gold spans, or choose a finer unit",
        )
    top = np.isclose(values, values.max(), rtol=1e-9, atol=0)
    positive = np.clip(values, 0, None)
    covered = _within(middle, gold, 0.0)
    taken = np.zeros(len(middle), dtype=bool)
    taken[np.argsort(-density, kind="stable")[: int(covered.sum())]] = True
    share = float(covered.mean())
    good = taken & _within(middle, gold, tolerance + 1e-9)
    return {
        "auc": (_auc(values, inside), 0.5),
        "hit": (float(near[top].mean()), float(near.mean())),
        "iou": (float(good.sum() / (taken | covered).sum()), share / (2 - share)),
        "mass": (
            float(positive[inside].sum() / positive.sum()) if positive.any() else 0.0,
            float(inside.mean()),
        ),
    }


def _auc(values: Doubles, inside: Bools) -> float:
    n, m = int(inside.sum()), int((~inside).sum())
    return float((rankdata(values)[inside].sum() - n * (n + 1) / 2) / (n * m))


def _bins(relevance: xr.DataArray) -> tuple[Doubles, Doubles]:
    """Return sums over bins of 10 ms, and the bins' middles in seconds."""
    over = [dim for dim in relevance.dims if dim != "time"]
    track = relevance.sum(over) if over else relevance
    index = np.floor(track["time"].values / BIN + 1e-6).astype(int)
    first = int(index.min())
    sums = np.bincount(index - first, weights=track.values).astype(np.float64)
    return sums, ((np.arange(len(sums)) + first + 0.5) * BIN).astype(np.float64)


def _spread(values: Doubles, starts: Doubles, ends: Doubles) -> tuple[Doubles, Doubles]:
    """Return the middles of all bins up to the last unit, and the relevance of each: its units' by their duration."""
    middle = ((np.arange(int(np.ceil(ends.max() / BIN))) + 0.5) * BIN).astype(np.float64)
    inside = (starts[:, None] <= middle) & (middle < ends[:, None])
    density = np.where(inside, (values / (ends - starts))[:, None] * BIN, 0.0).sum(0)
    return middle, np.where(inside.any(0), density, -np.inf)


def _within(times: Doubles, gold: list[Segment], tolerance: float) -> Bools:
    return np.any([(g.start - tolerance <= times) & (times < g.end + tolerance) for g in gold], axis=0)
