"""What every probe gives: a map from vectors as they are stored to one score a class, or one value a channel."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Doubles", "Linear", "scale_of"]

Doubles: TypeAlias = npt.NDArray[np.float64]


class Linear(NamedTuple):
    """A linear map: weights [shape=(p, q)] and levels [shape=(q,)]."""

    weights: Doubles
    level: Doubles

    def __call__(self, features: npt.NDArray[np.floating]) -> Doubles:
        """Return what the map gives for some units [shape=(units, q)]."""
        return features @ self.weights + self.level


def scale_of(mean: Doubles, deviation: Doubles) -> Doubles:
    """Return what each dimension is divided by: its standard deviation, or 1 where it is constant [shape=(p,)]."""
    return np.where(deviation <= 1e-7 * np.abs(mean), 1.0, deviation)
