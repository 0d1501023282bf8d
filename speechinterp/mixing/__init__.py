"""Context mixing: how much the representation of one stretch of speech draws on every other, layer by layer."""

from __future__ import annotations

from speechinterp.mixing.below import front_end
from speechinterp.mixing.blankout import blankout, blankout_drop
from speechinterp.mixing.comparison import agreement, summarise
from speechinterp.mixing.contributions import alti
from speechinterp.mixing.cue import cue_alignment
from speechinterp.mixing.decomposition import AttentionParts, Decomposition, LayerParts, Norm, decompose
from speechinterp.mixing.faithfulness import faithfulness
from speechinterp.mixing.homophones import best_layers, deciding_token, find_cue, planted, remove_words
from speechinterp.mixing.joint import joint
from speechinterp.mixing.norms import attention_norm, globenc
from speechinterp.mixing.readings import (
    cumulative_diagonality,
    diagonality,
    head_diversity,
    mixing_distance,
    readings,
    uniform,
)
from speechinterp.mixing.readouts import ReadOut, head_readout, probe_readout
from speechinterp.mixing.relevance import chefer
from speechinterp.mixing.route_graph import Routes, read_routes
from speechinterp.mixing.routing import neurons, routes
from speechinterp.mixing.units import EmptyUnitWarning, OverlapWarning
from speechinterp.mixing.weights import attention, rollout
from speechinterp.mixing.zeroing import value_zeroing

__all__ = [
    "AttentionParts",
    "Decomposition",
    "EmptyUnitWarning",
    "LayerParts",
    "Norm",
    "OverlapWarning",
    "ReadOut",
    "Routes",
    "agreement",
    "alti",
    "attention",
    "attention_norm",
    "best_layers",
    "blankout",
    "blankout_drop",
    "chefer",
    "cue_alignment",
    "cumulative_diagonality",
    "deciding_token",
    "decompose",
    "diagonality",
    "faithfulness",
    "find_cue",
    "front_end",
    "globenc",
    "head_diversity",
    "head_readout",
    "joint",
    "mixing_distance",
    "neurons",
    "planted",
    "probe_readout",
    "read_routes",
    "readings",
    "remove_words",
    "rollout",
    "routes",
    "summarise",
    "uniform",
    "value_zeroing",
]
