"""Exact values of units by running every coalition: Shapley, Banzhaf, Owen, and leaving one out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.game import Game, all_coalitions
from speechinterp.attribution.opening import opened
from speechinterp.attribution.players import FADE
from speechinterp.attribution.units import Units, segments_of
from speechinterp.attribution.values import banzhaf_values, shapley_values, shapley_weights
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError, shortlist
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target
from speechinterp.segments import Segment

__all__ = ["banzhaf", "leave_one_out", "owen", "shapley"]

MOST_UNITS = 11
MOST_PASSES = 2**14
Doubles = npt.NDArray[np.float64]


def shapley(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    r"""Measure exactly what every unit of a sound contributes to an output: its Shapley value.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    target
        What is explained (`si.targets`); all its outputs are explained at once.
    unit
        At most 11: a tier name, segments, :class:`Windows` or :class:`Patches`.
    baseline
        What is heard in the place of a unit: ``silence``, ``noise``, ``neighbour``, ``reversed``, a
        :func:`corpus_mean` or a waveform; or ``delete``, after which the rest comes earlier.
    fade
        Seconds of crossfade at the ends of a unit.
    seed
        Of noise.

    Returns
    -------
    xarray.DataArray
        Relevance [dims=(target, unit)] with `label`, `start` and `end` of every unit, and `value_full` and
        `value_empty`, the output with all units and with none. ``efficiency_residual`` is how far the relevances'
        sum is from their difference, ``n_passes`` how many sounds the model heard.

    Raises
    ------
    AttributionError
        If there are more than 11 units, or target, unit, baseline and sound do not go together.

    Notes
    -----
    .. math:: \phi_i = \sum_{S \subseteq N \setminus i} \frac{|S|!\,(n-1-|S|)!}{n!} \,[v(S \cup i) - v(S)]

    with v(S) the output for the sound in which all units but S are taken away. All :math:`2^n` sounds are heard once,
    whatever the number of outputs. Sound in no unit always stays.

    References
    ----------
    Shapley, L. S. (1953). A value for n-person games. Contributions to the Theory of Games, 2, 307-317.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    return _enumerated(game, "shapley", shapley_values)


