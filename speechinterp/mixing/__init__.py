"""Context mixing: how much the representation of one stretch of speech draws on every other, layer by layer."""

from __future__ import annotations

from speechinterp.mixing.decomposition import AttentionParts, Decomposition, LayerParts, Norm, decompose

__all__ = ["AttentionParts", "Decomposition", "LayerParts", "Norm", "decompose"]
