"""Pooling: from the frames of an utterance to one vector a unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from speechinterp.errors import FrameError
from speechinterp.frames import FrameGrid, FrameRule
from speechinterp.segments import Segment

__all__ = ["POOLS", "Pool", "Row", "every_frame", "pool_units", "pooled", "whole_unit"]

Pool = Literal["mean", "centre", "min", "max", "all", "slice"]
POOLS: tuple[Pool, ...] = get_args(Pool)


class Row(NamedTuple):
    """What is known of a pooled unit beside its vectors; see :func:`pool_units`."""

    unit: int
    start: float
    end: float
    label: str
    frames: int
    time: float


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

    Raises
    ------
    FrameError
        If the pooling or the rule is unknown, or the states have another number of frames than the grid.

    Notes
    -----
    A unit in which no frame satisfies the rule, such as the 5 ms release of a stop, takes the frame nearest
    to its middle and says so with ``frames`` = 0; with ``all`` it has no row.
    """
    vectors, rows = pooled(states, grid, units, pool, rule)
    table = pd.DataFrame(rows, columns=list(Row._fields))
    kinds = {"unit": int, "start": float, "end": float, "label": object, "frames": int, "time": float}
    return vectors, table.astype(kinds)


def pooled(
    states: Tensor, grid: FrameGrid, units: Sequence[Segment], pool: Pool = "mean", rule: FrameRule = "centre"
) -> tuple[Tensor, list[Row]]:
    """Pool the frames of every unit, as :func:`pool_units` does, but without a table."""
    if pool not in POOLS or pool == "slice":
        known = ", ".join(POOLS[:-1])
        raise FrameError(f"pool {pool!r} of given states", expected=f"one of {known}", fix="pool='mean'")
    if states.shape[1] != grid.n_frames:
        raise FrameError(
            f"states of {states.shape[1]} frames on a grid of {grid.n_frames}",
            expected="as many in both",
            cause="states and grid of two utterances, or axes in another order than layers, frames, dimensions",
            fix="take the grid from model.frames(utterance)",
        )
    times = grid.times
    vectors: list[Tensor] = []
    rows: list[Row] = []
    for position, unit in enumerate(units):
        span = grid.frames_in(unit.start, unit.end, rule)
        if pool == "all":
            for frame in span:
                vectors.append(states[:, frame])
                rows.append(Row(position, unit.start, unit.end, unit.label, 1, float(times[frame])))
            continue
        nearest = grid.nearest_frame((unit.start + unit.end) / 2)
        taken = range(nearest, nearest + 1) if pool == "centre" or not span else span
        vectors.append(_reduced(states[:, taken.start : taken.stop], pool))
        time = float(times[taken.start : taken.stop].mean())
        rows.append(Row(position, unit.start, unit.end, unit.label, len(taken) if span else 0, time))
    return torch.stack(vectors, dim=1) if vectors else states[:, :0], rows


def every_frame(states: Tensor, grid: FrameGrid, duration: float) -> tuple[Tensor, list[Row]]:
    """Take every frame as a unit of its own: from half a hop before its centre to half a hop after it.

    Parameters
    ----------
    states
        [shape=(layers, frames, dimensions)].
    grid
        The frames of this utterance.
    duration
        Of the sound in seconds; frames at its edges end there.

    Returns
    -------
    vectors, rows
        As :func:`pooled` gives them, with empty labels.
    """
    half, times = grid.hop / grid.sample_rate / 2, grid.times
    starts, ends = (np.clip(times + side, 0.0, duration).tolist() for side in (-half, half))
    frames = enumerate(zip(starts, ends, times.tolist(), strict=True))
    return states, [Row(i, start, end, "", 1, time) for i, (start, end, time) in frames]


def whole_unit(states: Tensor, unit: Segment) -> tuple[Tensor, list[Row]]:
    """Average all frames of a unit that was encoded alone; `vectors` and `rows` as :func:`pooled` gives them."""
    row = Row(0, unit.start, unit.end, unit.label, states.shape[1], (unit.start + unit.end) / 2)
    return states.mean(1, keepdim=True), [row]


def _reduced(chosen: Tensor, pool: Pool) -> Tensor:
    if pool == "min":
        return chosen.amin(1)
    if pool == "max":
        return chosen.amax(1)
    return chosen.mean(1)
