"""Flow: what reaches a target along all paths, and the fewest edges that carry a given share of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.mixing.sums import Level, Stream, Sum

__all__ = ["Flow", "Kept", "flow_to"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Booleans: TypeAlias = npt.NDArray[np.bool_]
Flows: TypeAlias = Mapping[Level, Doubles]


@dataclass(frozen=True)
class Kept:
    """Which edges of a sum are kept.

    Parameters
    ----------
    own
        Through the stream [shape=(target,)].
    mixed
        Through the module [shape=(target, source)], or [shape=(target, 1)] where it reads its own unit only.
    """

    own: Booleans
    mixed: Booleans


@dataclass(frozen=True)
class Flow:
    """All sums below a target, and how much of the target passes through every place.

    Parameters
    ----------
    sums
        From the top down.
    at
        Share of the target that passes through the units of a level [shape=(units,)].
    """

    sums: tuple[Sum, ...]
    at: Flows

    @property
    def reached(self) -> float:
        """Share of the target that comes from the inputs; biases have the rest."""
        return _at_inputs(self.at)

    def select(self, mass: float) -> tuple[list[Kept], float]:
        """Keep the edges with the largest flow, as few as carry a share of what comes from the inputs.

        Parameters
        ----------
        mass
            Share to keep, counted along routes that are kept from the inputs to the target.

        Returns
        -------
        kept, held
            The edges of every sum, and the share that they carry.
        """
        edges = [(self.at[s.top] * s.own, self.at[s.top][:, None] * s.mixed.sum(-1)) for s in self.sums]
        sizes = np.unique(np.concatenate([flow.ravel() for pair in edges for flow in pair]))
        sizes = sizes[sizes > 0]
        few, many = 0, len(sizes) - 1
        chosen = self._above(edges, sizes[0])
        while few < many:
            middle = (few + many + 1) // 2
            trial = self._above(edges, sizes[middle])
            if _at_inputs(self._carried(trial)) >= mass * self.reached * (1 - 1e-12):
                few, chosen = middle, trial
            else:
                many = middle - 1
        carried = self._carried(chosen)
        return self._connected(chosen, carried), _at_inputs(carried) / self.reached

    @staticmethod
    def _above(edges: list[tuple[Doubles, Doubles]], least: float) -> list[Kept]:
        return [Kept(own >= least, mixed >= least) for own, mixed in edges]

    def _carried(self, kept: list[Kept]) -> Flows:
        """Return the flow at every level along kept edges only."""
        at = {level: np.zeros_like(flow) for level, flow in self.at.items()}
        top = self.sums[0].top
        at[top] = self.at[top].copy()
        for each, keep in zip(self.sums, kept, strict=True):
            _pass_down(at, each, keep)
        return at

    def _connected(self, kept: list[Kept], carried: Flows) -> list[Kept]:
        """Leave out edges that end above or below nowhere."""
        alive = {level: np.ones(len(flow), bool) for level, flow in self.at.items() if level.part == "input"}
        result = []
        for each, keep in zip(reversed(self.sums), reversed(kept), strict=True):
            wanted = carried[each.top] > 0
            read, below = alive[each.read], alive[each.below]
            sources = read[:, None] if each.local else np.broadcast_to(read, (len(wanted), len(read)))
            own, mixed = keep.own & wanted & below, keep.mixed & wanted[:, None] & sources
            alive[each.top] = own | mixed.any(1)
            result.append(Kept(own, mixed))
        return result[::-1]


def _pass_down(at: dict[Level, Doubles], each: Sum, keep: Kept | None = None) -> None:
    """Add what arrives at the top of a sum to the flow of the levels it comes from."""
    mixed = each.mixed.sum(-1)
    own, mixed = (each.own, mixed) if keep is None else (each.own * keep.own, mixed * keep.mixed)
    above = at[each.top]
    at[each.below] += above * own
    at[each.read] += above * mixed[:, 0] if each.local else above @ mixed


def _at_inputs(at: Flows) -> float:
    return float(sum(flow.sum() for level, flow in at.items() if level.part == "input"))


def flow_to(unit: int, streams: Iterable[Stream]) -> Flow:
    """Follow all paths from the top of the first stream down to the inputs.

    Parameters
    ----------
    unit
        The target, a unit of the first stream.
    streams
        The stack of the target, and for a decoder the encoder after it.

    Notes
    -----
    A sum is computed only at units that something of the target passes through.
    """
    at: dict[Level, Doubles] = {}
    sums = []
    for stream in streams:
        for top, compute in stream.sums():
            if not at:
                at[top] = np.zeros(stream.units.n_columns)
                at[top][unit] = 1.0
            each = compute(np.flatnonzero(at[top]).tolist())
            for level, n in ((each.below, len(each.own)), (each.read, _n_read(each))):
                at.setdefault(level, np.zeros(n))
            _pass_down(at, each)
            sums.append(each)
    return Flow(tuple(sums), at)


def _n_read(each: Sum) -> int:
    return len(each.own) if each.local else each.mixed.shape[1]
