"""Opening: model, utterance, target and units become one game."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.game import Game
from speechinterp.attribution.players import players_of
from speechinterp.attribution.units import Units
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target, bind

__all__ = ["described", "flat", "opened"]


def opened(
    model: SpeechModel,
    utterance: Heard,
    target: Target | Sequence[Target],
    *,
    unit: Units,
    baseline: Baseline,
    fade: float,
    seed: int,
) -> Game:
    """Cut an utterance into units and find a target in it.

    Raises
    ------
    AttributionError
        If units, baseline and sound do not go together.
    TargetError
        If the target is not there, or the model has no head for it.
    """
    players = players_of(utterance, model.sample_rate, unit, baseline, fade=fade, seed=seed)
    bound = bind(target, model, utterance)
    settings = described(model) | flat(bound.describe())
    return Game(bound, players, model.batch_limit(players.settings["duration_s"]), settings)


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as NetCDF can hold it: numbers and texts."""
    simple = (bool, int, float, str)
    values = {k: v if isinstance(v, simple) else json.dumps(v, ensure_ascii=False) for k, v in record.items()}
    return {k: int(v) if isinstance(v, bool) else "" if v == "null" else v for k, v in values.items()}


_known: weakref.WeakKeyDictionary[SpeechModel, tuple[object, dict[str, Any]]] = weakref.WeakKeyDictionary()


def described(model: SpeechModel) -> dict[str, Any]:
    """Return the record of a model, in which `control` says if it is a random twin.

    Its weights are hashed again only after they have changed.
    """
    state = tuple((p.data_ptr(), p._version) for p in model.module.parameters())
    known = _known.get(model)
    if known is None or known[0] != state:
        record = flat(model.describe())
        record["control"] = record.pop("baseline")
        known = state, record
        _known[model] = known
    return known[1]
