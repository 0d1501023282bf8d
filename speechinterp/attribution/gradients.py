"""Saliency, input times gradient and SmoothGrad: what the slope at a sound tells."""

from __future__ import annotations

import warnings

import torch
import xarray as xr

from speechinterp.attribution.slopes import Targets, opened_space, relevance_array, slopes
from speechinterp.attribution.spaces import SpaceName
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["InvarianceWarning", "input_x_gradient", "saliency", "smoothgrad"]

CANCELLED = 0.01
"""Share of the relevance of frames that is left in their sums below which these say nothing."""


class InvarianceWarning(UserWarning):
    """The score hears no scale, so input times gradient sums to nothing whatever the frame holds."""


def saliency(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName = "waveform",
    *,
    signed: bool = False,
) -> xr.DataArray:
    r"""Return how steeply scores change with every input: :math:`|\partial s / \partial x_i|`.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    target
        What is explained (:mod:`speechinterp.models.targets`), or several that share their passes.
    space
        ``waveform``, ``spectrogram`` (magnitudes; the phase is kept), ``log-mel`` (Whisper's input) or ``features``
        (of the convolutional front end).
    signed
        Give the gradient itself.

    Returns
    -------
    xarray.DataArray
        [dims=(target, time)], (target, frequency, time) or (target, time, channel), with times in seconds,
        frequencies in Hz, and the scores as the coordinate ``value_full``.

    Raises
    ------
    TargetError
        If the target is not there, or the model has no head for it.
    AttributionError
        If the space is not one of this model, the sound is silent, or a gradient is not finite.

    References
    ----------
    Simonyan, K., Vedaldi, A., & Zisserman, A. (2014). Deep inside convolutional networks: Visualising image
    classification models and saliency maps. ICLR workshop.
    """
    opened = opened_space(model, utterance, target, space)
    found = slopes(opened, opened.point[None])
    relevance = found.gradients[:, 0] if signed else found.gradients[:, 0].abs()
    return relevance_array(
        opened, utterance, relevance, "saliency", {"value_full": found.scores[0]}, signed=int(signed)
    )


def input_x_gradient(
    model: SpeechModel, utterance: Heard, target: Targets, space: SpaceName = "waveform"
) -> xr.DataArray:
    r"""Return every input times the slope: :math:`x_i \, \partial s / \partial x_i`.

    Parameters
    ----------
    model, utterance, target, space
        As in :func:`saliency`.

    Returns
    -------
    xarray.DataArray
        As :func:`saliency` gives it.

    Raises
    ------
    TargetError, AttributionError
        As for :func:`saliency`.

    Warns
    -----
    InvarianceWarning
        If less than 1 % of the relevance is left when it is summed within frames.

    Notes
    -----
    A score that does not change with the scale of some inputs, :math:`s(c\,x) = s(x)`, has
    :math:`\sum_i x_i \, \partial s / \partial x_i = 0` over them (Euler). The layer norm after the convolutions of
    wav2vec 2.0's family makes that so within every frame of ``features``: what is left of a frame's sum is the norm's
    epsilon, not evidence. The normalisation of whole utterances makes it so over a whole waveform.

    References
    ----------
    Shrikumar, A., Greenside, P., & Kundaje, A. (2017). Learning important features through propagating activation
    differences. ICML, 3145-3153.
    """
    opened = opened_space(model, utterance, target, space)
    found = slopes(opened, opened.point[None])
    relevance = found.gradients[:, 0] * opened.point
    if relevance.ndim == 3:
        frames = relevance.sum(2 - opened.dims.index("time")).abs().sum()
        if float(frames) < CANCELLED * float(relevance.abs().sum()):
            warnings.warn(
                f"input times gradient sums to nothing in every frame of {opened.name!r}: the model normalises each "
                "frame, so the score does not change with its scale. Take integrated_gradients or attn_lrp here, or "
                "another space",
                InvarianceWarning,
                stacklevel=2,
            )
    return relevance_array(opened, utterance, relevance, "input_x_gradient", {"value_full": found.scores[0]})


def smoothgrad(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName = "waveform",
    *,
    samples: int = 25,
    noise: float = 0.1,
    signed: bool = False,
    seed: int = 0,
) -> xr.DataArray:
    r"""Return the mean slope around a sound: :math:`|\frac1n \sum_k \nabla s(x + \epsilon_k)|`.

    Parameters
    ----------
    model, utterance, target, space
        As in :func:`saliency`.
    samples
        How many noisy copies.
    noise
        Standard deviation of the noise, in standard deviations of the input over the utterance.
    signed
        Give the mean gradient itself.
    seed
        Of the noise.

    Returns
    -------
    xarray.DataArray
        As :func:`saliency` gives it, with the standard error of the mean, averaged over inputs and relative to the
        mean magnitude, as the coordinate ``standard_error``.

    Raises
    ------
    TargetError, AttributionError
        As for :func:`saliency`.

    References
    ----------
    Smilkov, D., Thorat, N., Kim, B., Viégas, F., & Wattenberg, M. (2017). SmoothGrad: removing noise by adding
    noise. arXiv:1706.03825.
    """
    if samples < 2 or not noise > 0:
        raise AttributionError(
            f"samples={samples}, noise={noise}",
            expected="at least 2 samples and noise above 0",
            fix="samples=25",
        )
    opened = opened_space(model, utterance, target, space)
    point = opened.point
    axis = opened.dims.index("time")
    width = noise * float(point.narrow(axis, 0, opened.inside).std())
    random = torch.Generator().manual_seed(seed)
    total = torch.zeros((len(opened.bound.names), *point.shape), dtype=torch.float64)
    squares = torch.zeros_like(total)
    batch = model.batch_limit(len(opened.sound) / opened.rate)
    for first in range(0, samples, batch):
        n = min(batch, samples - first)
        shifts = width * torch.randn((n, *point.shape), generator=random)
        found = slopes(opened, point + shifts.to(point)).gradients.double().cpu()
        total += found.sum(1)
        squares += found.square().sum(1)
    mean = total / samples
    error = ((squares / samples - mean.square()).clamp_min(0) / (samples - 1)).sqrt()
    relative = error.flatten(1).mean(1) / mean.abs().flatten(1).mean(1).clamp_min(1e-30)
    full = slopes(opened, point[None]).scores[0]
    return relevance_array(
        opened,
        utterance,
        mean if signed else mean.abs(),
        "smoothgrad",
        {"value_full": full, "standard_error": relative},
        samples=samples,
        noise=noise,
        signed=int(signed),
        seed=seed,
    )
