"""Common units: restrict several representations to the units that all of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import StoreError
from speechinterp.representations.store import Representations

__all__ = ["common_units", "subset"]


def common_units(reps: Mapping[str, Representations]) -> dict[str, Representations]:
    """Restrict representations of one corpus to the units that all have, so that they can be compared.

    A model may have had to leave out what another could take: a recording longer than its window, a clip
    shorter than its receptive field.

    Parameters
    ----------
    reps
        Representations by name.

    Returns
    -------
    dict of Representations
        The same objects where nothing had to go.
    """
    keys = {name: _keys(rep.units) for name, rep in reps.items()}
    shared = set.intersection(*(set(key) for key in keys.values()))
    return {name: subset(rep, np.array([key in shared for key in keys[name]])) for name, rep in reps.items()}


def _keys(units: pd.DataFrame) -> list[tuple[object, ...]]:
    columns = ["utterance", "label", *(units[name].round(6) for name in ("start", "end"))]
    parts = [units[c].astype(str) if isinstance(c, str) else c for c in columns]
    return list(zip(*parts, strict=True))


def subset(rep: Representations, keep: npt.NDArray[np.bool_]) -> Representations:
    """Restrict representations to some of their units.

    Parameters
    ----------
    rep
        The representations.
    keep
        Which units to keep [shape=(units,)], for instance ``reps.units.speaker.isin(women).to_numpy()``.

    Returns
    -------
    Representations
        The same object where nothing had to go.

    Raises
    ------
    StoreError
        If there is not one truth value a unit.
    """
    if keep.shape != (len(rep),) or keep.dtype != bool:
        raise StoreError(
            f"a selection of shape {keep.shape} and type {keep.dtype}",
            expected=f"one truth value a unit, shape ({len(rep)},)",
            fix="subset(reps, (reps.units.column == value).to_numpy())",
        )
    if keep.all():
        return rep
    units = rep.units[keep].reset_index(drop=True)

    def stream(layers: Sequence[int]) -> Iterator[npt.NDArray[np.float32]]:
        start = 0
        for block in rep.blocks(layers):
            yield block[:, keep[start : start + block.shape[1]]]
            start += block.shape[1]

    return replace(rep, units=units, read_layer=lambda layer: rep.read_layer(layer)[keep], read_blocks=stream)
