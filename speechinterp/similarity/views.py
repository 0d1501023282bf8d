"""What is compared: two views of the same units, their rows in one order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError, shortlist
from speechinterp.representations import Representations, common_units, indicator

__all__ = ["Doubles", "Integers", "Other", "Side", "SimilarityWarning", "clusters", "paired"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Other: TypeAlias = "Representations | pd.DataFrame | npt.ArrayLike | str | None"

MOST_CLUSTERS = 32


class SimilarityWarning(UserWarning):
    """A similarity is high for reasons that have nothing to do with what is compared."""


@dataclass(frozen=True)
class Side:
    """One of the two sides of a comparison.

    Parameters
    ----------
    name
        The model, the features, or the column of the units.
    layers
        Its layers; None stands for a view without layers.
    read
        Gives the rows of a layer, one a unit [shape=(units, dimensions)].
    """

    name: str
    layers: tuple[int | None, ...]
    read: Callable[[int | None], Doubles]


def paired(
    reps: Representations, other: Other, name: str = "other"
) -> tuple[pd.DataFrame, Side, Side | None]:
    """Bring two views of the same units into one order: by utterance, then by time.

    Parameters
    ----------
    reps
        The representations on one side.
    other
        On the other side: representations, of which the units that both have are compared; one row of numbers a
        unit, as an array in the order of ``reps.units``; one row a label, as a table indexed by label; the name of
        a column of ``reps.units``, of which numbers are taken as they are and names become one column
        each; or None, for the layers of `reps` among each other.

    Returns
    -------
    units, first, second
        The units compared, and the two sides; None if there is one only.

    Raises
    ------
    SimilarityError
        If the two have no units in common, or fewer than four.
    """
    single = False
    values: Doubles | None = None
    sides = {"reps": reps}
    if isinstance(other, Representations):
        sides |= {"other": other}
        name, single = str(other.meta.get("model", "other")), "baseline" in other.meta
    elif other is not None:
        found, values = _values(reps.units, other)
        name = found if name == "other" else name
        single = True
    shared = common_units(sides)
    orders = {key: _order(side.units) for key, side in shared.items()}
    units = shared["reps"].units.iloc[orders["reps"]].reset_index(drop=True)
    keep = np.ones(len(units), dtype=bool)
    if values is not None:
        values = values[orders["reps"]]
        keep = np.asarray(np.isfinite(values).all(axis=1))
        if not keep.all():
            warnings.warn(
                f"Left out {int(np.sum(~keep))} of {len(units)} units for which {name} has no value",
                SimilarityWarning,
                stacklevel=3,
            )
    elif "other" in shared and len(orders["other"]) != len(units):
        raise SimilarityError(
            f"{len(units)} rows on one side and {len(orders['other'])} on the other",
            expected="the same frames on both",
            cause="models with another hop",
            fix="compare phones or words (unit='phones'), or take AcousticFeatures(..., like=model)",
        )
    if int(keep.sum()) < 4:
        raise SimilarityError(
            f"the two sides have {int(keep.sum())} units in common",
            expected="at least four, and hundreds for a number that means something",
            cause="another corpus, tier, hop or selection; or labels that the table does not name",
            fix="extract both from the same corpus with the same unit",
        )

    def reader(key: str) -> Callable[[int | None], Doubles]:
        def read(layer: int | None) -> Doubles:
            vectors = shared[key].layer(shared[key].layers[0] if layer is None else layer)
            if not np.isfinite(vectors).all():
                raise SimilarityError(
                    f"layer {layer} of {shared[key].meta.get('model', key)} has NaN or infinite values",
                    expected="finite vectors",
                    cause="half precision overflowed, or the audio of some units is broken",
                    fix="extract with --dtype float32, or leave these units out",
                )
            return vectors[orders[key]][keep].astype(np.float64)

        return read

    first = Side(str(reps.meta.get("model", "reps")), reps.layers, reader("reps"))
    second = None
    if isinstance(other, Representations):
        second = Side(name, (None,) if single and len(other.layers) == 1 else other.layers, reader("other"))
    elif values is not None:
        rows = values[keep]
        second = Side(name, (None,), lambda _: rows)
    return units[keep].reset_index(drop=True), first, second


def _order(units: pd.DataFrame) -> Integers:
    """Return the rows in the order of utterances and time."""
    table = units.reset_index(drop=True).assign(utterance=units["utterance"].astype(str).to_numpy())
    columns = ["utterance", "start", "end", *(["time"] if "time" in table else [])]
    return table.sort_values(columns, kind="stable").index.to_numpy().astype(np.int64)


def _values(units: pd.DataFrame, other: Any) -> tuple[str, Doubles]:
    """Return a name and one row a unit; a row of a unit without a value is NaN."""
    if isinstance(other, str):
        if other not in units:
            raise SimilarityError(
                f"the units have no column {other!r}",
                expected=f"one of {shortlist(units.columns, 20)}",
                fix="name one of these, or pass representations, an array or a table",
            )
        column = units[other]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            return other, column.to_numpy(np.float64)[:, None]
        codes = pd.factorize(column, sort=True)[0].astype(np.int64)
        rows = indicator(codes, int(codes.max(initial=0)) + 1).toarray()
        rows[codes < 0] = np.nan
        return other, rows
    if isinstance(other, pd.DataFrame):
        doubled = other.index[other.index.duplicated()]
        if len(doubled):
            raise SimilarityError(
                f"the table has several rows for {shortlist(doubled.unique())}",
                expected="one row a label",
                fix="average them, or drop all but one",
            )
        missing = sorted(set(units["label"].astype(str)) - set(other.index.astype(str)))
        if missing:
            warnings.warn(f"The table has no row for {shortlist(missing)}", SimilarityWarning, stacklevel=4)
        return "label table", other.set_axis(other.index.astype(str)).reindex(
            units["label"].astype(str)
        ).to_numpy(np.float64)
    rows = np.asarray(other, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) != len(units):
        raise SimilarityError(
            f"an array of shape {rows.shape}",
            expected=f"one row for each of the {len(units)} units",
            cause="values of another selection, or dimensions and units exchanged",
            fix="make it from reps.units, row by row",
        )
    return "given values", rows


def clusters(units: pd.DataFrame, over: str, seed: int = 0) -> tuple[Integers, str]:
    """Say which units are left out together for intervals.

    Parameters
    ----------
    units
        The units compared.
    over
        A column, such as ``"speaker"``; without at least two speakers, utterances take their place.
    seed
        Of the dealing of more than 32 clusters to 32 groups.

    Returns
    -------
    numbers, name
        The cluster of each unit [shape=(units,)], and what the clusters are.
    """
    if over == "speaker" and (
        "speaker" not in units or units["speaker"].isna().any() or units["speaker"].nunique() < 2
    ):
        over = "utterance"
    if over not in units:
        raise SimilarityError(
            f"the units have no column {over!r}", expected=shortlist(units.columns), fix="over='speaker'"
        )
    codes = pd.factorize(units[over].astype(str))[0].astype(np.int64)
    n = int(codes.max()) + 1
    if n > MOST_CLUSTERS:
        deal = np.random.default_rng(seed).permutation(n) % MOST_CLUSTERS
        codes = deal[codes].astype(np.int64)
    return codes, over
