"""DeepLIFT, through Captum: what every activation differs by from a baseline, handed back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.slopes import Targets, baseline_point, frozen, opened_space, relevance_array
from speechinterp.attribution.spaces import Space, SpaceName
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["deeplift"]


def deeplift(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName = "waveform",
    *,
    baseline: Baseline = "silence",
    seed: int = 0,
) -> xr.DataArray:
    r"""Return DeepLIFT with the rescale rule, as Captum computes it.

    Parameters
    ----------
    model, utterance, target, space
        As in :func:`saliency`.
    baseline, seed
        As in :func:`integrated_gradients`.

    Returns
    -------
    xarray.DataArray
        As :func:`integrated_gradients` gives it, with its ``completeness_gap``.

    Raises
    ------
    AttributionError
        If Captum is not installed; otherwise as for :func:`integrated_gradients`.

    Notes
    -----
    For activation functions that are modules the slope is :math:`\Delta f / \Delta x`. Products inside attention,
    norms and functions that are not modules (Whisper's first GELUs) have no such rule and keep their gradient, so
    relevance is not complete in a transformer: the gap says by how much.

    References
    ----------
    Shrikumar, A., Greenside, P., & Kundaje, A. (2017). Learning important features through propagating activation
    differences. ICML, 3145-3153.
    """
    try:
        from captum.attr import DeepLift
        from captum.attr._core import deep_lift as rules
    except ImportError as error:
        raise AttributionError(
            "captum is not installed",
            expected="captum, which computes DeepLIFT",
            fix="pip install captum, or integrated_gradients, which needs nothing",
        ) from error
    if space == "features":
        raise AttributionError(
            "DeepLIFT in the space 'features'",
            expected="a space before the model: waveform, spectrogram or log-mel",
            cause="Captum follows every activation of the model, and those before the features have no gradient",
            fix="space='waveform'",
        )
    opened = opened_space(model, utterance, target, space)
    start, name = baseline_point(opened, baseline, np.random.default_rng(seed))
    scorer = _Scorer(opened)
    known: dict[Any, Any] = rules.SUPPORTED_NON_LINEAR
    activations = {
        type(m)
        for m in model.module.modules()
        if not list(m.children()) and not list(m.parameters()) and "gelu" in type(m).__name__.lower()
    }
    added = [kind for kind in activations if kind not in known]
    known |= dict.fromkeys(added, rules.nonlinear)
    try:
        with warnings.catch_warnings(), frozen(model):
            warnings.simplefilter("ignore")  # Captum's, about hooks on modules that it takes away again
            found = [
                DeepLift(scorer).attribute(opened.point[None], start[None].contiguous(), target=i)[0].detach()
                for i in range(len(opened.bound.names))
            ]
    finally:
        for kind in added:
            del known[kind]
    relevance = torch.stack(found).double()
    with torch.no_grad():
        empty, full = opened.scores(torch.stack([start, opened.point])).double().cpu()
    gap = relevance.flatten(1).sum(1).cpu() - (full - empty)
    return relevance_array(
        opened,
        utterance,
        relevance,
        "deeplift",
        {"value_full": full, "value_baseline": empty, "completeness_gap": gap},
        baseline=name,
        completeness_gap_relative=float((gap.abs() / (full - empty).abs().clamp_min(1e-12)).max()),
        seed=seed,
    )


class _Scorer(nn.Module):
    """The scores of a space as a module, which Captum wants."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space
        self.module = space.model.module

    def forward(self, points: Tensor) -> Tensor:
        """Score points."""
        return self.space.scores(points)
