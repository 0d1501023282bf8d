"""Readings of a map: how local, how far and how diverse its mixing is."""

from __future__ import annotations

from itertools import combinations
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from speechinterp.errors import MixingError, shortlist

__all__ = [
    "centres",
    "cumulative_diagonality",
    "diagonality",
    "head_diversity",
    "is_unit",
    "mixing_distance",
    "readings",
    "uniform",
]

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
    use = use & xr.DataArray(is_unit(mix, "source"), dims="source")
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


def centres(mix: xr.DataArray, side: str) -> Doubles:
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


def is_unit(mix: xr.DataArray, side: str) -> npt.NDArray[np.bool_]:
    """Tell units from what lies outside them; a decoder's tokens are units without times."""
    place = np.isfinite(centres(mix, side))
    return place if place.any() else ~place


def _placed(mix: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return rows scaled to sum 1 over sources with a place, and the distance of target and source in seconds."""
    middles = [centres(mix, side) for side in ("target", "source")]
    if not all(np.isfinite(each).any() for each in middles):
        raise MixingError(
            "the map's targets or sources have no times",
            expected="units of the sound on both sides",
            cause="tokens of a decoder, which stand at no time",
            fix="read a map of the encoder (where='encoder')",
        )
    target, source = (np.flatnonzero(np.isfinite(each)) for each in middles)
    kept = mix.drop_vars([name for name in mix.coords if name not in mix.dims]).isel(
        target=target, source=source
    )
    distance = np.abs(middles[0][target][:, None] - middles[1][source][None])
    return kept / kept.sum("source", skipna=False), xr.DataArray(distance, dims=("target", "source"))


def _entropy(rows: Doubles) -> Doubles:
    logs = np.log(rows, out=np.zeros_like(rows), where=rows > 0)
    return np.asarray(-(rows * logs).sum(-1))
