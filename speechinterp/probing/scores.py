"""Accuracies from counts, with intervals over speakers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.probing.folds import Integers

__all__ = ["METRICS", "Counts", "intervals", "metrics", "resamples"]

METRICS = ("accuracy", "balanced_accuracy")
N_RESAMPLES = 1000

Doubles: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Counts:
    """How many units there are, and how many were classified rightly [shape=(clusters, classes)] each."""

    right: Doubles
    every: Doubles

    @classmethod
    def of(cls, right: npt.NDArray[np.bool_], labels: Integers, clusters: Integers) -> Counts:
        """Count by cluster (speaker) and class; the arguments are one value a unit [shape=(units,)]."""
        n_clusters, n_classes = int(clusters.max()) + 1, int(labels.max()) + 1
        cell, size = clusters * n_classes + labels, n_clusters * n_classes
        return cls(
            np.bincount(cell[right], minlength=size).reshape(n_clusters, n_classes).astype(np.float64),
            np.bincount(cell, minlength=size).reshape(n_clusters, n_classes).astype(np.float64),
        )


def metrics(right: Doubles, every: Doubles, absent: Doubles | float = 0.0) -> Doubles:
    """Compute accuracy and balanced accuracy (mean recall) from counts by class [shape=(..., classes)].

    Parameters
    ----------
    right
        Units classified rightly.
    every
        Units.
    absent
        The recall to take for a class that has no units.

    Returns
    -------
    numpy.ndarray
        Accuracy and balanced accuracy [shape=(..., 2)].
    """
    recall = np.divide(right, every, out=np.zeros_like(right) + absent, where=every > 0)
    return np.stack([right.sum(-1) / every.sum(-1), recall.mean(-1)], axis=-1)


def resamples(n_clusters: int, seed: int) -> Doubles:
    """Draw clusters with replacement: how often each was drawn [shape=(resamples, clusters)]."""
    draws = np.random.default_rng(seed).integers(n_clusters, size=(N_RESAMPLES, n_clusters))
    cell = draws + n_clusters * np.arange(N_RESAMPLES)[:, None]
    return (
        np.bincount(cell.ravel(), minlength=N_RESAMPLES * n_clusters).reshape(draws.shape).astype(np.float64)
    )


def intervals(counts: Counts, drawn: Doubles, confidence: float) -> Doubles:
    r"""Give percentile bootstrap intervals of both metrics, by resampling clusters without refitting.

    Parameters
    ----------
    counts
        Counts by cluster and class.
    drawn
        How often each cluster was drawn, from `resamples` [shape=(resamples, clusters)].
    confidence
        The share of resamples inside the interval.

    Returns
    -------
    numpy.ndarray
        Lower and upper ends [shape=(2, metrics)]; NaN with fewer than two clusters.

    Notes
    -----
    The interval covers the choice of test speakers, not that of training speakers. A class that a resample
    lacks keeps its recall: rare classes have low recall, and leaving them out would raise the balanced accuracy
    of resamples above that of the data.

    References
    ----------
    Bisani, M., & Ney, H. (2004). Bootstrap estimates for confidence intervals in ASR performance evaluation.
    ICASSP.
    """
    if drawn.shape[1] < 2:
        return np.full((2, len(METRICS)), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    recall = counts.right.sum(axis=0) / counts.every.sum(axis=0)
    scores = metrics(drawn @ counts.right, drawn @ counts.every, absent=recall)
    spread: Doubles = np.quantile(scores, tails, axis=0)
    return spread
