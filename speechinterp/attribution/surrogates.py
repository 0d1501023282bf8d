"""Surrogates: relevance from a regression on random coalitions, where there are too many to run them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.coalitions import MOST_UNITS
from speechinterp.attribution.game import Game, all_coalitions
from speechinterp.attribution.opening import opened
from speechinterp.attribution.players import FADE
from speechinterp.attribution.units import Units
from speechinterp.attribution.values import kernel_values, shapley_kernel
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target

__all__ = ["kernel_shap", "lime"]

BLOCKS = 10
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def lime(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    samples: int = 1000,
    kernel_width: float = 25.0,
    ridge: float = 1.0,
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    r"""Fit a linear model to what an output is with random units taken away (LIME).

    Parameters
    ----------
    model, utterance, target, unit, baseline, fade
        As in :func:`shapley`; any number of units.
    samples
        How many coalitions are drawn, the whole sound among them. Those drawn twice are run once.
    kernel_width
        How fast the weight of a coalition falls with what is taken away.
    ridge
        Strength of the penalty on the coefficients, as `alpha` in scikit-learn.
    seed
        Of the draw, and of noise.

    Returns
    -------
    xarray.DataArray
        As of :func:`shapley`, with `standard_error` of every relevance, from ten tenths of the samples, and `r2`,
        the weighted share of variance that the linear model explains.

    Raises
    ------
    AttributionError
        If there are fewer samples than 20 or than twice the units, or target, unit, baseline and sound do not go
        together.

    Notes
    -----
    How many units are taken away is drawn evenly from 1 to n, then which. A coalition of s units of n has the distance
    :math:`d = 100\,(1 - \sqrt{s/n})`, the cosine distance to all units, and the weight
    :math:`\sqrt{\exp(-d^2 / w^2)}` of the kernel width w. All outputs are fitted to the same sounds.

    The kernel gives next to no weight to coalitions without most of the units. Where all are of that kind, as with
    one to three units, the penalty is large against the data, and the coefficients are far too small; `ridge=0`
    takes it away, :func:`kernel_shap` never has it.

    References
    ----------
    Ribeiro, M. T., Singh, S., & Guestrin, C. (2016). "Why should I trust you?" Explaining the predictions of any
    classifier. KDD.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    n = len(game)
    _check_samples(samples, max(20, 2 * n))
    kept = _lime_draw(n, samples, np.random.default_rng(seed))
    weights = lime_weights(kept, kernel_width)
    worth = game.values(kept)

    def fit(rows: slice | Bools) -> Doubles:
        return ridge_fit(kept[rows], worth[rows], weights[rows], ridge)[0]

    values, fitted = ridge_fit(kept, worth, weights, ridge)
    left = weights @ (worth - fitted) ** 2
    spread = weights @ (worth - np.average(worth, axis=0, weights=weights)) ** 2
    with np.errstate(invalid="ignore"):
        r2 = 1 - left / np.where(spread > 0, spread, np.nan)
    error = {"standard_error": _jackknife(fit, samples)}
    settings = {"samples": samples, "kernel_width": kernel_width, "ridge": ridge}
    return game.array(values, "lime", error, **settings).assign_coords(r2=("target", r2))


def _lime_draw(n: int, samples: int, random: np.random.Generator) -> Bools:
    kept = np.ones((samples, n), dtype=bool)
    for row, gone in zip(kept[1:], random.integers(1, n + 1, samples - 1), strict=True):
        row[random.choice(n, gone, replace=False)] = False
    return kept


def lime_weights(kept: Bools, kernel_width: float) -> Doubles:
    """Return the weight of every coalition in the regression [shape=(coalitions,)]."""
    distance = 100 * (1 - np.sqrt(kept.mean(1)))
    return np.sqrt(np.exp(-((distance / kernel_width) ** 2)))


