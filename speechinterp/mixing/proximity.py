"""Proximity: what share of a sum each of its parts has, by how much nearer to the sum it brings."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["proximity", "signed_shares"]


def proximity(parts: Tensor, whole: Tensor, order: float = 1) -> Tensor:
    r"""Return the share of every part in their sum.

    Parameters
    ----------
    parts
        Vectors that sum to `whole` [shape=(..., parts, width)].
    whole
        [shape=(..., width)].
    order
        Of the norm.

    Returns
    -------
    Tensor
        Shares of 0 or more that sum to 1 [shape=(..., parts)].

    Notes
    -----
    :math:`c_k \propto \max(0, \lVert w \rVert - \lVert w - p_k \rVert)`. Where no part alone comes nearer to
    the whole than nothing does, as where large parts cancel, the positive :func:`signed_shares` take their
    place. A whole of zeros is shared equally.

    References
    ----------
    Ferrando, J., Gállego, G. I., & Costa-jussà, M. R. (2022). Measuring the mixing of contextual information
    in the transformer. EMNLP. Ferrando, J., & Voita, E. (2024). Information flow routes: automatically
    interpreting language models at scale. EMNLP.
    """
    length = torch.linalg.vector_norm(whole, order, -1)
    distance = torch.linalg.vector_norm(parts - whole.unsqueeze(-2), order, -1)
    near = (length.unsqueeze(-1) - distance).clamp_min(0)
    lost = near.sum(-1, keepdim=True) <= 0
    near = torch.where(lost, signed_shares(parts, whole).clamp_min(0), near)
    return near / near.sum(-1, keepdim=True)


def signed_shares(parts: Tensor, whole: Tensor) -> Tensor:
    r"""Return how far every part goes in the direction of the whole, or against it.

    Parameters
    ----------
    parts
        Vectors that sum to `whole` [shape=(..., parts, width)].
    whole
        [shape=(..., width)].

    Returns
    -------
    Tensor
        :math:`\langle \mathrm{sign}(w), p_k \rangle / \lVert w \rVert_1`, which sum to 1 exactly
        [shape=(..., parts)]. It is what the proximity tends to for small parts, without its cut at zero.
    """
    length = whole.abs().sum(-1, keepdim=True)
    signed = (parts @ whole.sign().unsqueeze(-1)).squeeze(-1)
    return torch.where(
        length > 0,
        signed / length.clamp_min(torch.finfo(length.dtype).tiny),
        torch.full_like(signed, 1 / parts.shape[-2]),
    )
