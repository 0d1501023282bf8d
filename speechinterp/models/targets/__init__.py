"""Targets: what is explained, as numbers that depend on the sound with gradients."""

from __future__ import annotations

from speechinterp.models.targets.bound import BoundTarget, Contrast, Target, bind
from speechinterp.models.targets.classes import label
from speechinterp.models.targets.ctc import ctc
from speechinterp.models.targets.decoder import sequence, token, word
from speechinterp.models.targets.named import named, usual
from speechinterp.models.targets.states import cosine, hidden, probe
from speechinterp.models.targets.steps import entropy, kl, surprisal

__all__ = [
    "BoundTarget",
    "Contrast",
    "Target",
    "bind",
    "cosine",
    "ctc",
    "entropy",
    "hidden",
    "kl",
    "label",
    "named",
    "probe",
    "sequence",
    "surprisal",
    "token",
    "usual",
    "word",
]
