"""Pooling: from the frames of an utterance to one vector a unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from speechinterp.errors import FrameError
from speechinterp.frames import FrameGrid, FrameRule
from speechinterp.segments import Segment

__all__ = ["POOLS", "Pool", "pool_units"]

Pool = Literal["mean", "centre", "min", "max", "all", "slice"]
POOLS: tuple[Pool, ...] = get_args(Pool)


def pool_units(
    states: Tensor, grid: FrameGrid, units: Sequence[Segment], pool: Pool = "mean", rule: FrameRule = "centre"
) -> tuple[Tensor, pd.DataFrame]:
    """Pool the frames of every unit.

    Parameters
    ----------
    states
        [shape=(layers, frames, dimensions)].
    grid
        The frames of this utterance.
    units
        Segments in seconds.
    pool
        ``mean``, ``min`` or ``max`` over the unit's frames; ``centre``: the frame nearest to its middle;
        ``all``: every frame, one row each.
    rule
        Which frames belong to a unit, see :meth:`speechinterp.FrameGrid.frames_in`.

    Returns
    -------
    vectors : Tensor
        [shape=(layers, rows, dimensions)].
    rows : pandas.DataFrame
        `unit` (position in `units`), `start`, `end`, `label`, `frames` (how many were pooled), `time` (mean
        of their centres, in seconds).

    Notes
    -----
    A unit in which no frame satisfies the rule, such as the 5 ms release of a stop, takes the frame nearest
    to its middle and says so with ``frames`` = 0; with ``all`` it has no row.
    """
    if pool not in POOLS:
        raise FrameError(f"pool {pool!r}", expected=f"one of {', '.join(POOLS)}", fix="pool='mean'")
    times = grid.times
    vectors: list[Tensor] = []
    rows: list[tuple[int, float, float, str, int, float]] = []
    for position, unit in enumerate(units):
        span = grid.frames_in(unit.start, unit.end, rule)
        if pool == "all":
            for frame in span:
                vectors.append(states[:, frame])
                rows.append((position, unit.start, unit.end, unit.label, 1, float(times[frame])))
            continue
        taken: Sequence[int] = span
        if pool == "centre" or not span:
            taken = [grid.nearest_frame((unit.start + unit.end) / 2)]
        chosen = states[:, taken[0] : taken[-1] + 1]
        vectors.append(_reduced(chosen, pool))
        n_frames = len(taken) if span else 0
        rows.append(
            (position, unit.start, unit.end, unit.label, n_frames, float(np.mean(times[list(taken)])))
        )
    table = pd.DataFrame(rows, columns=["unit", "start", "end", "label", "frames", "time"])
    table = table.astype({"start": float, "end": float, "label": str, "time": float})
    return torch.stack(vectors, dim=1) if vectors else states[:, :0], table


def _reduced(chosen: Tensor, pool: Pool) -> Tensor:
    if pool == "min":
        return chosen.amin(1)
    if pool == "max":
        return chosen.amax(1)
    return chosen.mean(1)
