"""Ridge and linear discriminant probes, solved in closed form in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.errors import ProbeError
from speechinterp.probing.folds import Integers

__all__ = ["LinearDiscriminant", "Ridge"]

Doubles: TypeAlias = npt.NDArray[np.float64]


class Ridge:
    r"""Ridge classifiers on one training set: one factorisation for every strength and every labelling.

    Parameters
    ----------
    features
        Standardised training features [shape=(units, dimensions)].

    Notes
    -----
    Each class is regressed on +1 (its units) and -1 (all others); the largest prediction wins. With the
    eigenvectors :math:`Q` and eigenvalues :math:`\lambda` of the centred :math:`X^\top X`,

    .. math:: W_\alpha = Q \, \mathrm{diag}(\lambda + \alpha)^{-1} \, Q^\top X^\top Y

    for every :math:`\alpha`, where only :math:`Y` depends on the labels.
    """

    strengths: ClassVar[tuple[float, ...]] = (1e5, 1e4, 1e3, 1e2, 1e1, 1e0)
    """Values of alpha tried, from the strongest regularisation to the weakest."""

    def __init__(self, features: npt.NDArray[np.float32]) -> None:
        doubles = np.asarray(features, dtype=np.float64)
        self._mean = doubles.mean(axis=0)
        self._centred = doubles - self._mean
        spectrum, self._axes = np.linalg.eigh(self._centred.T @ self._centred)
        self._spectrum = np.maximum(spectrum, 0)

    def fit(
        self, labels: Integers, n_classes: int, strengths: Sequence[float]
    ) -> list[tuple[Doubles, Doubles]]:
        """Give weights [shape=(dimensions, classes)] and intercepts [shape=(classes,)] for each alpha.

        Parameters
        ----------
        labels
            Class numbers from 0 to `n_classes` - 1 [shape=(units,)].
        n_classes
            The number of classes.
        strengths
            Values of alpha, above 0.
        """
        goal = 2 * np.eye(n_classes)[labels] - 1
        level = goal.mean(axis=0)
        on_axes = self._axes.T @ (self._centred.T @ goal)
        fitted = []
        for alpha in strengths:
            weights = self._axes @ (on_axes / (self._spectrum + alpha)[:, None])
            fitted.append((weights, level - self._mean @ weights))
        return fitted


class LinearDiscriminant:
    r"""Linear discriminant classifiers on one training set, with a shrunk pooled covariance.

    Parameters
    ----------
    features
        Standardised training features [shape=(units, dimensions)].

    Notes
    -----
    With class means :math:`m_k`, class frequencies :math:`\pi_k` and the covariance :math:`S` pooled within
    classes,

    .. math:: S_s = (1 - s) S + s \tfrac{\mathrm{tr} S}{d} I, \quad
              w_k = S_s^{-1} m_k, \quad b_k = \log \pi_k - \tfrac12 m_k^\top S_s^{-1} m_k.

    One factorisation of :math:`S` serves every :math:`s`; other labels have another :math:`S`.

    References
    ----------
    Friedman, J. H. (1989). Regularized discriminant analysis. JASA 84(405).
    """

    strengths: ClassVar[tuple[float, ...]] = (1.0, 0.5, 0.1, 1e-2, 1e-3, 1e-4)
    """Values of the shrinkage tried, from the strongest regularisation to the weakest."""

    def __init__(self, features: npt.NDArray[np.float32]) -> None:
        self._features = np.asarray(features, dtype=np.float64)

    def fit(
        self, labels: Integers, n_classes: int, strengths: Sequence[float]
    ) -> list[tuple[Doubles, Doubles]]:
        """Give weights [shape=(dimensions, classes)] and intercepts [shape=(classes,)] for each shrinkage.

        Parameters
        ----------
        labels
            Class numbers from 0 to `n_classes` - 1, each present [shape=(units,)].
        n_classes
            The number of classes.
        strengths
            Values of the shrinkage, above 0 and at most 1.

        Raises
        ------
        ProbeError
            If units do not differ at all within their classes.
        """
        sizes = np.bincount(labels, minlength=n_classes)
        means = (np.eye(n_classes)[labels].T @ self._features) / sizes[:, None]
        within = self._features - means[labels]
        spectrum, axes = np.linalg.eigh(within.T @ within / len(labels))
        spectrum = np.maximum(spectrum, 0)
        if not spectrum.sum() > 0:
            raise ProbeError(
                "No unit differs from the others of its class",
                expected="some variation within classes, which linear discriminants divide by",
                cause="one unit a class in the training folds, or features that are constant",
                fix="probe='logistic' or probe='ridge'",
            )
        on_axes = axes.T @ means.T
        fitted = []
        for shrinkage in strengths:
            shrunk = (1 - shrinkage) * spectrum + shrinkage * spectrum.mean()
            weights = axes @ (on_axes / shrunk[:, None])
            fitted.append((weights, np.log(sizes / len(labels)) - 0.5 * np.sum(means.T * weights, axis=0)))
        return fitted
