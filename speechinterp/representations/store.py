"""Representations: one row a unit, one column a layer, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Representations"]

UNIT_COLUMNS = ("utterance", "speaker", "tier", "label", "start", "end", "frames", "time")


@dataclass(frozen=True)
class Representations:
    """Vectors of units (phones, words, frames) at every layer.

    Parameters
    ----------
    units
        One row a unit: utterance, speaker, tier, label, start and end in seconds, the number of frames
        pooled (0: none satisfied the rule and the nearest one was taken), and their mean time in seconds.
    read_layer
        Gives the vectors of one layer [shape=(units, dimensions)]; read when asked for.
    layers
        The layers there are.
    meta
        What made them: model, weights hash, corpus, unit, pooling, frame rule, versions.
    """

    units: pd.DataFrame
    read_layer: Callable[[int], npt.NDArray[np.float32]]
    layers: tuple[int, ...]
    meta: Mapping[str, Any]

    @classmethod
    def of(
        cls, units: pd.DataFrame, vectors: npt.NDArray[np.float32], meta: Mapping[str, Any] | None = None
    ) -> Representations:
        """Make representations of vectors at hand [shape=(layers, units, dimensions)]."""
        return cls(units.reset_index(drop=True), vectors.__getitem__, tuple(range(len(vectors))), dict(meta or {}))

    def layer(self, layer: int) -> npt.NDArray[np.float32]:
        """Return the vectors of one layer [shape=(units, dimensions)]."""
        return self.read_layer(layer)

    def __len__(self) -> int:
        return len(self.units)
