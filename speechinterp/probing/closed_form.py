"""Ridge and linear discriminants, solved in closed form in double precision from sums over the training units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from speechinterp.errors import ProbeError
from speechinterp.probing.folds import Integers
from speechinterp.probing.linear import Doubles, Linear, scale_of
from speechinterp.representations import Moments, Statistics, indicator

__all__ = ["InMemory", "LinearDiscriminant", "Ridge", "explained"]


class Ridge:
    r"""Ridge regressions on one training set: one factorisation for every strength and every target.

    Parameters
    ----------
    moments
        Sums over the training units.
    view
        The features among their views; they are standardised by the training units.

    Notes
    -----
    With the eigenvectors :math:`Q` and eigenvalues :math:`\lambda` of the centred :math:`X^\top X`,

    .. math:: W_\alpha = Q \, \mathrm{diag}(\lambda + \alpha)^{-1} \, Q^\top X^\top Y

    for every :math:`\alpha`, where only :math:`X^\top Y` depends on the targets.

    References
    ----------
    Hoerl, A. E., & Kennard, R. W. (1970). Ridge regression: biased estimation for nonorthogonal problems.
    Technometrics 12(1).
    """

    strengths: ClassVar[tuple[float, ...]] = (1e6, 1e5, 1e4, 1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3)
    """Values of alpha tried, from the strongest regularisation to the weakest."""

    def __init__(self, moments: Moments, view: str) -> None:
        self._moments, self._view = moments, view
        self._mean = moments.mean(view)
        self._scale = scale_of(self._mean, moments.deviation(view))
        spectrum, self._axes = np.linalg.eigh(moments.cross(view, view) / np.outer(self._scale, self._scale))
        self._spectrum = np.maximum(spectrum, 0)

    def fit(self, target: str, strengths: Sequence[float]) -> list[Linear]:
        """Give the regression on a view of targets for each alpha, above 0."""
        on_axes = self._axes.T @ (self._moments.cross(self._view, target) / self._scale[:, None])
        level = self._moments.mean(target)
        return [self._solve(on_axes, level, alpha) for alpha in strengths]

    def classify(self, target: str, strengths: Sequence[float]) -> list[Linear]:
        """Give classifiers for each alpha: each class is regressed on +1 (its units) and -1 (all others).

        The target is a view with one column a class; a class without training units is never guessed.
        """
        absent = np.where(self._moments.mean(target) > 0, 0.0, -np.inf)
        return [
            Linear(2 * fitted.weights, 2 * fitted.level - 1 + absent)
            for fitted in self.fit(target, strengths)
        ]

    def _solve(self, on_axes: Doubles, level: Doubles, alpha: float) -> Linear:
        weights = self._axes @ (on_axes / (self._spectrum + alpha)[:, None]) / self._scale[:, None]
        return Linear(weights, level - self._mean @ weights)


class LinearDiscriminant:
    r"""Linear discriminant classifiers on one training set, with a shrunk pooled covariance.

    Parameters
    ----------
    moments
        Sums over the training units.
    view
        The features among their views; they are standardised by the training units.

    Notes
    -----
    With class means :math:`m_k`, class frequencies :math:`\pi_k` and the covariance :math:`S` pooled within
    classes,

    .. math:: S_s = (1 - s) S + s \tfrac{\mathrm{tr} S}{d} I, \quad
              w_k = S_s^{-1} m_k, \quad b_k = \log \pi_k - \tfrac12 m_k^\top S_s^{-1} m_k.

    :math:`n S` is the centred :math:`X^\top X` less :math:`\sum_k n_k (m_k - m)(m_k - m)^\top`. One factorisation
    of it serves every :math:`s`; other labels have another :math:`S`.

    References
    ----------
    Friedman, J. H. (1989). Regularized discriminant analysis. JASA 84(405).
    """

    strengths: ClassVar[tuple[float, ...]] = (1.0, 0.5, 0.1, 1e-2, 1e-3, 1e-4)
    """Values of the shrinkage tried, from the strongest regularisation to the weakest."""

    def __init__(self, moments: Moments, view: str) -> None:
        self._moments, self._view = moments, view
        self._mean = moments.mean(view)
        self._scale = scale_of(self._mean, moments.deviation(view))
        self._scatter = moments.cross(view, view) / np.outer(self._scale, self._scale)

    def classify(self, target: str, strengths: Sequence[float]) -> list[Linear]:
        """Give classifiers for each shrinkage, above 0 and at most 1.

        The target is a view with one column a class; a class without training units is never guessed.

        Raises
        ------
        ProbeError
            If units do not differ at all within their classes.
        """
        count, frequency = self._moments.count, self._moments.mean(target)
        present = frequency > 0
        frequency = frequency[present]
        # Class means, about the mean of all, from the centred cross-products with the indicator.
        means = self._moments.cross(self._view, target)[:, present] / self._scale[:, None]
        means /= count * frequency
        within = self._scatter / count - (means * frequency) @ means.T
        spectrum, axes = np.linalg.eigh(within)
        spectrum = np.maximum(spectrum, 0)
        if not spectrum.sum() > 1e-10 * np.trace(self._scatter) / count:
            raise ProbeError(
                "No unit differs from the others of its class",
                expected="some variation within classes, which linear discriminants divide by",
                cause="one unit a class in the training folds, or features that are constant",
                fix="probe='logistic' or probe='ridge'",
            )
        on_axes = axes.T @ means
        fitted = []
        for shrinkage in strengths:
            shrunk = (1 - shrinkage) * spectrum + shrinkage * spectrum.mean()
            solved = axes @ (on_axes / shrunk[:, None])
            weights = np.zeros((len(self._mean), len(present)))
            weights[:, present] = solved / self._scale[:, None]
            level = np.full(len(present), -np.inf)
            level[present] = np.log(frequency) - 0.5 * np.sum(means * solved, axis=0)
            level[present] -= self._mean @ weights[:, present]
            fitted.append(Linear(weights, level))
        return fitted


class InMemory:
    """Closed-form classifiers on training features at hand.

    Parameters
    ----------
    features
        Standardised training features [shape=(units, dimensions)].
    kind
        Ridge or LinearDiscriminant.
    """

    def __init__(
        self, features: npt.NDArray[np.float32], kind: type[Ridge] | type[LinearDiscriminant]
    ) -> None:
        self._features, self._kind = features, kind

    @property
    def strengths(self) -> tuple[float, ...]:
        """Regularisers to choose from, the strongest first."""
        return self._kind.strengths

    def fit(self, labels: Integers, n_classes: int, strengths: Sequence[float]) -> list[Linear]:
        """Give a classifier of classes 0 to `n_classes` - 1 for each regulariser."""
        statistics = Statistics([("x", "x"), ("x", "labels")])
        views = {"x": self._features, "labels": indicator(labels, n_classes)}
        statistics.add(views, np.zeros(len(labels), dtype=np.int64))
        return self._kind(statistics.total, "x").classify("labels", strengths)


def explained(
    moments: Moments, view: str, target: str, linear: Linear, centre: Doubles
) -> tuple[Doubles, Doubles]:
    r"""Give squared errors of a regression, and of its training mean, from sums over the tested units.

    Parameters
    ----------
    moments
        Sums over the tested units.
    view, target
        Features and targets among their views.
    linear
        The regression.
    centre
        The mean of the targets in training [shape=(q,)].

    Returns
    -------
    error, total
        :math:`\sum_i (y_i - \hat y_i)^2` and :math:`\sum_i (y_i - c)^2` of each column [shape=(q,)] each; R^2 is
        1 - error / total.
    """
    n, W = moments.count, linear.weights
    spread = n * moments.deviation(target) ** 2
    bias = moments.mean(target) - linear(moments.mean(view)[None])[0]
    fit = np.einsum("pq,pq->q", W, moments.cross(view, view) @ W - 2 * moments.cross(view, target))
    return spread + fit + n * bias**2, spread + n * (moments.mean(target) - centre) ** 2
