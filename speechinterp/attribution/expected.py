"""Expected gradients: integrated gradients averaged over baselines, by random points on the ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.slopes import Targets, baseline_point, opened_space, relevance_array, slopes
from speechinterp.attribution.spaces import SpaceName
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["expected_gradients"]


def expected_gradients(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName = "waveform",
    *,
    baselines: Sequence[Baseline] = ("silence", "noise", "reversed"),
    samples: int = 48,
    noise: float = 0.0,
    seed: int = 0,
) -> xr.DataArray:
    r"""Return expected gradients: :math:`E_{x', \alpha}[(x_i - x'_i)\, \partial_i s(x' + \alpha (x - x'))]`.

    Parameters
    ----------
    model, utterance, target, space
        As in :func:`saliency`.
    baselines
        What x' is drawn from, each as often as any other: as in :func:`integrated_gradients`. Noise is drawn anew
        each time.
    samples
        How many points; at least one a baseline.
    noise
        Standard deviation of noise that is added to x, in standard deviations of the input. With noise, this
        is GradientSHAP.
    seed
        Of what is drawn.

    Returns
    -------
    xarray.DataArray
        As :func:`integrated_gradients` gives it; ``value_baseline`` is the mean over the baselines that were drawn.
        The gap is one of sampling and falls with the number of samples.

    Raises
    ------
    TargetError, AttributionError
        As for :func:`integrated_gradients`.

    Notes
    -----
    The k-th of the n points of a baseline has :math:`\alpha = (k + u_k) / n` with u uniform in [0, 1): stratified,
    which is unbiased as uniform draws are, with less variance.

    References
    ----------
    Erion, G., Janizek, J. D., Sturmfels, P., Lundberg, S. M., & Lee, S.-I. (2021). Improving performance of deep
    learning models with axiomatic attribution priors and expected gradients. Nature Machine Intelligence, 3, 620-631.

    Lundberg, S. M., & Lee, S.-I. (2017). A unified approach to interpreting model predictions. NeurIPS, 4765-4774.
    """
    if not baselines or isinstance(baselines, str) or samples < len(baselines) or noise < 0:
        raise AttributionError(
            f"{samples} samples, baselines={baselines!r}, noise={noise}",
            expected="a list of baselines, at least one sample for each, and noise of at least 0",
            fix="baselines=('silence', 'noise'), samples=48",
        )
    opened = opened_space(model, utterance, target, space)
    point = opened.point
    random = np.random.default_rng(seed)
    draws = torch.Generator().manual_seed(seed)
    width = noise * float(point.narrow(opened.dims.index("time"), 0, opened.inside).std())
    total = torch.zeros((len(opened.bound.names), *point.shape), dtype=torch.float64)
    empty = torch.zeros(len(opened.bound.names), dtype=torch.float64)
    counts = [len(range(i, samples, len(baselines))) for i in range(len(baselines))]
    batch = model.batch_limit(len(opened.sound) / opened.rate)
    names = []
    for baseline, n in zip(baselines, counts, strict=True):
        alphas = (np.arange(n) + random.random(n)) / n
        for first in range(0, n, batch):
            some = torch.tensor(alphas[first : first + batch]).to(point).reshape(-1, *[1] * point.ndim)
            starts, name = zip(*(baseline_point(opened, baseline, random) for _ in some), strict=True)
            start = torch.stack(starts)
            there = point + width * torch.randn(start.shape, generator=draws).to(point)
            gradients = slopes(opened, start + some * (there - start)).gradients
            total += ((there - start) * gradients).double().cpu().sum(1)
            with torch.no_grad():
                empty += opened.scores(start).double().cpu().sum(0)
        names.append(name[0])
    relevance = total / samples
    with torch.no_grad():
        full = opened.scores(point[None])[0].double().cpu()
    empty = empty / samples
    gap = relevance.flatten(1).sum(1) - (full - empty)
    return relevance_array(
        opened,
        utterance,
        relevance,
        "expected_gradients",
        {"value_full": full, "value_baseline": empty, "completeness_gap": gap},
        baseline=", ".join(names),
        samples=samples,
        noise=noise,
        seed=seed,
        completeness_gap_relative=float((gap.abs() / (full - empty).abs().clamp_min(1e-12)).max()),
    )
