"""Units of a probe: in an order of their own, the same in every baseline, and fit to be probed."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.folds import Integers, rare_labels
from speechinterp.representations import Representations

__all__ = ["LeftOutWarning", "check_column", "finite", "in_order", "matching", "usable"]

KEY = ["utterance", "start", "end", "label"]


class LeftOutWarning(UserWarning):
    """Units were left out of a probe, since they cannot be both trained and tested."""


def check_column(units: pd.DataFrame, name: str, fix: str = "") -> None:
    """Raise ProbeError if the units have no such column."""
    if name not in units.columns:
        raise ProbeError(
            f"The units have no column {name!r}",
            expected=f"one of {shortlist(units.columns, 20)}",
            fix=fix or "add the column to reps.units, for instance with describe_units",
        )


def in_order(reps: Representations) -> tuple[pd.DataFrame, Integers]:
    """Sort units by utterance and time, so that no result depends on the order of rows.

    Returns
    -------
    units, order
        The sorted units, and the row of `reps` that each came from [shape=(units,)].

    Raises
    ------
    ProbeError
        If there are no units.
    """
    units = reps.units.reset_index(drop=True)
    if not len(units):
        raise ProbeError(
            "The representations have no units",
            expected="units of at least two labels from at least two speakers",
            cause="the corpus has no such tier, or every unit was filtered out",
            fix="extract another tier, for instance unit='phones'",
        )
    by_name = units.assign(**{column: units[column].astype(str) for column in ("utterance", "label")})
    order = by_name.sort_values(KEY, kind="stable").index.to_numpy()
    return units.iloc[order].reset_index(drop=True), order.astype(np.int64)


def matching(name: str, baseline: Representations, units: pd.DataFrame) -> Integers:
    """Check that a baseline has the same units, and give the row of it that belongs to each [shape=(units,)].

    Raises
    ------
    ProbeError
        If number, utterances, times or labels of the units differ.
    """
    theirs, order = in_order(baseline)
    if len(theirs) != len(units):
        found = f"The baseline {name} has {len(theirs)} units and the representations have {len(units)}"
    else:
        times, names = ["start", "end"], ["utterance", "label"]
        same = np.isclose(theirs[times].to_numpy(float), units[times].to_numpy(float), rtol=0, atol=1e-6).all(
            1
        )
        same &= (theirs[names].astype(str) == units[names].astype(str)).to_numpy().all(1)
        if same.all():
            return order
        odd = np.unique(units["utterance"].astype(str).to_numpy()[~same])
        found = f"The baseline {name} has other units in {len(odd)} utterances: {shortlist(odd)}"
    raise ProbeError(
        found,
        expected="the same utterance, start, end and label for every unit",
        cause="the baseline was extracted from another corpus, tier or selection",
        fix="extract both from the same corpus with the same unit",
    )


def usable(labels: pd.Series, groups: Integers) -> tuple[npt.NDArray[np.bool_], list[str]]:
    """Mark units whose label is in at least two groups, and warn about the others.

    Returns
    -------
    keep, rare
        Which units can be trained and tested on [shape=(units,)], and the labels that one group alone has.
    """
    named = labels.notna().to_numpy()
    texts = np.array([str(label) for label in labels], dtype=str)
    rare = rare_labels(texts[named], groups[named])
    keep = named & ~np.isin(texts, rare)
    left_out = int(np.sum(~keep))
    if left_out:
        reasons = [f"{len(rare)} labels that one group alone has ({shortlist(rare)})"] if rare else []
        reasons += [] if named.all() else [f"{np.sum(~named)} units without a label"]
        warnings.warn(
            f"Left out {left_out} of {len(keep)} units, which cannot be both trained and tested: "
            + "; ".join(reasons),
            LeftOutWarning,
            stacklevel=4,
        )
    return keep, rare


def finite(features: npt.NDArray[np.float32], baseline: str, layer: int) -> npt.NDArray[np.float32]:
    """Return the features of a layer [shape=(units, dimensions)], having checked that all are finite.

    Raises
    ------
    ProbeError
        If a value is NaN or infinite.
    """
    broken = int(np.sum(~np.isfinite(features).all(axis=1)))
    if broken:
        of = "" if baseline == "none" else f" of the baseline {baseline}"
        raise ProbeError(
            f"Layer {layer}{of} has {broken} units with NaN or infinite values",
            expected="finite vectors",
            cause="half precision overflowed, or the audio of these units is empty or broken",
            fix="extract again in float32, or leave these utterances out",
        )
    return features
