"""Game: what an output is worth with some units of the sound and without the others; every coalition is run once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

import speechinterp
from speechinterp.attribution.players import Players
from speechinterp.errors import AttributionError, shortlist

__all__ = ["Bound", "Game", "all_coalitions"]

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


class Bound(Protocol):
    """A target found in an utterance (:class:`~speechinterp.models.targets.BoundTarget`)."""

    @property
    def names(self) -> tuple[str, ...]:
        """What its scores are called."""

    def scores(self, sounds: Tensor) -> Tensor:
        """Return every score for every sound [shape=(batch, targets)]."""

    def moved(self, where: Callable[[float], float], n_samples: int) -> Bound:
        """Return the target for a sound in which times changed."""


def all_coalitions(n: int) -> Bools:
    """Return all sets of `n` units; row r holds unit i if bit i of r is set [shape=(2 ** n, n)]."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


class Game:
    """The outputs of a target for any coalition of units.

    Parameters
    ----------
    bound
        The target.
    players
        The units.
    batch
        How many sounds to run at once.
    settings
        What a result records of model and target.
    """

    def __init__(
        self, bound: Bound, players: Players, batch: int = 1, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.bound, self.players, self.batch = bound, players, batch
        self.settings = dict(settings or {})
        self.passes = 0
        self._known: dict[bytes, Doubles] = {}

    def __len__(self) -> int:
        return len(self.players)

    @torch.no_grad()
    def values(self, kept: Bools) -> Doubles:
        """Return the outputs for coalitions [shape=(coalitions, targets)].

        Parameters
        ----------
        kept
            Which units are heard [shape=(coalitions, units)]. A coalition that was asked for before costs nothing.

        Raises
        ------
        AttributionError
            If an output is not finite.
        """
        keys = [row.tobytes() for row in np.packbits(kept, axis=1)]
        new = {key: i for i, key in reversed(list(enumerate(keys))) if key not in self._known}
        order = sorted(new.values())
        batch = 1 if self.players.deletes else self.batch
        for first in range(0, len(order), batch):
            rows = order[first : first + batch]
            scores = self._scores(kept[rows])
            self._known |= {keys[i]: score for i, score in zip(rows, scores, strict=True)}
        return np.stack([self._known[key] for key in keys])

    def _scores(self, kept: Bools) -> Doubles:
        bound, sounds = self.bound, self.players.sounds(kept)
        if self.players.deletes and not kept.all():
            bound = bound.moved(self.players.moved(kept[0]), sounds.shape[1])
        scores = bound.scores(sounds).detach().double().cpu().numpy()
        self.passes += len(sounds)
        if not np.isfinite(scores).all():
            bad = [
                name for name, ok in zip(self.bound.names, np.isfinite(scores).all(0), strict=True) if not ok
            ]
            raise AttributionError(
                f"a score of {shortlist(bad, 5)} that is not finite, with some units taken away",
                expected="finite scores for every sound",
                cause="a target that cannot be, such as more symbols than frames after deletion, or weights that "
                "are NaN",
                fix="baseline='silence', or another target",
            )
        return scores

    def full_and_empty(self) -> Doubles:
        """Return the outputs with all units and with none [shape=(2, targets)]."""
        return self.values(np.array([[True] * len(self), [False] * len(self)]))

    def array(
        self, relevance: Doubles, method: str, extra: dict[str, Doubles] | None = None, **attrs: Any
    ) -> xr.DataArray:
        """Turn relevances into a result.

        Parameters
        ----------
        relevance
            [shape=(units, targets)].
        method
            Name of the method.
        extra
            Other numbers of every unit and target, as coordinates [shape=(units, targets)] each.
        **attrs
            What else to record.
        """
        full = self.values(np.ones((1, len(self)), dtype=bool))[0]
        coords = {"target": np.array(list(self.bound.names), dtype=str), **self.players.coordinates()}
        coords["value_full"] = ("target", full)
        coords |= {name: (("target", "unit"), values.T) for name, values in (extra or {}).items()}
        record = {
            "method": method,
            **self.players.settings,
            **self.settings,
            **attrs,
            "n_units": len(self),
            "n_passes": self.passes,
            "version": speechinterp.__version__,
        }
        return xr.DataArray(relevance.T, coords, ("target", "unit"), name="relevance", attrs=record)

    def efficient(
        self, relevance: Doubles, method: str, extra: dict[str, Doubles] | None = None, **more: Any
    ) -> xr.DataArray:
        """Turn relevances into a result that says how far their sum is from what all units change together."""
        full, empty = self.full_and_empty()
        gap = np.abs(relevance.sum(0) - (full - empty))
        scale = np.maximum(np.abs(full - empty), 1e-12)
        array = self.array(relevance, method, extra, **more)
        array.attrs |= {
            "efficiency_residual": float(gap.max()),
            "efficiency_residual_relative": float((gap / scale).max()),
        }
        return array.assign_coords(value_empty=("target", empty))
