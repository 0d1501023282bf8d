"""What the recipes of attribution share: the right answers that are known, relevance by chance, and means of tables."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

import numpy as np
import pandas as pd
import xarray as xr

import speechinterp as si
from speechinterp.attribution import attribute, localisation
from speechinterp.attribution.entry import METHODS, over_units
from speechinterp.errors import MixingError
from speechinterp.mixing import summarise
from speechinterp.mixing.tokens import words_spelt

SAMPLES = 64
"""Coalitions of methods that draw them; exact values, of shapley, cost 2 to the number of words."""


def deciding(utterance: si.Utterance, targets: Sequence[str]) -> dict[str, list[si.Segment]]:
    """Return for every target ``slot=value`` the segments of the tier `cue` that decide it; none where unknown."""
    cues = utterance.tiers.get("cue", ())
    found = {name: [s for s in cues if s.label == name.partition("=")[2]] for name in targets}
    return {name: segments for name, segments in found.items() if segments}


def explained(
    model: si.SpeechModel, chooses: si.SpeechModel, methods: Sequence[str], seed: int, utterance: si.Utterance
) -> pd.DataFrame:
    """Explain by every method what a classifier chooses, and compare with the words that are known to decide it."""
    gold = deciding(utterance, list(si.targets.label().bind(chooses, utterance).names))
    asked, found = si.targets.label(list(gold)), {}
    for method in methods:
        draws = SAMPLES if "samples" in signature(METHODS[method]).parameters else None
        relevance = attribute(model, utterance, method, target=asked, samples=draws, seed=seed)
        found[method] = over_units(model, utterance, relevance, "words")
    return localisation(found, gold) if gold else pd.DataFrame()


def losses(model: si.SpeechModel, utterance: si.Utterance, tier: str, baseline: str) -> pd.DataFrame:
    """Return by how much the surprisal of every unit grows without every other: one row a target and unit.

    Tokens of a decoder are added up to words. There are no rows where the model does not say what the tier has.
    """
    surprisal = si.targets.surprisal()
    relevance = si.attribution.leave_one_out(model, utterance, target=surprisal, unit=tier, baseline=baseline)
    labels, values = relevance.label.values, -relevance.values
    if model.family.has_decoder:
        try:
            spelt = words_spelt([str(name) for name in relevance.target.values], labels.tolist())
        except MixingError:
            return pd.DataFrame()
        values = np.stack([values[[s == word for s in spelt]].sum(0) for word in range(len(labels))])
    if len(values) != len(labels):
        return pd.DataFrame()
    rows, columns = np.indices(values.shape)
    table = pd.DataFrame({"place": (columns - rows).ravel(), "loss": values.ravel()})
    return table.assign(said=labels[rows.ravel()], number=rows.ravel(), utterance=utterance.id)


def edit_name(edit: str, strength: float, unit: str) -> str:
    """Return what was done to a voice, in words."""
    if unit == "factor":
        return f"{edit} × {strength:g}"
    if np.isinf(strength) or (strength == 0 and unit == "s"):
        return f"no {edit}"
    return f"{edit} {strength:{'+g' if unit == 'semitones' else 'g'}} {unit}"


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


def told(table: pd.DataFrame, names: str) -> str:
    """Return the means of the model, and those of its random weights in brackets."""
    model, twin = (
        table[table.weights == each].set_index(names)["mean"] for each in ("model", "random weights")
    )
    return ", ".join(f"{name} {mean:.0%} ({twin[name]:.0%})" for name, mean in model.items())
