"""Distances between sequences of frames: by dynamic time warping, for many pairs at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["DISTANCES", "DistanceName", "frame_distances", "warped"]

DistanceName = Literal["angular", "cosine", "euclidean"]
DISTANCES: tuple[DistanceName, ...] = get_args(DistanceName)
AT_ONCE = 2_000_000
"""Cells of the tables that are warped at once: 16 MB each of them."""


def frame_distances(
    distance: DistanceName,
) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]:
    r"""Return what is done to frames once, and what then gives the distances of all pairs of frames.

    Notes
    -----
    ``angular`` is :math:`\arccos(\cos(x, y)) / \pi`, ``cosine`` is :math:`1 - \cos(x, y)`. A frame of zeros is
    at a right angle to every other.
    """
    if distance == "euclidean":
        return lambda frames: frames, lambda x, y: torch.cdist(
            x, y, compute_mode="donot_use_mm_for_euclid_dist"
        )

    def unit(frames: Tensor) -> Tensor:
        return torch.nn.functional.normalize(frames, dim=-1)

    def between(x: Tensor, y: Tensor) -> Tensor:
        cosine = (x @ y.T).clamp_(-1, 1)
        return cosine.arccos_() / math.pi if distance == "angular" else 1 - cosine

    return unit, between


def warped(frames: Tensor, rows: Tensor, n_rows: Tensor, columns: Tensor, n_columns: Tensor) -> Tensor:
    """Return the warped distance of many pairs of sequences.

    Parameters
    ----------
    frames
        Distances of frames [shape=(frames, frames)].
    rows, columns
        The first frame of the two sequences of each pair [shape=(pairs,)] each.
    n_rows, n_columns
        Their numbers of frames [shape=(pairs,)] each.

    Returns
    -------
    Tensor
        [shape=(pairs,)]: the least sum of distances along a path from the first frames to the last, which
        goes on by one frame in either sequence or in both, divided by the number of steps of that path. It is the
        same with the two sequences exchanged.

    Notes
    -----
    Of equally cheap ways into a pair of frames, the one that goes on in both sequences is taken, and then the
    shorter path.

    References
    ----------
    Sakoe, H., & Chiba, S. (1978). Dynamic programming algorithm optimization for spoken word recognition. IEEE
    TASSP 26(1).
    """
    width = frames.shape[1]
    turned = n_rows > n_columns
    short, long = torch.minimum(n_rows, n_columns), torch.maximum(n_rows, n_columns)
    first = rows * width + columns
    result = frames.new_empty(len(rows))
    shape = short * (int(long.max()) + 1) + long + turned * (1 << 40)
    for key in torch.unique(shape):
        pairs = (shape == key).nonzero().flatten()
        n, m, turn = int(short[pairs[0]]), int(long[pairs[0]]), bool(turned[pairs[0]])
        down, right = (1, width) if turn else (width, 1)
        steps = (
            down * torch.arange(n, device=frames.device)[:, None]
            + right * torch.arange(m, device=frames.device)
        ).flatten()
        for part in pairs.split(max(1, AT_ONCE // (n * m))):
            table = frames.view(-1)[steps[:, None] + first[part]]
            result[part] = _warp(table, n, m)
    return result


def _warp(table: Tensor, n: int, m: int) -> Tensor:
    """Warp tables of one shape, diagonal by diagonal [shape=(n * m, pairs) -> (pairs,)]; `table` is overwritten.

    The cells (i, k - i) of diagonal k are every (m - 1)-th of the flat table.
    """
    if n == 1:
        return table.mean(0)
    length = torch.ones_like(table)
    stride = m - 1
    for k in range(1, n + m - 1):
        top, bottom = max(0, k - m + 1), min(k, n - 1)
        if top == 0:  # the first row: only from the left
            table[k] += table[k - 1]
            length[k] = length[k - 1] + 1
            top = 1
        if bottom == k:  # the first column: only from above
            table[k * m] += table[(k - 1) * m]
            length[k * m] = length[(k - 1) * m] + 1
            bottom = k - 1
        if top > bottom:
            continue

        def along(i: int, j: int, count: int = bottom - top + 1) -> slice:
            start = i * m + j
            return slice(start, start + (count - 1) * stride + 1, stride)

        here, up, left, both = (
            along(top, k - top), along(top - 1, k - top), along(top, k - top - 1), along(top - 1, k - top - 1)
        )  # fmt: skip
        above, before, across = table[up], table[left], table[both]
        from_above = (above < before) | ((above == before) & (length[up] < length[left]))
        side = torch.minimum(above, before)
        straight = across <= side
        table[here] += torch.minimum(across, side)
        steps = torch.where(from_above, length[up], length[left])
        length[here] = torch.where(straight, length[both], steps) + 1
    return table[-1] / length[-1]
