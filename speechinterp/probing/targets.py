"""Targets: columns of the units that can be read from a corpus, its annotation and its sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from speechinterp.audio import TRACKS, track
from speechinterp.corpora import Corpus, Utterance
from speechinterp.corpora.labels import FEATURES, features
from speechinterp.errors import AnnotationError, ProbeError, shortlist
from speechinterp.representations import Representations
from speechinterp.segments import Tier

__all__ = ["describe_units"]

RATE = 16000
PLACES = ("initial", "medial", "final")


def describe_units(
    reps: Representations, corpus: Corpus, columns: Sequence[str], *, inventory: str | None = None
) -> Representations:
    """Add columns to the units of representations, to be targets, types or confounds of a probe.

    Parameters
    ----------
    reps
        The representations; a column that they have stays as it is.
    corpus
        The corpus they were extracted from.
    columns
        Any of

        - ``duration`` in seconds, and ``position``, the place among the units of the utterance, from 0 to 1;
        - ``manner``, ``place``, ``voicing``, ``height``, ``backness``, ``rounding`` of phones;
        - ``stress``: the digit of a label such as AH1;
        - the name of a tier (``words``, ``phones``, ``syllables``): its label at the middle of the unit;
        - ``words_position``, for any tier: ``initial``, ``medial`` or ``final`` unit of its segment, or ``only``;
        - ``words_boundary``, for any tier: whether a segment begins within the unit, ``yes`` or ``no``;
        - what the corpus knows of an utterance, such as ``sex`` or ``dialect``;
        - ``energy`` in dB, ``f0``, ``f1``, ``f2``, ``f3`` in Hz: means over the unit, missing where there is none.
    inventory
        The set of labels of phones, see :func:`speechinterp.corpora.labels.features`; known for TIMIT and demo.

    Returns
    -------
    Representations
        The same vectors, with more columns.

    Raises
    ------
    ProbeError
        If a name is none of these, or no unit has a value.
    """
    units = reps.units.copy()
    wanted = [name for name in dict.fromkeys(columns) if name not in units.columns]
    if not wanted:
        return reps
    for name in wanted:
        units[name] = pd.Series([None] * len(units), index=units.index, dtype=object)
    for id_, rows in units.groupby("utterance", sort=False).groups.items():
        utterance = corpus[str(id_)]
        table = units.loc[rows]
        for name in wanted:
            units.loc[rows, name] = pd.Series(
                list(_column(name, utterance, table, corpus, inventory)), index=rows, dtype=object
            )
    for name in wanted:
        if units[name].isna().all():
            raise ProbeError(
                f"No unit has a {name}",
                expected="a value for some units",
                cause="the corpus does not hold it, or these units have none",
                fix="another column",
            )
        if name in ("duration", "position", *TRACKS):
            units[name] = units[name].astype(float)
    return replace(reps, units=units)


def _column(
    name: str, utterance: Utterance, units: pd.DataFrame, corpus: Corpus, inventory: str | None
) -> Sequence[Any]:
    """Return the values of one column for the units of one utterance."""
    starts, ends = units["start"].to_numpy(float), units["end"].to_numpy(float)
    if name == "duration":
        return (ends - starts).tolist()
    if name == "position":
        return (np.arange(len(units)) / max(len(units) - 1, 1)).tolist()
    if name == "stress":
        return [_digit(label) for label in units["label"]]
    if name in FEATURES:
        return _features(name, units["label"], inventory or _inventory(corpus, utterance))
    if name in TRACKS:
        times, values = track(name, utterance.waveform(RATE), RATE)
        return [_mean(values[(times >= a) & (times < b)]) for a, b in zip(starts, ends, strict=True)]
    for suffix, rule in (("_position", _position), ("_boundary", _boundary)):
        tier = name.removesuffix(suffix)
        if name.endswith(suffix) and tier in utterance.tiers:
            return rule(utterance.tiers[tier], starts, ends)
    if name in utterance.tiers:
        inside = _inside(utterance.tiers[name], starts, ends)
        return [utterance.tiers[name][i].label or None if i is not None else None for i in inside]
    if name in utterance.meta:
        return [utterance.meta[name]] * len(units)
    raise ProbeError(
        f"There is no way to know the {name!r} of a unit",
        expected=f"duration, position, stress, {', '.join(FEATURES)}, {', '.join(TRACKS)}, a tier "
        f"({shortlist(utterance.tiers)}), a tier's _position or _boundary, or what is known of utterance "
        f"{utterance.id!r}: {shortlist(utterance.meta) or 'nothing'}",
        fix="one of these, or add the column to reps.units",
    )


def _digit(label: object) -> str | None:
    text = str(label)
    return text[-1] if text[-1:] in ("0", "1", "2") else None


def _inventory(corpus: Corpus, utterance: Utterance) -> str:
    if corpus.name == "timit":
        return f"timit{corpus.options.get('labels', 39)}"
    if corpus.name == "demo":
        return "ipa"
    raise ProbeError(
        f"The set of labels of corpus {corpus.name!r} is not known (utterance {utterance.id!r})",
        expected="one of timit61, timit48, timit39, arpabet, buckeye, ipa, xsampa",
        fix="describe_units(..., inventory='ipa') (--inventory ipa)",
    )


def _features(name: str, labels: pd.Series, inventory: str) -> list[str | None]:
    known: dict[str, str | None] = {}
    for label in labels.astype(str).unique():
        try:
            known[label] = features(label, inventory)[name]
        except AnnotationError:
            known[label] = None
    return [known[label] for label in labels.astype(str)]


def _mean(values: Any) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _inside(tier: Tier, starts: Any, ends: Any) -> list[int | None]:
    """Return for every unit the number of the segment of a tier that its middle is in; None in a gap."""
    begins = np.array([segment.start for segment in tier])
    middles = (starts + ends) / 2
    numbers = np.searchsorted(begins, middles, side="right") - 1
    return [
        int(i) if i >= 0 and middle < tier[int(i)].end else None
        for i, middle in zip(numbers, middles, strict=True)
    ]


def _position(tier: Tier, starts: Any, ends: Any) -> list[str | None]:
    inside = _inside(tier, starts, ends)
    found: list[str | None] = []
    for i, number in enumerate(inside):
        first = i == 0 or inside[i - 1] != number
        last = i == len(inside) - 1 or inside[i + 1] != number
        place = "only" if first and last else PLACES[0] if first else PLACES[2] if last else PLACES[1]
        found.append(None if number is None else place)
    return found


def _boundary(tier: Tier, starts: Any, ends: Any) -> list[str]:
    begins = np.array([segment.start for segment in tier])
    within = np.searchsorted(begins, ends, side="left") - np.searchsorted(begins, starts, side="left")
    return ["yes" if count else "no" for count in within]
