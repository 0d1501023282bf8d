"""Feature attribution: from an output back to the sound, with its faithfulness measured."""

from __future__ import annotations

from speechinterp.attribution.baselines import BASELINES, MeanSpectrum, corpus_mean
from speechinterp.attribution.coalitions import banzhaf, leave_one_out, owen, shapley
from speechinterp.attribution.surrogates import kernel_shap, lime
from speechinterp.attribution.units import Patches, Windows

__all__ = [
    "BASELINES",
    "MeanSpectrum",
    "Patches",
    "Windows",
    "banzhaf",
    "corpus_mean",
    "kernel_shap",
    "leave_one_out",
    "lime",
    "owen",
    "shapley",
]