def ridge_fit(kept: Bools, worth: Doubles, weights: Doubles, ridge: float) -> tuple[Doubles, Doubles]:
    """Return the coefficients of a weighted ridge regression with intercept [shape=(n, targets)], and its fit."""
    share = weights / weights.sum()
    design, middle = kept - share @ kept, share @ worth
    scaled = design * weights[:, None]
    squares = scaled.T @ design + ridge * np.eye(kept.shape[1])
    found = np.linalg.lstsq(squares, scaled.T @ (worth - middle))[0]
    return found, middle + design @ found


def kernel_shap(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    samples: int | None = None,
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    r"""Estimate Shapley values by a regression on random coalitions (KernelSHAP).

    Parameters
    ----------
    model, utterance, target, unit, baseline, fade
        As in :func:`shapley`; any number of units.
    samples
        How many coalitions are drawn. None runs all of them, which up to 11 units allow, and then the values are
        exact.
    seed
        Of the draw, and of noise.

    Returns
    -------
    xarray.DataArray
        As of :func:`shapley`; with samples, a coordinate `standard_error`, from ten tenths of them.

    Raises
    ------
    AttributionError
        If there are more than 11 units and no number of samples, or fewer samples than 20 or than twice the units.

    Notes
    -----
    Coalitions of s of n units are drawn in proportion to 1 / (s (n - s)), each together with its complement. The
    coefficients of the regression sum to what all units change together.

    References
    ----------
    Lundberg, S. M., & Lee, S.-I. (2017). A unified approach to interpreting model predictions. NeurIPS.
    Covert, I., & Lee, S.-I. (2021). Improving KernelSHAP: practical Shapley value estimation using linear
    regression. AISTATS.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    n = len(game)
    full, empty = game.full_and_empty()
    if samples is None:
        if n > MOST_UNITS:
            raise AttributionError(
                f"{n} units and no number of samples",
                expected=f"samples for more than {MOST_UNITS} units, since there are 2^{n} coalitions",
                fix="samples=2000",
            )
        kept = all_coalitions(n)[1:-1]
        weights = shapley_kernel(kept.sum(1), n)
        return game.efficient(_solved(game, kept, weights, full, empty), "kernel-shap")
    _check_samples(samples, max(20, 2 * n))
    kept = _paired_draw(n, samples, np.random.default_rng(seed))
    values = _solved(game, kept, np.ones(len(kept)), full, empty)

    def fit(rows: slice | Bools) -> Doubles:
        return _solved(game, kept[rows], np.ones(len(kept[rows])), full, empty)

    error = {"standard_error": _jackknife(fit, len(kept))}
    return game.efficient(values, "kernel-shap", error, samples=len(kept))


def _solved(game: Game, kept: Bools, weights: Doubles, full: Doubles, empty: Doubles) -> Doubles:
    if not len(kept):  # a single unit
        return (full - empty)[None]
    return kernel_values(kept, game.values(kept), weights, full, empty)


def _paired_draw(n: int, samples: int, random: np.random.Generator) -> Bools:
    if n == 1:
        return np.zeros((0, 1), dtype=bool)
    sizes = np.arange(1, n)
    chance = 1 / (sizes * (n - sizes))
    kept = np.zeros((-(-samples // 2), n), dtype=bool)
    for row, size in zip(kept, random.choice(sizes, len(kept), p=chance / chance.sum()), strict=True):
        row[random.choice(n, size, replace=False)] = True
    return np.stack([kept, ~kept], 1).reshape(-1, n)


def _jackknife(fit: Callable[[Bools], Doubles], n: int) -> Doubles:
    """Return standard errors from fits without one tenth of the samples after the other."""
    if n == 0:
        return np.zeros_like(fit(np.ones(0, dtype=bool)))
    block = np.arange(n) * BLOCKS // n
    fits = np.stack([fit(block != k) for k in range(BLOCKS)])
    return np.sqrt((BLOCKS - 1) * fits.var(0))


def _check_samples(samples: int, least: int) -> None:
    if samples < least:
        raise AttributionError(
            f"samples={samples}",
            expected=f"at least {least}, twice as many as units",
            cause="fewer sounds than coefficients, which leaves the regression undetermined",
            fix="samples=1000",
        )
