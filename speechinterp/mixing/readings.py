"""Readings of a map: how local, how diverse and how far its mixing is, and whether it finds the cue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from speechinterp.errors import MixingError, shortlist
from speechinterp.segments import Segment

__all__ = [
    "agreement",
    "cue_alignment",
    "cumulative_diagonality",
    "diagonality",
    "head_diversity",
    "mixing_distance",
    "readings",
    "summarise",
    "uniform",
]

N_RESAMPLES = 1000
Doubles: TypeAlias = npt.NDArray[np.float64]


def diagonality(mix: xr.DataArray, band: float = 0.1) -> xr.DataArray:
    r"""Return the mass within `band` seconds of the target.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source), also with head].
    band
        Distance between the centres of target and source, in seconds.

    Returns
    -------
    xarray.DataArray
        From 0 to 1 [dims as the map's, without target and source].

    Notes
    -----
    With rows scaled to sum 1 over the sources that have a place in time and centres
    :math:`t`, :math:`\frac1n \sum_i \sum_j C_{ij}\, [\,|t_i - t_j| \le b\,]`.

    References
    ----------
    Zhang, S., Loweimi, E., Bell, P., & Renals, S. (2021). On the usefulness of self-attention for automatic
    speech recognition with transformers. SLT.
    """
    rows, distance = _placed(mix)
    return (rows * (distance <= band + 1e-9)).sum("source", skipna=False).mean("target")


def cumulative_diagonality(mix: xr.DataArray) -> xr.DataArray:
    r"""Return the cumulative attention diagonality: the mass within a band, averaged over all widths of it.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source), also with head].

    Returns
    -------
    xarray.DataArray
        1 for a map of the diagonal alone [dims as the map's, without target and source].

    Notes
    -----
    :math:`\int_0^1 D(rT)\, dr` with :math:`D(b)` the mass within a band and :math:`T` the distance from the
    first centre to the last. The integral has the closed form
    :math:`\frac1n \sum_{ij} C_{ij} (1 - |t_i - t_j| / T)`.

    References
    ----------
    Shim, K., Choi, J., & Sung, W. (2022). Understanding the role of self attention for efficient speech
    recognition. ICLR.
    """
    rows, distance = _placed(mix)
    longest = float(distance.max())
    share = 1 - distance / longest if longest > 0 else xr.ones_like(distance)
    return (rows * share).sum("source", skipna=False).mean("target")


def mixing_distance(mix: xr.DataArray) -> xr.DataArray:
    r"""Return how far away what is mixed in lies, in milliseconds.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source), also with head].

    Returns
    -------
    xarray.DataArray
        :math:`\frac{1000}{n} \sum_{ij} C_{ij} |t_i - t_j|` [dims as the map's, without target and source].
    """
    rows, distance = _placed(mix)
    return 1000 * (rows * distance).sum("source", skipna=False).mean("target")


def head_diversity(mix: xr.DataArray) -> xr.DataArray:
    r"""Return how much the heads of a layer differ in where they look.

    Parameters
    ----------
    mix
        A map by head [dims=(layer, head, target, source)].

    Returns
    -------
    xarray.DataArray
        Mean Jensen-Shannon divergence of all pairs of heads, from 0 to ln 2 (0.693) nats [dims=(layer,)].

    Raises
    ------
    MixingError
        If the map has no heads, or only one.

    Notes
    -----
    For heads g and h, :math:`\frac1n \sum_i H(\frac{g_i + h_i}{2}) - \frac12 H(g_i) - \frac12 H(h_i)` with the
    entropy H of a row.

    References
    ----------
    Clark, K., Khandelwal, U., Levy, O., & Manning, C. D. (2019). What does BERT look at? BlackboxNLP.
    """
    if "head" not in mix.dims or mix.sizes["head"] < 2:
        raise MixingError(
            f"a map with the axes {shortlist(mix.dims)}",
            expected="an axis `head` with two heads or more",
            cause="the heads were averaged",
            fix="compute the map by head",
        )
    rows, _ = _placed(mix)
    values = rows.transpose("head", "layer", "target", "source").values
    entropies = _entropy(values)
    pairs = [
        _entropy((values[a] + values[b]) / 2) - (entropies[a] + entropies[b]) / 2
        for a, b in combinations(range(len(values)), 2)
    ]
    return xr.DataArray(np.nanmean(pairs, axis=(0, 2)), {"layer": mix.layer}, ("layer",))


def uniform(mix: xr.DataArray) -> xr.DataArray:
    """Return the map that uses all its sources alike, the control of every reading.

    Parameters
    ----------
    mix
        A map. Sources that no layer and head uses for a target stay unused: a decoder's future, gap and pad.
    """
    use = (mix > 0).any([dim for dim in mix.dims if dim not in ("target", "source")])
    use = use & xr.DataArray(_is_unit(mix, "source"), dims="source")
    return (use / use.sum("source")).broadcast_like(mix).transpose(*mix.dims)


def readings(mix: xr.DataArray, band: float = 0.1) -> pd.DataFrame:
    """Read a map in every way that fits it.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source), also with head].
    band
        For the diagonality, in seconds.

    Returns
    -------
    pandas.DataFrame
        One row a layer (and head) and reading: `layer`, `head`, `reading`, `value`, and `uniform`, which is
        the value of a map without preference.
    """
    ways = {
        "diagonality": lambda m: diagonality(m, band),
        "cumulative_diagonality": cumulative_diagonality,
        "mixing_distance_ms": mixing_distance,
    }
    control, tables = uniform(mix), []
    for name, read in ways.items():
        both = xr.Dataset({"value": read(mix), "uniform": read(control)})
        tables.append(both.to_dataframe().reset_index().assign(reading=name))
    if mix.sizes.get("head", 1) > 1:
        diversity = head_diversity(mix).to_dataframe("value").reset_index()
        tables.append(diversity.assign(reading="head_diversity", uniform=0.0))
    table = pd.concat(tables, ignore_index=True)
    columns = ["layer", *(["head"] if "head" in table else []), "reading", "value", "uniform"]
    return table[columns]


def cue_alignment(mix: xr.DataArray, target: Segment, cue: Segment) -> pd.DataFrame:
    """Say whether the cue is what a target unit uses.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source), also with head].
    target
        The unit whose rows are read; where units are smaller, the mean of its units' rows.
    cue
        What should decide, for example a segment of the tier ``cue``. A unit belongs to a segment if its
        centre lies in it.

    Returns
    -------
    pandas.DataFrame
        One row a layer (and head): `mass` on the cue; `share` of what goes to other sources than the
        target itself and padding; `rank` of the best unit of the cue among those; `top`, whether it is the
        first (a fraction where several are equal); and what chance gives, `chance_share` = `chance_top`.

    Raises
    ------
    MixingError
        If no unit of the map lies in the target or in the cue, or the two are the same.

    References
    ----------
    Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns
    of context mixing in speech transformers. EMNLP.
    """
    rows = _members(mix, "target", target)
    itself, at_cue = _members(mix, "source", target), _members(mix, "source", cue)
    for name, segment, found in (("target", target, rows), ("cue", cue, at_cue)):
        if not found.any():
            raise MixingError(
                f"no unit of the map has its centre in the {name}, {segment.label!r} "
                f"from {segment.start:.3f} s to {segment.end:.3f} s",
                expected=f"a map whose {name} units cover it",
                cause="a map of another utterance, or units longer than the segment",
                fix="compute the map with unit='words' or unit='frames' on this utterance",
            )
    if (itself & at_cue).any():
        raise MixingError(
            f"the cue {cue.label!r} and the target {target.label!r} share a unit",
            expected="two different units",
            cause="units that are longer than either",
            fix="take smaller units",
        )
    others = ~itself & _is_unit(mix, "source")
    score = mix.isel(target=np.flatnonzero(rows)).mean("target").transpose(..., "source")
    values = score.values.astype(np.float64)
    best = values[..., at_cue].max(-1, keepdims=True)
    rest = values[..., others & ~at_cue]
    highest = values[..., others].max(-1, keepdims=True)
    tied = np.isclose(values, highest, rtol=1e-9, atol=0)
    total = values[..., others].sum(-1)
    mass = values[..., at_cue].sum(-1)
    known, nothing = np.isfinite(mass), np.full_like(mass, np.nan)
    columns = {
        "mass": mass,
        "share": np.divide(mass, total, where=total > 0, out=nothing.copy()),
        "rank": np.where(known, 1.0 + (rest > best).sum(-1), np.nan),
        "top": np.divide((tied & at_cue).sum(-1), (tied & others).sum(-1), where=known, out=nothing.copy()),
    }
    frame = score.isel(source=0, drop=True)
    frame = frame.drop_vars([name for name in frame.coords if name not in frame.dims])
    table = xr.Dataset({name: frame.copy(data=column) for name, column in columns.items()})
    chance = at_cue.sum() / others.sum()
    return table.to_dataframe().reset_index().assign(chance_share=chance, chance_top=chance)


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
    others = np.tile(_is_unit(first, "source"), (first.sizes["target"], 1))
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


def _centres(mix: xr.DataArray, side: str) -> Doubles:
    """Return the centres of the units of a side in seconds; NaN for what has no place in time."""
    names = f"{side}_start", f"{side}_end"
    if not all(name in mix.coords for name in names):
        raise MixingError(
            f"the map has no times for its axis {side!r}; its coordinates are {shortlist(mix.coords)}",
            expected=f"{names[0]} and {names[1]}, in seconds",
            cause="a map made by hand, or one whose targets are tokens and have no times",
            fix="use a map of speechinterp.mixing over units of the sound",
        )
    return (mix[names[0]].values.astype(np.float64) + mix[names[1]].values.astype(np.float64)) / 2


def _is_unit(mix: xr.DataArray, side: str) -> npt.NDArray[np.bool_]:
    """Tell units from what lies outside them; a decoder's tokens are units without times."""
    place = np.isfinite(_centres(mix, side))
    return place if place.any() else ~place


