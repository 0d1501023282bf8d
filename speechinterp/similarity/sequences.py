"""Units as sequences of vectors: one vector each, or all their frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError, shortlist
from speechinterp.representations import Representations

__all__ = ["EDGE", "Sequences", "sequences"]

Integers: TypeAlias = npt.NDArray[np.int64]

KEY = ["utterance", "start", "end", "label"]
EDGE = "#"
"""The neighbour of a unit that has none."""
GAP = 1e-4
"""Seconds between two units from which on they are no neighbours."""


@dataclass(frozen=True)
class Sequences:
    """The units of some representations, and which rows belong to each.

    Parameters
    ----------
    units
        One row a unit, in the order of utterances and time, with the labels of its neighbours as `previous` and
        `next`.
    rows
        The rows of the representations, unit by unit and in the order of time [shape=(rows,)].
    starts, lengths
        Where each unit begins in `rows`, and how many it has [shape=(units,)] each.
    """

    units: pd.DataFrame
    rows: Integers
    starts: Integers
    lengths: Integers

    def vectors(self, reps: Representations, layer: int) -> npt.NDArray[np.float32]:
        """Return the vectors of a layer, unit by unit [shape=(rows, dimensions)].

        Raises
        ------
        SimilarityError
            If one of them is not finite.
        """
        vectors = reps.layer(layer)[self.rows]
        broken = int(np.sum(~np.isfinite(vectors).all(axis=1)))
        if broken:
            raise SimilarityError(
                f"layer {layer} of {reps.meta.get('model', 'a model')} has {broken} vectors with NaN or infinity",
                expected="finite vectors",
                cause="half precision overflowed, or the audio of these units is empty or broken",
                fix="extract with --dtype float32, or leave these units out",
            )
        return vectors


def sequences(reps: Representations, like: Sequences | None = None) -> Sequences:
    """Group the rows of representations by unit.

    Parameters
    ----------
    reps
        Rows with the same utterance, times and label are the frames of one unit.
    like
        Others that must have the same units.

    Raises
    ------
    SimilarityError
        If there are no units, or other ones than in `like`.
    """
    table = reps.units.reset_index(drop=True)
    if not len(table):
        raise SimilarityError(
            "the representations have no units",
            expected="units of at least two labels",
            cause="the corpus has no such tier, or every unit was filtered out",
            fix="extract another tier, for instance unit='phones'",
        )
    named = table.assign(**{column: table[column].astype(str) for column in ("utterance", "label")})
    rows = named.sort_values([*KEY, *(["time"] if "time" in named else [])], kind="stable").index.to_numpy()
    sorted_ = named.loc[rows, KEY]
    new = (sorted_ != sorted_.shift()).any(axis=1).to_numpy()
    starts = np.flatnonzero(new).astype(np.int64)
    lengths = np.diff(np.append(starts, len(rows)))
    units = _with_neighbours(table.loc[rows[starts]].reset_index(drop=True))
    found = Sequences(units, rows.astype(np.int64), starts, lengths)
    if like is not None:
        _refuse_others(reps, units, like.units)
    return found


def _with_neighbours(units: pd.DataFrame) -> pd.DataFrame:
    """Add the labels of the units before and after; a pause of the annotation, or the end, is an edge."""
    for column, step in (("previous", 1), ("next", -1)):
        if column in units:
            continue
        label, place = units["label"].astype(str).shift(step), units["utterance"].shift(step)
        gap = units["start"] - units["end"].shift(1) if step == 1 else units["start"].shift(-1) - units["end"]
        beside = (place == units["utterance"]) & (gap.abs() < GAP)
        units[column] = label.where(beside, EDGE)
    return units


def _refuse_others(reps: Representations, units: pd.DataFrame, expected: pd.DataFrame) -> None:
    if len(units) == len(expected):
        same = (
            units[["utterance", "label"]].astype(str) == expected[["utterance", "label"]].astype(str)
        ).all(axis=1)
        times = ["start", "end"]
        same &= np.isclose(
            units[times].to_numpy(float), expected[times].to_numpy(float), rtol=0, atol=1e-6
        ).all(axis=1)
        if same.all():
            return
        odd = shortlist(units["utterance"][~same].unique())
        found = f"{reps.meta.get('model', 'a baseline')} has other units in {odd}"
    else:
        found = f"{reps.meta.get('model', 'a baseline')} has {len(units)} units and not {len(expected)}"
    raise SimilarityError(
        found,
        expected="the same utterance, start, end and label for every unit",
        cause="it was extracted from another corpus, tier or selection, or had to leave units out",
        fix="extract both from the same corpus with the same unit, or pass both through common_units first",
    )
