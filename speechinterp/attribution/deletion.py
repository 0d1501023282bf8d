"""Deletion curves: how an output falls as units go, most relevant first, beside orders by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.faithfulness import curves, fitting
from speechinterp.attribution.opening import opened
from speechinterp.attribution.players import FADE
from speechinterp.attribution.units import Units
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target

__all__ = ["deletion_curves"]


def deletion_curves(
    model: SpeechModel,
    utterance: Heard,
    relevances: Mapping[str, xr.DataArray],
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    baseline: Baseline = "silence",
    fade: float = FADE,
    n_random: int = 50,
    seed: int = 0,
) -> pd.DataFrame:
    """Take units away one after the other, the most relevant first, and follow the output.

    Parameters
    ----------
    model, utterance, relevances, target, unit, baseline, fade, n_random, seed
        As in :func:`faithfulness`.

    Returns
    -------
    pandas.DataFrame
        One row a method, output and number of units `taken`: the output's `value`. The method ``random`` has the mean
        of random orders, and `low` and `high`, between which 95 % of them are; for others these are missing.

    Raises
    ------
    AttributionError
        If relevances and units do not fit, or there is a single unit.

    References
    ----------
    Petsiuk, V., Das, A., & Saenko, K. (2018). RISE. BMVC.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    given = {method: fitting(game, method, relevance) for method, relevance in relevances.items()}
    chance = np.random.default_rng(seed).standard_normal((n_random, len(game)))
    by_chance = np.stack([curves(game, each)[0] for each in chance])
    rows: list[tuple[object, ...]] = []
    for t, name in enumerate(game.bound.names):
        for method, values in given.items():
            fall = curves(game, values[t])[0][:, t]
            rows += [(method, name, k, float(value), np.nan, np.nan) for k, value in enumerate(fall)]
        low, high = np.quantile(by_chance[..., t], [0.025, 0.975], axis=0)
        means = by_chance[..., t].mean(0)
        rows += [
            ("random", name, k, *map(float, three))
            for k, three in enumerate(zip(means, low, high, strict=True))
        ]
    table = pd.DataFrame(rows, columns=["method", "target", "taken", "value", "low", "high"])
    table.attrs |= {
        **game.settings,
        **game.players.settings,
        "n_random": n_random,
        "seed": seed,
        "n_passes": game.passes,
    }
    return table
