"""Probes: what can be read linearly from each layer, always with controls."""

from speechinterp.probing.probe import probe

__all__ = ["probe"]
