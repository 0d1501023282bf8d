"""Contexts: what every column, a unit or what lies outside the units, gives to an attention block's targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from speechinterp.mixing.decomposition import AttentionParts
from speechinterp.mixing.units import Partition

__all__ = ["column_contexts", "column_vectors"]


def column_contexts(weights: Tensor, attention: AttentionParts, columns: Sequence[Tensor]) -> Tensor:
    r"""Return the weighted values of every column, added up inside it.

    Parameters
    ----------
    weights
        Attention weights of some targets [shape=(head, rows, sources)].
    attention
        The attention block.
    columns
        The source frames of every column.

    Returns
    -------
    Tensor
        :math:`\sum_{j \in J} \alpha^h_{ij} v^h_j` [shape=(rows, columns, head, head_dim)]. If every source is in
        one column, they add up to the context of the target.
    """
    heads, dim = attention.value.shape[1:]
    result = weights.new_empty(weights.shape[1], len(columns), heads, dim)
    single = [i for i, frames in enumerate(columns) if len(frames) == 1]
    if single:
        frames = torch.cat([columns[i] for i in single])
        result[:, single] = weights[:, :, frames].permute(1, 2, 0).unsqueeze(-1) * attention.value[frames]
    values = attention.value.transpose(0, 1)
    for i, frames in enumerate(columns):
        if len(frames) != 1:
            part = _slice(frames)
            result[:, i] = (weights[:, :, part] @ values[:, part]).transpose(0, 1)
    return result


def _slice(frames: Tensor) -> Tensor | slice:
    """Return frames in a row as a slice, which needs no copy of what it is taken from."""
    first, last = int(frames[0]), int(frames[-1])
    return slice(first, last + 1) if last + 1 - first == len(frames) else frames


def column_vectors(
    attention: AttentionParts, rows: Tensor, sources: Partition, *, heads: bool = False, own: bool = False
) -> Tensor:
    """Return the vector that every column adds to the residual stream of every target.

    Parameters
    ----------
    attention
        The attention block.
    rows
        The target frames.
    sources
        Which source frame is in which column.
    heads
        Whether to keep the heads apart.
    own
        Whether to add the target's residual to the column that the target itself is in.

    Returns
    -------
    Tensor
        [shape=(rows, columns, width)] or [shape=(rows, columns, head, width)]; with the output bias they add up
        to the attention's output, or to the block's sum with `own`.
    """
    contexts = column_contexts(attention.weights(rows), attention, sources.frames)
    if heads:
        return torch.einsum("rchk,hkd->rchd", contexts, attention.weight)
    vectors = torch.nn.functional.linear(contexts.flatten(2), attention.modules.output.weight)
    if own:
        vectors[torch.arange(len(rows)), sources.index[rows]] += attention.residual[rows]
    return vectors
