"""Folds: which units are trained on and which are tested, so that no speaker is in both.

References
----------
Little, M. A., et al. (2017). Using and understanding cross-validation strategies. GigaScience 6(5).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist

__all__ = ["Integers", "assign_folds", "codes", "groups_of", "held_out", "rare_labels"]

Integers: TypeAlias = npt.NDArray[np.int64]


def codes(values: Iterable[object]) -> Integers:
    """Give equal values equal numbers, from 0 in the order of their names [shape=(units,)]."""
    names = np.asarray([str(value) for value in values], dtype=str)
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def groups_of(
    units: pd.DataFrame, folds: str | npt.ArrayLike, *, shared_speakers: bool = False
) -> tuple[Integers, Integers]:
    """Say which units stay together in a fold, and which are resampled together.

    Parameters
    ----------
    units
        The units, with at least the columns utterance and speaker.
    folds
        ``"speaker"``, ``"utterance"`` or another column whose groups stay whole; ``"random"`` to split units
        regardless of who spoke them; or one fold number a unit [shape=(units,)].
    shared_speakers
        Accept fold numbers that put one speaker in several folds.

    Returns
    -------
    groups, clusters
        Numbers of the groups that go to folds whole, and of the clusters that the bootstrap resamples: the
        same groups, except that random folds resample utterances, and given folds speakers (utterances if
        speakers are shared) [shape=(units,)] each.

    Raises
    ------
    ProbeError
        If the column does not exist, lacks values or holds one group only, or if given folds are malformed or
        share a speaker unasked.
    """
    if not isinstance(folds, str):
        return _given(units, np.asarray(folds), shared_speakers)
    if folds == "random":
        return np.arange(len(units), dtype=np.int64), codes(units["utterance"])
    if folds not in units.columns:
        raise ProbeError(
            f"There is no column {folds!r} to make folds from",
            expected=f"random, or one of the columns {shortlist(units.columns, 20)}",
            fix="folds='speaker', or folds='utterance' for a corpus without speakers",
        )
    _refuse_missing(units, folds)
    groups = codes(units[folds])
    if len(np.unique(groups)) < 2:
        raise ProbeError(
            f"All {len(units)} units have the same {folds}: {units[folds].iloc[0]!r}",
            expected=f"at least two different values of {folds}, one to train on and one to test on",
            cause="a recording session or corpus of one speaker",
            fix="folds='utterance' tests on new utterances of the same speaker",
        )
    return groups, groups


def _given(units: pd.DataFrame, numbers: npt.NDArray[np.generic], shared: bool) -> tuple[Integers, Integers]:
    if numbers.shape != (len(units),) or not np.issubdtype(numbers.dtype, np.integer):
        raise ProbeError(
            f"The given folds have shape {numbers.shape} and type {numbers.dtype}",
            expected=f"one whole number a unit, shape ({len(units)},)",
            cause="folds made for another store, or with missing values",
            fix="pass one fold number for each row of representations.units, or folds='speaker'",
        )
    groups = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    if groups.max(initial=0) < 1:
        raise ProbeError("All units are in one fold", expected="at least two folds", fix="folds='speaker'")
    if shared:
        return groups, codes(units["utterance"])
    _refuse_missing(units, "speaker")
    places = pd.Series(groups).groupby(units["speaker"].astype(str).to_numpy()).nunique()
    torn = places.index[places > 1]
    if len(torn):
        raise ProbeError(
            f"{len(torn)} speakers are in more than one fold: {shortlist(torn)}",
            expected="each speaker in one fold, so that a probe is tested on new voices",
            cause="folds made by utterance or at random",
            fix="folds='speaker', or shared_speakers=True if this is meant",
        )
    return groups, codes(units["speaker"])


def _refuse_missing(units: pd.DataFrame, column: str) -> None:
    missing = int(units[column].isna().sum())
    if missing:
        raise ProbeError(
            f"{missing} of {len(units)} units have no {column}",
            expected=f"a {column} for every unit, since folds keep each {column} whole",
            cause="the corpus does not name its speakers"
            if column == "speaker"
            else f"{column} was filled in part",
            fix="folds='utterance' keeps utterances whole, but then a voice can be in training and test",
        )


def assign_folds(groups: Integers, n_folds: int, seed: int) -> Integers:
    """Give every unit a fold: groups stay whole, and folds are of about equal size.

    The largest group goes first, always to the smallest fold; groups of equal size are shuffled. With fewer
    groups than folds, each group is a fold of its own (leave one speaker out).

    Parameters
    ----------
    groups
        The group number of each unit [shape=(units,)].
    n_folds
        The number of folds wanted, at least 2.
    seed
        Decides the order of groups of equal size.

    Returns
    -------
    numpy.ndarray
        Fold numbers from 0 [shape=(units,)].

    Raises
    ------
    ProbeError
        If fewer than two folds are asked for.
    """
    if n_folds < 2:
        raise ProbeError(
            f"n_folds is {n_folds}",
            expected="at least 2: one to test on, the rest to train on",
            fix="n_folds=4",
        )
    names, where, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    load = np.zeros(min(n_folds, len(names)), dtype=np.int64)
    fold_of = np.empty(len(names), dtype=np.int64)
    for group in order:
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    return fold_of[where]


def held_out(nested: Iterable[Integers], n_folds: int, seed: int) -> npt.NDArray[np.bool_]:
    """Mark one share of the training units for choosing the regulariser [shape=(units,)].

    `nested` lists groupings from coarse to fine (speakers, utterances, units); the first that has two groups
    is kept whole, so that the choice too is made on new speakers wherever there are two.
    """
    groupings = list(nested)
    usable = next((groups for groups in groupings if len(np.unique(groups)) > 1), groupings[-1])
    marked: npt.NDArray[np.bool_] = assign_folds(usable, n_folds, seed) == 0
    return marked


def rare_labels(labels: npt.NDArray[np.str_], groups: Integers) -> list[str]:
    """Name the labels that one group alone has: they can never be both trained and tested."""
    spread = pd.Series(groups).groupby(labels).nunique()
    return sorted(str(label) for label in spread.index[spread < 2])
