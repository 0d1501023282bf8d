"""Memory: how many targets to work on at once, and whether a map can be computed at all, before it is."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from speechinterp.errors import MixingError

__all__ = ["Plan", "plan"]

BUDGET = 16 * 2**20
"""Bytes that a chunk may take if no chunk is asked for; larger ones are no faster."""


@dataclass(frozen=True)
class Plan:
    """How a map is computed.

    Parameters
    ----------
    chunk
        Target frames at once.
    bytes
        Estimate of the memory it takes at its peak, without the model.
    """

    chunk: int
    bytes: int


def plan(n_targets: int, per_target: int, fixed: int, chunk: int | None, device: torch.device) -> Plan:
    """Choose the number of target frames to work on at once.

    Parameters
    ----------
    n_targets
        Number of target frames.
    per_target
        Bytes that each takes.
    fixed
        Bytes that are taken whatever the chunk.
    chunk
        Number asked for, or None.
    device
        Where it runs.

    Raises
    ------
    MixingError
        If the chunk is not positive, or there is not enough memory.
    """
    if chunk is not None and chunk < 1:
        raise MixingError(f"chunk={chunk}", expected="at least one target frame", fix="chunk=64")
    chosen = max(1, min(n_targets, BUDGET // per_target if chunk is None else chunk))
    needed = fixed + chosen * per_target
    there = _memory(device)
    if needed > there:
        raise MixingError(
            f"this map takes about {needed / 2**30:.1f} GB with {chosen} target frames at once; "
            f"there are {there / 2**30:.1f} GB",
            expected="a map that fits in memory",
            cause="a long recording with frames as units" if chosen == 1 else "a large chunk",
            fix="unit='words' or a shorter recording" if chosen == 1 else "a smaller chunk",
        )
    return Plan(chosen, needed)


def _memory(device: torch.device) -> int:
    """Return the memory of a device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