def banzhaf(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    r"""Measure exactly what every unit adds on average to a random set of the others: its Banzhaf value.

    Parameters
    ----------
    model, utterance, target, unit, baseline, fade, seed
        As in :func:`shapley`.

    Returns
    -------
    xarray.DataArray
        As of :func:`shapley`. Banzhaf values need not sum to what all units change together; by how much they do not
        is recorded as ``efficiency_residual``.

    Raises
    ------
    AttributionError
        As in :func:`shapley`.

    Notes
    -----
    .. math:: \beta_i = 2^{1-n} \sum_{S \subseteq N \setminus i} [v(S \cup i) - v(S)]

    References
    ----------
    Banzhaf, J. F. (1965). Weighted voting doesn't work: a mathematical analysis. Rutgers Law Review, 19, 317-343.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    return _enumerated(game, "banzhaf", banzhaf_values)


def leave_one_out(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "words",
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    """Take away one unit after the other and measure by how much an output falls (occlusion).

    Parameters
    ----------
    model, utterance, target, unit, baseline, fade, seed
        As in :func:`shapley`; any number of units.

    Returns
    -------
    xarray.DataArray
        As of :func:`shapley`, from one pass a unit and one for the whole sound.

    Raises
    ------
    AttributionError
        If target, unit, baseline and sound do not go together.

    Notes
    -----
    v(N) - v(N without i). A unit that says what another says as well gets nothing, and neither does that one.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    n = len(game)
    worth = game.values(np.vstack([np.ones((1, n), dtype=bool), ~np.eye(n, dtype=bool)]))
    return game.array(worth[0] - worth[1:], "leave-one-out")


def owen(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    unit: Units = "phones",
    groups: str | Sequence[Segment] | None = "words",
    samples: int | None = None,
    baseline: Baseline = "silence",
    fade: float = FADE,
    seed: int = 0,
) -> xr.DataArray:
    r"""Measure what every unit contributes within its group, such as the phones of words: its Owen value.

    Parameters
    ----------
    model, utterance, target, baseline, fade, seed
        As in :func:`shapley`.
    unit
        The small units.
    groups
        The large ones: a tier name or segments. A unit belongs to the one that holds its middle; a unit in none is a
        group of its own. None makes every unit a group, and so the Shapley value.
    samples
        None runs all coalitions that the values are made of. A number draws so many orders instead, which any number
        of units can be done with, and gives a coordinate `standard_error`.

    Returns
    -------
    xarray.DataArray
        As of :func:`shapley`, with the number of every unit's group as coordinate `group`. The values of a group
        sum to the Shapley value of the group.

    Raises
    ------
    AttributionError
        If more than 16384 coalitions are needed and `samples` is None, or `samples` is less than 4.

    Notes
    -----
    The Shapley value over those orders in which the members of every group stay together. With G groups and n_k units
    in group k, :math:`2^G + 2^{G-1} \sum_k (2^{n_k} - 2)` coalitions instead of :math:`2^n`. Orders are drawn together
    with their reverse; every order gives values that sum to the whole.

    References
    ----------
    Owen, G. (1977). Values of games with a priori unions. Mathematical Economics and Game Theory, 76-88.
    """
    game = opened(model, utterance, target, unit=unit, baseline=baseline, fade=fade, seed=seed)
    member = _groups(game, utterance, model.sample_rate, groups)
    settings: dict[str, Any] = {
        "groups": "none" if groups is None else groups if isinstance(groups, str) else "segments"
    }
    label = {"group": ("unit", member)}
    if samples is None:
        _check_passes(member)
        return game.efficient(_owen_exact(game, member), "owen", **settings).assign_coords(label)
    if samples < 4:
        raise AttributionError(f"samples={samples}", expected="at least 4 orders", fix="samples=200")
    orders = _orders(member, samples, np.random.default_rng(seed))
    mean, error = _owen_sampled(game, orders)
    array = game.efficient(mean, "owen-sampled", samples=len(orders), **settings).assign_coords(label)
    return array.assign_coords(standard_error=(("target", "unit"), error.T))


def _owen_exact(game: Game, member: npt.NDArray[np.int64]) -> Doubles:
    n_groups = int(member.max()) + 1
    values = np.empty((len(game), 0))
    others = all_coalitions(n_groups - 1)
    weights = shapley_weights(n_groups)[others.sum(1)]
    for k in range(n_groups):
        inside = np.flatnonzero(member == k)
        together = np.insert(others, k, False, axis=1)[:, member]
        within = all_coalitions(len(inside))
        kept = np.repeat(together[:, None], len(within), axis=1)
        kept[:, :, inside] = within
        worth = game.values(kept.reshape(-1, len(game))).reshape(len(others), len(within), -1)
        if not values.size:
            values = np.empty((len(game), worth.shape[-1]))
        values[inside] = shapley_values(np.tensordot(weights, worth, 1))
    return values


def _orders(
    member: npt.NDArray[np.int64], samples: int, random: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    orders = []
    for _ in range(-(-samples // 2)):
        groups = random.permutation(int(member.max()) + 1)
        order = np.concatenate([random.permutation(np.flatnonzero(member == k)) for k in groups])
        orders += [order, order[::-1]]
    return orders


def _owen_sampled(game: Game, orders: list[npt.NDArray[np.int64]]) -> tuple[Doubles, Doubles]:
    """Return mean and standard error over pairs of an order and its reverse."""
    n = len(game)
    added = []
    for order in orders:
        kept = np.zeros((n + 1, n), dtype=bool)
        for step, i in enumerate(order):
            kept[step + 1 :, i] = True
        steps = np.diff(game.values(kept), axis=0)
        each = np.empty_like(steps)
        each[order] = steps
        added.append(each)
    pairs = np.stack(added).reshape(-1, 2, n, added[0].shape[1]).mean(1)
    return pairs.mean(0), pairs.std(0, ddof=1) / np.sqrt(len(pairs))


def _groups(
    game: Game, utterance: Heard, rate: int, groups: str | Sequence[Segment] | None
) -> npt.NDArray[np.int64]:
    """Return the number of every unit's group, in the order in which groups first appear."""
    segments = game.players.segments
    if groups is None:
        return np.arange(len(game))
    heard = utterance if isinstance(utterance, Utterance) else None
    large = segments_of(heard, len(game.players.sound), rate, groups)
    found = []
    for i, unit in enumerate(segments):
        middle = (unit.start + unit.end) / 2
        home = [k for k, each in enumerate(large) if each.start <= middle < each.end]
        found.append(home[0] if home else len(large) + i)
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def _enumerated(game: Game, method: str, values: Callable[[Doubles], Doubles]) -> xr.DataArray:
    """Return the values of a method from the outputs of all coalitions."""
    if len(game) > MOST_UNITS:
        labels = shortlist([s.label for s in game.players.segments], 12)
        raise AttributionError(
            f"{len(game)} units ({labels}), which have {2 ** len(game)} coalitions",
            expected=f"at most {MOST_UNITS} units for exact {method.capitalize()} values",
            cause="units as small as phones, or a long utterance",
            fix="owen(unit='phones', groups='words'), larger units, or kernel_shap(samples=2000)",
        )
    return game.efficient(values(game.values(all_coalitions(len(game)))), method)


def _check_passes(member: npt.NDArray[np.int64]) -> None:
    sizes = np.bincount(member).tolist()
    passes = 2 ** len(sizes) + 2 ** (len(sizes) - 1) * sum(2**size - 2 for size in sizes)
    if passes > MOST_PASSES:
        raise AttributionError(
            f"{len(member)} units in {len(sizes)} groups, whose Owen values take {passes} coalitions",
            expected=f"at most {MOST_PASSES}",
            cause="a long utterance, or groups of many units",
            fix="samples=200 draws orders instead, and says how sure the values are",
        )
