"""Feature attribution: from an output back to the sound, with its faithfulness measured."""

from __future__ import annotations

from speechinterp.attribution.baselines import BASELINES, MeanSpectrum, corpus_mean
from speechinterp.attribution.coalitions import banzhaf, leave_one_out, owen, shapley
from speechinterp.attribution.faithfulness import faithfulness
from speechinterp.attribution.localisation import localisation
from speechinterp.attribution.masks import rise
from speechinterp.attribution.stability import agreement, sensitivity, shift_equivariance
from speechinterp.attribution.surrogates import kernel_shap, lime
from speechinterp.attribution.sweeps import sweep
from speechinterp.attribution.units import Patches, Windows

__all__ = [
    "BASELINES",
    "MeanSpectrum",
    "Patches",
    "Windows",
    "agreement",
    "banzhaf",
    "corpus_mean",
    "faithfulness",
    "kernel_shap",
    "leave_one_out",
    "lime",
    "localisation",
    "owen",
    "rise",
    "sensitivity",
    "shapley",
    "shift_equivariance",
    "sweep",
]
