r"""Multinomial logistic regression, solved by preconditioned L-BFGS.

Notes
-----
The probe minimises scikit-learn's objective, with intercepts :math:`b` left out of the penalty:

.. math:: C \sum_i -\log p(y_i \mid x_i) + \tfrac12 \lVert W \rVert^2,
          \quad p(k \mid x) \propto \exp(w_k \cdot x + b_k)

Speech features are strongly correlated, which makes this problem badly conditioned. Two exact changes of
variables remove most of that: the features are rotated to their principal axes (the penalty does not notice a
rotation), and the weight of class :math:`k` on axis :math:`j` is scaled by the curvature,
:math:`C \lambda_j \overline{p_k (1 - p_k)} + 1`, with :math:`\lambda_j` the eigenvalue of the axis and the bar a
mean over units. The curvature is taken where a round of steps starts; the last round finds nothing to do.

References
----------
Nocedal, J., & Wright, S. J. (2006). Numerical Optimization, chapter 7. Springer.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from speechinterp.probing.folds import Integers
from speechinterp.probing.linear import Linear

__all__ = ["Logistic"]

MEMORY = 10
MAX_ROUNDS = 10
MAX_STEPS = 100
"""Steps before the scaling is renewed."""
MAX_TRIALS = 12
SMALL = 2e9
"""Multiplications a step below which threads would wait for each other longer than they work."""


class Logistic:
    """Logistic regressions on one training set, for any labels and any strengths.

    Parameters
    ----------
    features
        Standardised training features [shape=(units, dimensions)].
    device
        Where the matrix products run.
    """

    strengths: ClassVar[tuple[float, ...]] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    """Values of C tried, from the strongest regularisation to the weakest."""

    def __init__(self, features: npt.NDArray[np.float32], device: str = "cpu") -> None:
        plain = torch.as_tensor(features, dtype=torch.float32, device=device)
        with _threads(plain.numel()):
            spectrum, axes = torch.linalg.eigh((plain.T @ plain).double().cpu())
        self._spectrum = spectrum.clamp(min=0).to(device)
        self._axes = axes.to(device)
        self._rotated = torch.cat([plain @ self._axes.float(), plain.new_ones(len(plain), 1)], dim=1)

    def fit(
        self, labels: Integers, n_classes: int, strengths: Sequence[float], tolerance: float = 1e-5
    ) -> list[Linear]:
        """Fit one classifier a strength, each starting from the solution before it.

        Parameters
        ----------
        labels
            Class numbers from 0 to `n_classes` - 1, each present [shape=(units,)].
        n_classes
            The number of classes.
        strengths
            Values of C; in rising order the warm starts save most.
        tolerance
            Stop when half the squared norm of the gradient, in the scaled variables, is below this share of
            the objective: an estimate of how far the objective is from its minimum.

        Returns
        -------
        list of Linear
            One classifier for each strength.
        """
        target = torch.as_tensor(labels, device=self._rotated.device)
        frequency = torch.bincount(target, minlength=n_classes).double() / len(target)
        solution = torch.zeros(n_classes, self._rotated.shape[1], dtype=torch.float64, device=target.device)
        solution[:, -1] = frequency.log()
        fitted = []
        for strength in strengths:
            with _threads(self._rotated.numel() * n_classes):
                for _ in range(MAX_ROUNDS):
                    before, solution = solution, self._round(target, strength, solution, tolerance)
                    if solution is before:
                        break
                else:
                    warnings.warn(
                        f"Logistic regression with C={strength:g} did not reach its tolerance"
                        f" in {MAX_ROUNDS * MAX_STEPS} steps",
                        RuntimeWarning,
                        stacklevel=2,
                    )
            weights = self._axes @ solution[:, :-1].T
            fitted.append(Linear(weights.cpu().numpy(), solution[:, -1].cpu().numpy()))
        return fitted

    def _round(
        self, target: torch.Tensor, strength: float, start: torch.Tensor, tolerance: float
    ) -> torch.Tensor:
        """Improve on `start`, scaled by the curvature there; return `start` itself if it is good enough.

        A row holds the weights and the intercept of a class [shape=(classes, axes + 1)].
        """
        features, every = self._rotated, torch.arange(len(target), device=target.device)
        point = start
        logits = features @ point.float().T
        loss, residual = _loss(logits, target, every)
        chance = residual.clone()
        chance[every, target] += 1
        spread = (chance * (1 - chance)).mean(dim=0, dtype=torch.float64)

        curvature = strength * spread[:, None] * self._spectrum + 1
        level = strength * (len(target) * spread).clamp(min=1e-2)[:, None]
        scale = torch.cat([curvature, level], dim=1).rsqrt()
        penalised = torch.ones_like(scale[0])
        penalised[-1] = 0

        value = strength * loss + 0.5 * _dot(point * penalised, point)
        gradient = scale * (strength * (residual.T @ features).double() + point * penalised)
        history: deque[tuple[torch.Tensor, torch.Tensor, float]] = deque(maxlen=MEMORY)
        for _ in range(MAX_STEPS):
            if 0.5 * _dot(gradient, gradient) <= tolerance * value:
                return point
            step = _direction(gradient, history)
            move = scale * step
            ahead = features @ move.float().T
            linear, square = _dot(point * penalised, move), _dot(move * penalised, move)
            slope = _dot(gradient, step)

            # The logits move along a line, so that trying a step length costs no matrix product.
            length, low, high = 1.0, 0.0, np.inf
            low_slope, high_slope = slope, np.nan
            for _ in range(MAX_TRIALS):
                moved = torch.add(logits, ahead, alpha=length)
                loss, residual = _loss(moved, target, every)
                penalty = 0.5 * _dot(point * penalised, point) + length * linear + 0.5 * length**2 * square
                new_value = strength * loss + penalty
                new_slope = strength * _dot(residual, ahead) + linear + length * square
                if abs(new_slope) <= 0.5 * abs(slope) and new_value <= value + 1e-4 * length * slope:
                    break
                if new_slope < 0:
                    low, low_slope = length, new_slope
                else:
                    high, high_slope = length, new_slope
                if np.isinf(high):
                    length *= 3
                else:
                    share = low_slope / (low_slope - high_slope)
                    length = low + (high - low) * min(max(share, 0.05), 0.95)
            else:
                if new_value >= value:
                    return point  # single precision resolves no further descent

            new_point = point + length * move
            new_gradient = scale * (strength * (residual.T @ features).double() + new_point * penalised)
            change, turn = length * step, new_gradient - gradient
            if (bend := _dot(change, turn)) > 0:
                history.append((change, turn, bend))
            point, logits, value, gradient = new_point, moved, new_value, new_gradient
        return point


def _loss(logits: torch.Tensor, target: torch.Tensor, every: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Sum the negative log-probabilities, and give their gradient by the logits [shape=(units, classes)]."""
    log_normaliser = torch.logsumexp(logits, dim=1)
    residual = (logits - log_normaliser[:, None]).clamp_(min=-60).exp_()  # no denormals: they are slow
    loss = (log_normaliser - logits[every, target]).sum(dtype=torch.float64)
    residual[every, target] -= 1
    return float(loss), residual


def _direction(
    gradient: torch.Tensor, history: deque[tuple[torch.Tensor, torch.Tensor, float]]
) -> torch.Tensor:
    """Multiply the gradient by minus the inverse curvature seen in past steps (two-loop recursion)."""
    step = -gradient
    shares = []
    for change, turn, bend in reversed(history):
        shares.append(_dot(change, step) / bend)
        step = step - shares[-1] * turn
    if history:
        _, turn, bend = history[-1]
        step = step * (bend / _dot(turn, turn))
    for change, turn, bend in history:
        step = step + (shares.pop() - _dot(turn, step) / bend) * change
    return step


def _dot(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left * right).sum(dtype=torch.float64))


@contextmanager
def _threads(work: float) -> Iterator[None]:
    """Use one thread for small problems, and leave the number of threads as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
