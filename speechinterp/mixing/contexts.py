"""Contexts: what every column, a unit or what lies outside the units, gives to an attention block's targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear

from speechinterp.mixing.decomposition import AttentionParts
from speechinterp.mixing.units import Partition

__all__ = ["ColumnVectors", "column_contexts", "given"]


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


class ColumnVectors:
    """What every column adds to the residual stream of the targets of one attention block.

    Parameters
    ----------
    attention
        The attention block.
    sources
        Which source frame is in which column.

    Notes
    -----
    A column of several frames is added up as values and then goes through the output weights; one of a single
    frame is a weighted sum over heads of what its frame gives, which is made once.
    """

    def __init__(self, attention: AttentionParts, sources: Partition) -> None:
        self.attention, self.sources = attention, sources
        self.single = [i for i, frames in enumerate(sources.frames) if len(frames) == 1]
        self.several = [i for i, frames in enumerate(sources.frames) if len(frames) != 1]
        self.frames = torch.cat([sources.frames[i] for i in self.single]) if self.single else None
        self.given = None if self.frames is None else given(attention, self.frames)

    def of(self, rows: Tensor, *, own: bool = False) -> Tensor:
        """Return the vectors of some targets, all heads together.

        Parameters
        ----------
        rows
            The target frames.
        own
            Whether to add the target's residual to the column that the target itself is in.

        Returns
        -------
        Tensor
            [shape=(rows, columns, width)]; with the output bias they add up to the attention's output, or to the
            block's sum with `own`.
        """
        attention, weights = self.attention, self.attention.weights(rows)
        width = attention.residual.shape[-1]
        if self.frames is not None and not self.several:
            assert self.given is not None
            vectors = (weights[:, :, self.frames].permute(2, 1, 0) @ self.given).transpose(0, 1)
        else:
            vectors = weights.new_empty(len(rows), self.sources.n_columns, width)
            if self.frames is not None:
                assert self.given is not None
                alone = weights[:, :, self.frames].permute(2, 1, 0) @ self.given
                vectors[:, self.single] = alone.transpose(0, 1)
            contexts = column_contexts(weights, attention, [self.sources.frames[i] for i in self.several])
            vectors[:, self.several] = linear(contexts.flatten(2), attention.modules.output.weight)
        if own:
            vectors[torch.arange(len(rows)), self.sources.index[rows]] += attention.residual[rows]
        return vectors

    def by_head(self, rows: Tensor) -> Tensor:
        """Return the vectors of some targets, heads apart [shape=(rows, columns, head, width)]."""
        contexts = column_contexts(self.attention.weights(rows), self.attention, self.sources.frames)
        return torch.einsum("rchk,hkd->rchd", contexts, self.attention.weight)


def given(attention: AttentionParts, frames: Tensor) -> Tensor:
    """Return what sources give where they are fully attended to: value times output [shape=(frames, head, width)]."""
    return torch.einsum("shk,hkd->shd", attention.value[frames], attention.weight)
