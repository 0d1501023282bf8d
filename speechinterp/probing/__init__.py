"""Probes: what can be read linearly from each layer, always with controls."""

from speechinterp.probing.layerwise import probe

__all__ = ["probe"]
