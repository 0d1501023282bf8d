"""Probes: what can be read from each layer, always with controls."""

from speechinterp.probing.attention import probe_utterances
from speechinterp.probing.confusions import confusions
from speechinterp.probing.encoding import encode
from speechinterp.probing.layer_mix import mix_layers
from speechinterp.probing.layerwise import probe
from speechinterp.probing.linear import Linear
from speechinterp.probing.mdl import description_length
from speechinterp.probing.pairs import adjacent_pairs, edges
from speechinterp.probing.regression import regress
from speechinterp.probing.targets import describe_units
from speechinterp.probing.trajectories import add_tracks
from speechinterp.probing.transfer import transfer
from speechinterp.probing.units import LeftOutWarning

__all__ = [
    "LeftOutWarning",
    "Linear",
    "add_tracks",
    "adjacent_pairs",
    "confusions",
    "describe_units",
    "description_length",
    "edges",
    "encode",
    "mix_layers",
    "probe",
    "probe_utterances",
    "regress",
    "transfer",
]
