"""Attribution by name: one function for all methods, as the command line and studies of a corpus call them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.coalitions import banzhaf, leave_one_out, owen, shapley
from speechinterp.attribution.deeplift import deeplift
from speechinterp.attribution.expected import expected_gradients
from speechinterp.attribution.gradients import input_x_gradient, saliency, smoothgrad
from speechinterp.attribution.integrated import integrated_gradients
from speechinterp.attribution.lrp import attn_lrp
from speechinterp.attribution.masks import rise
from speechinterp.attribution.surrogates import kernel_shap, lime
from speechinterp.attribution.units import Windows, segments_of
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.targets import Target, usual

__all__ = ["METHODS", "attribute", "over_units"]

METHODS: dict[str, Callable[..., xr.DataArray]] = {
    "shapley": shapley,
    "banzhaf": banzhaf,
    "owen": owen,
    "leave-one-out": leave_one_out,
    "lime": lime,
    "kernel-shap": kernel_shap,
    "saliency": saliency,
    "input-x-gradient": input_x_gradient,
    "smoothgrad": smoothgrad,
    "integrated-gradients": integrated_gradients,
    "expected-gradients": expected_gradients,
    "deeplift": deeplift,
    "attn-lrp": attn_lrp,
    "rise": rise,
}


def attribute(
    model: SpeechModel,
    utterance: Utterance,
    method: str = "shapley",
    *,
    target: Target | Sequence[Target] | None = None,
    space: str | None = None,
    baseline: Baseline | None = None,
    unit: str | Windows = "words",
    samples: int | None = None,
    seed: int = 0,
) -> xr.DataArray:
    """Explain an output by the method of a name.

    Parameters
    ----------
    model, utterance
        The model, and what it hears.
    method
        A key of `METHODS`.
    target
        What is explained; None for what is usual: the classes that are chosen, or the words that are said.
    space
        ``units``, or a space of gradients; None for what the method is made for. Gradients with ``units`` are taken
        on the waveform and summed over units.
    baseline, samples
        Of the method; None for its own choice.
    unit
        A tier, or windows.
    seed
        Of what is drawn.

    Returns
    -------
    xarray.DataArray
        As the method gives it.

    Raises
    ------
    AttributionError
        If there is no such method, or it takes no such space, baseline or number of samples.
    """
    if method not in METHODS:
        raise AttributionError(f"method {method!r}", expected=f"one of {', '.join(METHODS)}", fix="shapley")
    takes = inspect.signature(METHODS[method]).parameters
    pooled = space == "units" and "space" in takes
    own = {"units": "unit" in takes, "spectrogram": method == "rise"}
    asked = {
        "space": None if pooled or own.get(space or "") else space,
        "baseline": baseline,
        "samples": samples,
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    foreign = [name for name in given if name not in takes]
    if foreign:
        by = "by units" if "unit" in takes else "in its own way"
        raise AttributionError(
            f"{', '.join(f'{name}={given[name]!r}' for name in foreign)} for {method}, which explains {by}",
            expected=f"of space, baseline and samples only {', '.join(n for n in asked if n in takes) or 'none'}",
            cause="an option of another method",
            fix="leave it out, or take integrated-gradients for a space and shapley for units",
        )
    given |= {name: value for name, value in (("unit", unit), ("seed", seed)) if name in takes}
    relevance = METHODS[method](model, utterance, target=target or usual(model), **given)
    return over_units(model, utterance, relevance, unit) if pooled else relevance


def over_units(
    model: SpeechModel, utterance: Utterance, relevance: xr.DataArray, unit: str | Windows
) -> xr.DataArray:
    """Return relevance summed over units, if it is not over units already [dims=(target, unit)]."""
    if "unit" in relevance.dims:
        return relevance
    n = len(utterance.waveform(model.sample_rate))
    pooled: xr.DataArray = relevance.si.to_units(segments_of(utterance, n, model.sample_rate, unit))
    return pooled