def _members(mix: xr.DataArray, side: str, segment: Segment) -> npt.NDArray[np.bool_]:
    centres = _centres(mix, side)
    return (segment.start <= centres) & (centres < segment.end)


def _placed(mix: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return rows scaled to sum 1 over sources with a place, and the distance of target and source in seconds."""
    centres = [_centres(mix, side) for side in ("target", "source")]
    if not all(np.isfinite(each).any() for each in centres):
        raise MixingError(
            "the map's targets or sources have no times",
            expected="units of the sound on both sides",
            cause="tokens of a decoder, which stand at no time",
            fix="read a map of the encoder (where='encoder')",
        )
    target, source = (np.flatnonzero(np.isfinite(each)) for each in centres)
    kept = mix.drop_vars([name for name in mix.coords if name not in mix.dims]).isel(
        target=target, source=source
    )
    distance = np.abs(centres[0][target][:, None] - centres[1][source][None])
    return kept / kept.sum("source", skipna=False), xr.DataArray(distance, dims=("target", "source"))


def _entropy(rows: Doubles) -> Doubles:
    logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
    return np.asarray(-(rows * logs).sum(-1))


def _spearman(a: Doubles, b: Doubles) -> float:
    ranks = rankdata(a), rankdata(b)
    constant = any(np.std(rank) == 0 for rank in ranks)
    return float("nan") if constant else float(np.corrcoef(*ranks)[0, 1])
