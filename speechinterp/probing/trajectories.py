"""Trajectories: what was measured beside the sound, such as the places of articulators, as columns of the units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.representations import Representations

__all__ = ["add_tracks"]

TIME = "time"


def add_tracks(reps: Representations, folder: str | Path) -> tuple[Representations, list[str]]:
    """Add to every unit the means of trajectories that were recorded with the sound.

    Parameters
    ----------
    reps
        The representations, of phones, words or frames.
    folder
        With a table ``ID.csv`` for every utterance: a column ``time`` in seconds from the beginning of the sound, and
        one column a channel, such as ``tongue_tip_x`` in mm. Cells without a number are missing.

    Returns
    -------
    reps, channels
        The same vectors with a column a channel: the mean of what was measured from `start` up to `end` of the unit,
        missing where there is nothing. And the names of the channels, to be targets of
        :func:`~speechinterp.probing.regress`.

    Raises
    ------
    ProbeError
        If a table is missing, is no such table, or has other channels than the first; or if no unit has a value.

    References
    ----------
    Cho, C. J., Wu, P., Mohamed, A., & Anumanchipalli, G. K. (2023). Evidence of vocal tract articulation in
    self-supervised learning of speech. ICASSP.
    """
    root = Path(folder)
    units = reps.units.copy()
    channels: list[str] = []
    values = np.empty((len(units), 0))
    places = np.arange(len(units))
    for id_, rows in pd.Series(places).groupby(units["utterance"].astype(str).to_numpy(), sort=False):
        table = _table(root, str(id_))
        if not channels:
            channels = [str(name) for name in table if name != TIME]
            values = np.full((len(units), len(channels)), np.nan)
        if set(channels) != set(table) - {TIME}:
            raise ProbeError(
                f"{root / f'{id_}.csv'} has the channels {shortlist(set(table) - {TIME})}",
                expected=f"those of the first table: {shortlist(channels)}",
                fix="give all tables the same columns",
            )
        values[rows] = _means(table, channels, units.iloc[rows])
    if not np.isfinite(values).any():
        raise ProbeError(
            f"no unit has a value of {shortlist(channels) or 'any channel'}",
            expected="times in seconds from the beginning of the sound",
            cause="times in milliseconds or frames, or of the whole session",
            fix="convert the column time",
        )
    for number, name in enumerate(channels):
        units[name] = values[:, number]
    return replace(reps, units=units), channels


def _table(root: Path, id_: str) -> pd.DataFrame:
    path = root / f"{id_}.csv"
    try:
        table = pd.read_csv(path)
        numbers = table.apply(pd.to_numeric)
    except (OSError, ValueError) as error:
        raise ProbeError(
            f"{path} cannot be read: {error}",
            expected=f"a table of numbers for utterance {id_!r}: time, and one column a channel",
            cause="another name than that of the utterance, or cells that are no numbers",
            fix="name tables after the utterances, in folders as in their ids",
        ) from error
    times = numbers.get(TIME)
    if times is None or numbers.shape[1] < 2 or times.isna().any() or (np.diff(times) <= 0).any():
        raise ProbeError(
            f"{path} with the columns {shortlist(table)}",
            expected="a column time that grows from row to row, and at least one channel",
            fix="name and sort the columns so",
        )
    return numbers


def _means(table: pd.DataFrame, channels: list[str], units: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the means of all channels over the units [shape=(units, channels)], NaN where nothing was measured."""
    measured = table[channels].to_numpy(float)
    times = table[TIME].to_numpy(float)
    first = np.searchsorted(times, units["start"].to_numpy(float), side="left")
    stop = np.searchsorted(times, units["end"].to_numpy(float), side="left")
    known = np.isfinite(measured)
    sums = np.vstack([np.zeros(len(channels)), np.cumsum(np.where(known, measured, 0.0), axis=0)])
    counts = np.vstack([np.zeros(len(channels)), np.cumsum(known, axis=0)])
    n = counts[stop] - counts[first]
    return np.where(n > 0, (sums[stop] - sums[first]) / np.maximum(n, 1), np.nan)
