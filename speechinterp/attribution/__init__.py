"""Feature attribution: from an output back to the sound, with its faithfulness measured."""

from __future__ import annotations

from speechinterp import accessor as _accessor  # noqa: F401 - registers `result.si`
from speechinterp.attribution.baselines import BASELINES, MeanSpectrum, corpus_mean
from speechinterp.attribution.coalitions import banzhaf, leave_one_out, owen, shapley
from speechinterp.attribution.deeplift import deeplift
from speechinterp.attribution.deletion import deletion_curves
from speechinterp.attribution.entry import METHODS, attribute
from speechinterp.attribution.expected import expected_gradients
from speechinterp.attribution.faithfulness import faithfulness
from speechinterp.attribution.gradients import InvarianceWarning, input_x_gradient, saliency, smoothgrad
from speechinterp.attribution.integrated import integrated_gradients
from speechinterp.attribution.localisation import localisation
from speechinterp.attribution.lrp import attn_lrp
from speechinterp.attribution.masks import rise
from speechinterp.attribution.randomisation import label_randomisation, parameter_randomisation
from speechinterp.attribution.stability import agreement, sensitivity, shift_equivariance
from speechinterp.attribution.study import Attributed, attribute_corpus
from speechinterp.attribution.surrogates import kernel_shap, lime
from speechinterp.attribution.sweeps import sweep
from speechinterp.attribution.units import Patches, Windows

__all__ = [
    "BASELINES",
    "METHODS",
    "Attributed",
    "InvarianceWarning",
    "MeanSpectrum",
    "Patches",
    "Windows",
    "agreement",
    "attn_lrp",
    "attribute",
    "attribute_corpus",
    "banzhaf",
    "corpus_mean",
    "deeplift",
    "deletion_curves",
    "expected_gradients",
    "faithfulness",
    "input_x_gradient",
    "integrated_gradients",
    "kernel_shap",
    "label_randomisation",
    "leave_one_out",
    "lime",
    "localisation",
    "owen",
    "parameter_randomisation",
    "rise",
    "saliency",
    "sensitivity",
    "shapley",
    "shift_equivariance",
    "smoothgrad",
    "sweep",
]
