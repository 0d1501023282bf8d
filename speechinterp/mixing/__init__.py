"""Context mixing: how much the representation of one stretch of speech draws on every other, layer by layer."""

from __future__ import annotations

from speechinterp.mixing.below import front_end
from speechinterp.mixing.contributions import alti
from speechinterp.mixing.decomposition import AttentionParts, Decomposition, LayerParts, Norm, decompose
from speechinterp.mixing.norms import attention_norm, globenc
from speechinterp.mixing.relevance import chefer
from speechinterp.mixing.units import EmptyUnitWarning
from speechinterp.mixing.weights import attention, rollout
from speechinterp.mixing.zeroing import value_zeroing

__all__ = [
    "AttentionParts",
    "Decomposition",
    "EmptyUnitWarning",
    "LayerParts",
    "Norm",
    "alti",
    "attention",
    "attention_norm",
    "chefer",
    "decompose",
    "front_end",
    "globenc",
    "rollout",
    "value_zeroing",
]
