"""Probes: what can be read from each layer, always with controls."""

from speechinterp.probing.layerwise import probe
from speechinterp.probing.linear import Linear

__all__ = ["Linear", "probe"]
