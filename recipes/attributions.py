"""What the recipes of attribution share: the right answers that are known, relevance by chance, and means of tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

import speechinterp as si
from speechinterp.mixing import summarise


def deciding(utterance: si.Utterance, targets: Sequence[str]) -> dict[str, list[si.Segment]]:
    """Return for every target ``slot=value`` the segments of the tier `cue` that decide it; none where unknown."""
    cues = utterance.tiers.get("cue", ())
    found = {name: [s for s in cues if s.label == name.partition("=")[2]] for name in targets}
    return {name: segments for name, segments in found.items() if segments}


def by_chance(like: xr.DataArray, *seed: int) -> xr.DataArray:
    """Return relevance drawn by chance for the same units or points."""
    return like.copy(data=np.random.default_rng(seed).standard_normal(like.shape))


def means(
    tables: Sequence[pd.DataFrame],
    value: str,
    by: Sequence[str],
    seed: int,
    chance: str | float | None = "random",
    *,
    over: str = "speaker",
) -> pd.DataFrame:
    """Return means with intervals over speakers; chance is a number, or a column whose mean is."""
    every = pd.concat(tables, ignore_index=True)
    table = summarise(every, value, by, over=over, seed=seed)
    if not isinstance(chance, str):
        return table if chance is None else table.assign(chance=chance)
    expected = every.groupby(list(by), sort=False)[chance].mean().rename("chance").reset_index()
    return table.merge(expected, on=list(by))
