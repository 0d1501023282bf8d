"""Faithfulness: do the units that a method ranks first matter to the output, more than units taken by chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.game import Game
from speechinterp.attribution.opening import opened
from speechinterp.attribution.players import FADE
from speechinterp.attribution.units import Units
from speechinterp.errors import AttributionError, shortlist
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target

__all__ = ["HIGHER_IS_BETTER", "SHARES", "curves", "faithfulness", "faithfulness_in", "fitting"]

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of the units that comprehensiveness and sufficiency take."""
HIGHER_IS_BETTER = {
    "deletion_auc": False,
    "insertion_auc": True,
    "comprehensiveness": True,
    "sufficiency": False,
    "infidelity": False,
}


def faithfulness(
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
    r"""Take units away in the order of their relevance, and see how the output falls.

    Parameters
    ----------
    model, utterance, target, unit, baseline, fade
        As in :func:`shapley`.
    relevances
        Relevance of the units by method [dims=(target, unit)].
    n_random
        How many random relevances stand for chance, and how many coalitions infidelity is measured on.
    seed
        Of these, and of noise.

    Returns
    -------
    pandas.DataFrame
        One row a method, output and metric: `method`, `target`, `metric`, `value`, `random` (mean of random
        relevances), `random_low` and `random_high` (their 2.5 and 97.5 percentiles), `better_than` (share of random
        relevances that are worse, of equals half) and `higher_is_better`. The method ``random`` has rows of its own.

    Raises
    ------
    AttributionError
        If relevances and units do not fit, or there is a single unit.

    Notes
    -----
    With v the output and units in the order of relevance:

    - ``deletion_auc``: mean of v over the share of units taken away, most relevant first (trapezia). Low is good.
    - ``insertion_auc``: the same for units put back, most relevant first. High is good.
    - ``comprehensiveness``: mean of v(all) - v(all but the first k), k from 10 to 50 % of the units, rounded up.
    - ``sufficiency``: mean of v(all) - v(only the first k). Low is good.
    - ``infidelity``: how badly sums of relevance predict what random sets of units change when they are taken away:
      :math:`\min_b E[(b \sum_{i \in R} \phi_i - v(N) + v(N \setminus R))^2] / E[(v(N) - v(N \setminus R))^2]`,
      from 0 to 1; the scale b of the relevances does not count.

    Every method of attribution by taking units away does well by the same baseline: compare with another one as well.

    References
    ----------
    Petsiuk, V., Das, A., & Saenko, K. (2018). RISE. BMVC.
    DeYoung, J., et al. (2020). ERASER: a benchmark to evaluate rationalized NLP models. ACL.
    Yeh, C.-K., Hsieh, C.-Y., Suggala, A., Inouye, D., & Ravikumar, P. (2019). On the (in)fidelity and sensitivity of
    explanations. NeurIPS.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    return faithfulness_in(game, relevances, n_random=n_random, seed=seed)


def faithfulness_in(
    game: Game, relevances: Mapping[str, xr.DataArray], *, n_random: int = 50, seed: int = 0
) -> pd.DataFrame:
    """Measure faithfulness in a game at hand, whose known coalitions cost nothing.

    Parameters
    ----------
    game
        The game.
    relevances, n_random, seed
        As in :func:`faithfulness`.
    """
    names = list(game.bound.names)
    given = {method: fitting(game, method, relevance) for method, relevance in relevances.items()}
    random = np.random.default_rng(seed)
    n = len(game)
    chance = random.standard_normal((n_random, n))
    removed = random.random((n_random, n)) < 0.5
    removed[~removed.any(1), 0] = True
    rows = []
    for t, name in enumerate(names):
        by_chance = [_metrics(game, each, t, removed) for each in chance]
        for method, values in [*given.items(), ("random", None)]:
            found = None if values is None else _metrics(game, values[t], t, removed)
            for metric, higher in HIGHER_IS_BETTER.items():
                others = np.array([each[metric] for each in by_chance])
                value = float(others.mean()) if found is None else found[metric]
                worse = others < value if higher else others > value
                share = float(worse.mean() + np.isclose(others, value).mean() / 2)
                low, high = np.quantile(others, [0.025, 0.975])
                rows.append((method, name, metric, value, float(others.mean()), float(low), float(high),
                             0.5 if found is None else share, higher))  # fmt: skip
    columns = ["method", "target", "metric", "value", "random", "random_low", "random_high", "better_than",
               "higher_is_better"]  # fmt: skip
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "utterance", game.players.settings["utterance"])
    table.attrs |= {
        **game.settings,
        **game.players.settings,
        "n_random": n_random,
        "seed": seed,
        "n_passes": game.passes,
    }
    return table


def curves(game: Game, relevance: Doubles) -> tuple[Doubles, Doubles]:
    """Return the outputs as units are taken away, and as they are put back, by relevance.

    Parameters
    ----------
    game
        The game.
    relevance
        Of every unit [shape=(units,)].

    Returns
    -------
    tuple of numpy.ndarray
        Deletion, from all units to none, and insertion, from none to all [shape=(units + 1, targets)] each.
    """
    n = len(game)
    rank = np.empty(n, dtype=int)
    rank[np.argsort(-relevance, kind="stable")] = np.arange(n)
    first = rank[None] < np.arange(n + 1)[:, None]
    return game.values(~first), game.values(first)


def _metrics(game: Game, relevance: Doubles, target: int, removed: Bools) -> dict[str, float]:
    n = len(game)
    deletion, insertion = (curve[:, target] for curve in curves(game, relevance))
    steps = [int(np.ceil(share * n - 1e-9)) for share in SHARES]
    change = deletion[0] - game.values(~removed)[:, target]
    predicted = removed @ relevance
    fit = float(predicted @ change) ** 2 / max(float(predicted @ predicted), 1e-300)
    return {
        "deletion_auc": float((deletion[:-1] + deletion[1:]).mean() / 2),
        "insertion_auc": float((insertion[:-1] + insertion[1:]).mean() / 2),
        "comprehensiveness": float(np.mean(deletion[0] - deletion[steps])),
        "sufficiency": float(np.mean(deletion[0] - insertion[steps])),
        "infidelity": 1 - fit / max(float(change @ change), 1e-300),
    }


def fitting(game: Game, method: str, relevance: xr.DataArray) -> Doubles:
    """Return the relevance of the units of a game [shape=(targets, units)], or refuse it if it is of others."""
    names, starts = list(game.bound.names), [s.start for s in game.players.segments]
    fits = set(relevance.dims) == {"target", "unit"} and np.array_equal(relevance["start"].values, starts)
    if not fits or not set(names) <= set(relevance["target"].values.tolist()):
        raise AttributionError(
            f"the relevance {method!r} [dims={shortlist(relevance.dims)}] of other units or targets",
            expected=f"dims (target, unit), the {len(game)} units of this utterance, and targets {shortlist(names, 5)}",
            cause="another tier or utterance, or a map over time",
            fix="relevance.si.to_units(tier) for maps; the same units and target for both",
        )
    if len(game) < 2:
        raise AttributionError(
            "a single unit, of which there is one order only",
            expected="at least two units",
            fix="a finer unit, such as phones or Windows(0.1)",
        )
    return relevance.sel(target=names).transpose("target", "unit").values.astype(np.float64)
