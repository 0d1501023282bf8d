"""Comparison of measures: their rank correlation, and means with intervals over utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from speechinterp.errors import MixingError
from speechinterp.mixing.readings import is_unit

__all__ = ["agreement", "summarise"]

N_RESAMPLES = 1000
Doubles: TypeAlias = npt.NDArray[np.float64]


def agreement(maps: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Compare measures: do they rank the sources of a target alike?

    Parameters
    ----------
    maps
        Maps of one utterance and model by measure [dims=(layer, target, source)].

    Returns
    -------
    pandas.DataFrame
        One row a pair of measures and layer both have: `measure`, `other`, `layer`, `spearman`, the rank
        correlation over the sources other than the target itself and padding, averaged over targets with
        three such sources or more.

    Raises
    ------
    MixingError
        If the maps have different units or an axis `head`.
    """
    first = next(iter(maps.values()))
    for name, mix in maps.items():
        if set(mix.dims) != {"layer", "target", "source"} or mix.shape[1:] != first.shape[1:]:
            raise MixingError(
                f"the map {name!r} has the shape {dict(mix.sizes)}, another {dict(first.sizes)}",
                expected="maps of the same units [dims=(layer, target, source)]",
                cause="another tier as unit, or heads that were not averaged",
                fix="compute all maps with the same unit, averaged over heads",
            )
    others = np.tile(is_unit(first, "source"), (first.sizes["target"], 1))
    if first.attrs.get("target_stack") == first.attrs.get("source_stack"):
        np.fill_diagonal(others, False)
    table = []
    for (name, a), (other, b) in combinations(maps.items(), 2):
        for layer in np.intersect1d(a.layer, b.layer):
            pair = [m.sel(layer=layer).transpose("target", "source").values for m in (a, b)]
            found = [
                _spearman(pair[0][i, use], pair[1][i, use]) for i, use in enumerate(others) if use.sum() >= 3
            ]
            defined = [value for value in found if np.isfinite(value)]
            table.append((name, other, int(layer), float(np.mean(defined)) if defined else np.nan))
    return pd.DataFrame(table, columns=["measure", "other", "layer", "spearman"])


def summarise(
    table: pd.DataFrame, value: str, by: Sequence[str], over: str = "utterance", seed: int = 0
) -> pd.DataFrame:
    """Average a column, with 95 % intervals over utterances or speakers.

    Parameters
    ----------
    table
        Tables of several utterances, joined.
    value
        The column to average.
    by
        The columns that tell the cases apart, for example ``["measure", "layer"]``.
    over
        The column whose values are resampled.
    seed
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row a case: the columns of `by`, `mean`, `ci_low`, `ci_high`, `n` (rows) and `n_` and the name of
        `over`. The interval is missing where there is only one to resample.
    """
    rows = []
    for key, group in table.dropna(subset=[value]).groupby(list(by), sort=False):
        cells = group.groupby(over)[value].agg(["sum", "count"])
        sums, counts = cells["sum"].to_numpy(float), cells["count"].to_numpy(float)
        draws = np.random.default_rng(seed).integers(len(cells), size=(N_RESAMPLES, len(cells)))
        means = sums[draws].sum(1) / counts[draws].sum(1)
        low, high = np.quantile(means, [0.025, 0.975]) if len(cells) > 1 else (np.nan, np.nan)
        rows.append((*key, sums.sum() / counts.sum(), low, high, int(counts.sum()), len(cells)))
    return pd.DataFrame(rows, columns=[*by, "mean", "ci_low", "ci_high", "n", f"n_{over}s"])


def _spearman(a: Doubles, b: Doubles) -> float:
    ranks = rankdata(a), rankdata(b)
    constant = any(np.std(rank) == 0 for rank in ranks)
    return float("nan") if constant else float(np.corrcoef(*ranks)[0, 1])
