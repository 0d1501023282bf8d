"""Integrated gradients: the change of a score along the way from a baseline, shared out exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.slopes import Targets, baseline_point, opened_space, relevance_array, slopes
from speechinterp.attribution.spaces import Space, SpaceName
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["integrated_gradients"]

PANEL = 4
"""Gradients on each stretch of the way."""
SPLIT = 0.5
"""Share of the largest gap above which other stretches are halved along with it."""


def integrated_gradients(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName = "waveform",
    *,
    baseline: Baseline = "silence",
    steps: int = 32,
    tolerance: float | None = 0.01,
    max_steps: int = 512,
    batch: int | None = None,
    seed: int = 0,
) -> xr.DataArray:
    r"""Return integrated gradients: :math:`(x_i - x'_i) \int_0^1 \partial_i s(x' + \alpha (x - x'))\, d\alpha`.

    Parameters
    ----------
    model, utterance, target, space
        As in :func:`saliency`.
    baseline
        x', what there is where nothing is: ``silence``, ``noise`` (of the sound's own spectrum and level),
        ``reversed``, ``mean`` (the utterance's own mean over time), ``corpus_mean(corpus)``, a waveform, or a point
        of the space.
    steps
        Gradients at first, a multiple of 4.
    tolerance
        The way is refined until the completeness gap is at most this share of s(x) - s(x'), for all targets.
        None takes `steps` Gauss-Legendre points over the whole way and refines nothing.
    max_steps
        When to stop refining. The gap is in the result either way.
    batch
        Points to run at once; None chooses by their length.
    seed
        Of a baseline of noise.

    Returns
    -------
    xarray.DataArray
        As :func:`saliency` gives it. Coordinates of every target: ``value_full`` = s(x), ``value_baseline`` = s(x'),
        ``completeness_gap``, the sum of all relevance less s(x) - s(x'), and ``way_gap``, the sum of the absolute gaps
        of all stretches, which do not cancel. Attributes: ``completeness_gap_relative``, the largest, and ``steps``.

    Raises
    ------
    TargetError, AttributionError
        As for :func:`saliency`; also for a baseline that does not fit.

    Notes
    -----
    The way is cut into stretches with 4 Gauss-Legendre points each. The score at both ends of a stretch tells what
    its gradients must add up to, so the stretches that miss most are halved until the sum of what all miss is small.
    This is needed: a model that normalises its input (most of wav2vec 2.0's family) hears a soft sound as it hears a
    loud one, so the score changes within the first thousandths of the way from silence, where equal steps have no
    point.

    Several targets share every forward pass; each has a backward pass of its own.

    References
    ----------
    Sundararajan, M., Taly, A., & Yan, Q. (2017). Axiomatic attribution for deep networks. ICML, 3319-3328.
    """
    if steps < PANEL or (tolerance is not None and (steps % PANEL or not tolerance > 0)):
        raise AttributionError(
            f"steps={steps}, tolerance={tolerance}",
            expected=f"a multiple of {PANEL} steps and a tolerance above 0, or None",
            fix="steps=32, tolerance=0.01",
        )
    opened = opened_space(model, utterance, target, space)
    start, name = baseline_point(opened, baseline, np.random.default_rng(seed))
    walk = Walk(opened, start, batch or model.batch_limit(len(opened.sound) / opened.rate))
    if tolerance is None:
        panels = [walk.panel(0.0, 1.0, walk.ends([0.0, 1.0]), steps)]
    else:
        panels = walk.refined(steps, tolerance, max_steps)
    relevance = sum((panel.integral for panel in panels[1:]), start=panels[0].integral)
    full, empty = panels[-1].high, panels[0].low
    gap = relevance.flatten(1).sum(1) - (full - empty)
    way = torch.stack([panel.gap.abs() for panel in panels]).sum(0)
    values = {"value_full": full, "value_baseline": empty, "completeness_gap": gap, "way_gap": way}
    change = (full - empty).abs().clamp_min(1e-12)
    return relevance_array(
        opened,
        utterance,
        relevance,
        "integrated_gradients",
        values,
        baseline=name,
        steps=sum(panel.steps for panel in panels),
        panels=len(panels),
        tolerance=-1.0 if tolerance is None else tolerance,
        completeness_gap_relative=float((gap.abs() / change).max()),
        way_gap_relative=float((way / change).max()),
        seed=seed,
    )


@dataclass(frozen=True)
class Panel:
    """A stretch of the way.

    Parameters
    ----------
    start, end
        From 0 to 1.
    low, high
        The scores there [shape=(targets,)].
    integral
        (x - x') times the integral of the gradient [shape=(targets, *dims)].
    steps
        Gradients that were computed.
    """

    start: float
    end: float
    low: Tensor
    high: Tensor
    integral: Tensor
    steps: int

    @property
    def gap(self) -> Tensor:
        """By how much the gradients miss the change of the score [shape=(targets,)]."""
        return self.integral.flatten(1).sum(1) - (self.high - self.low)


@dataclass(frozen=True)
class Walk:
    """The straight way from a baseline to a point.

    Parameters
    ----------
    space
        Where it is.
    start
        The baseline.
    batch
        Points to run at once.
    """

    space: Space
    start: Tensor
    batch: int

    def at(self, alphas: list[float]) -> Tensor:
        """Return points on the way."""
        weights = torch.tensor(alphas, dtype=torch.float64).to(self.start).reshape(-1, *[1] * self.start.ndim)
        return self.start + weights * (self.space.point - self.start)

    @torch.no_grad()
    def ends(self, alphas: list[float]) -> dict[float, Tensor]:
        """Return the scores at points on the way."""
        found: dict[float, Tensor] = {}
        for first in range(0, len(alphas), self.batch):
            some = alphas[first : first + self.batch]
            scores = self.space.scores(self.at(some)).double().cpu()
            if not bool(scores.isfinite().all()):
                raise AttributionError(
                    "a score on the way from the baseline that is not finite",
                    expected="finite scores",
                    cause="a baseline for which the target cannot be, or weights that are NaN",
                    fix="another baseline, or another target",
                )
            found |= dict(zip(some, scores, strict=True))
        return found

    def panel(self, start: float, end: float, known: dict[float, Tensor], steps: int = PANEL) -> Panel:
        """Integrate over a stretch."""
        return self.panels([(start, end)], known, steps)[0]

    def panels(
        self, stretches: list[tuple[float, float]], known: dict[float, Tensor], steps: int = PANEL
    ) -> list[Panel]:
        """Integrate over stretches, their points in common batches."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        points = [
            (i, start + (end - start) * (node + 1) / 2, (end - start) * weight / 2)
            for i, (start, end) in enumerate(stretches)
            for node, weight in zip(nodes, weights, strict=True)
        ]
        n_targets = len(self.space.bound.names)
        zeros = partial(torch.zeros, (n_targets, *self.start.shape), dtype=torch.float64)
        sums = [zeros() for _ in stretches]
        for first in range(0, len(points), self.batch):
            some = points[first : first + self.batch]
            gradients = slopes(self.space, self.at([alpha for _, alpha, _ in some])).gradients
            for (i, _, weight), gradient in zip(some, gradients.unbind(1), strict=True):
                sums[i] += weight * gradient.double().cpu()
        way = (self.space.point - self.start).double().cpu()
        return [
            Panel(start, end, known[start], known[end], total * way, steps)
            for (start, end), total in zip(stretches, sums, strict=True)
        ]

    def refined(self, steps: int, tolerance: float, max_steps: int) -> list[Panel]:
        """Integrate over the way, halving the stretches that miss most until all together miss little."""
        n = steps // PANEL
        edges = [i / n for i in range(n + 1)]
        known = self.ends(edges)
        panels = self.panels(list(pairwise(edges)), known)
        used = steps
        while True:
            change = (panels[-1].high - panels[0].low).abs().clamp_min(1e-12)
            missed = torch.stack([panel.gap.abs() for panel in panels]) / change
            if float(missed.sum(0).max()) <= tolerance or used + 2 * PANEL > max_steps:
                return panels
            worst = missed.max(1).values
            order = [i for i in worst.argsort(descending=True).tolist() if worst[i] >= SPLIT * worst.max()]
            chosen = set(order[: (max_steps - used) // (2 * PANEL)])
            middles = {i: (panels[i].start + panels[i].end) / 2 for i in chosen}
            known |= self.ends(sorted(middles.values()))
            halves = [
                half
                for i, m in sorted(middles.items())
                for half in ((panels[i].start, m), (m, panels[i].end))
            ]
            new = iter(self.panels(halves, known))
            panels = [
                each
                for i, old in enumerate(panels)
                for each in ([next(new), next(new)] if i in chosen else [old])
            ]
            used += 2 * PANEL * len(chosen)
