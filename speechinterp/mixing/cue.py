"""Cue alignment: does a map give the unit that decides a target?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from speechinterp.errors import MixingError
from speechinterp.mixing.readings import centres, is_unit
from speechinterp.segments import Segment

__all__ = ["cue_alignment"]


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
    others = ~itself & is_unit(mix, "source")
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


def _members(mix: xr.DataArray, side: str, segment: Segment) -> npt.NDArray[np.bool_]:
    middles = centres(mix, side)
    return (segment.start <= middles) & (middles < segment.end)
