"""The table of scores that every probe gives, and its rows with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.probing.folds import Integers
from speechinterp.probing.plan import Plan
from speechinterp.probing.scores import METRICS, Counts, intervals, metrics, resamples

__all__ = ["COLUMNS", "Row", "accuracies", "check_confidence", "table"]

COLUMNS = (
    *("model", "layer", "target", "probe", "metric", "score", "ci_low", "ci_high"),
    *("n_train", "n_test", "baseline"),
)
Row: TypeAlias = "tuple[int | None, str, float, float, float, int, int, str]"
"""Layer, metric, score, ci_low, ci_high, n_train, n_test, baseline."""


def check_confidence(confidence: float) -> None:
    """Raise ProbeError unless it is a share."""
    if not 0 < confidence < 1:
        raise ProbeError(
            f"confidence is {confidence}", expected="a share between 0 and 1", fix="confidence=0.95"
        )


def accuracies(
    guesses: Sequence[tuple[str, int | None, Integers]], plan: Plan, confidence: float
) -> list[Row]:
    """Score guesses (baseline, layer, guesses [shape=(..., units)]), with intervals over the same resamples.

    Guesses of several shuffles are scored together.
    """
    study, clusters = plan.study, plan.clusters
    drawn = resamples(int(clusters.max()) + 1, study.seed)
    n_train = round(float(np.mean([len(train) for train, _ in study.splits()])))
    rows = []
    for baseline, layer, guess in guesses:
        every = np.atleast_2d(guess)
        parts = [Counts.of(one == study.labels, study.labels, clusters) for one in every]
        counts = Counts(
            np.mean([part.right for part in parts], axis=0), np.mean([part.every for part in parts], axis=0)
        )
        points = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
        low, high = intervals(counts, drawn, confidence)
        for metric, point, bottom, top in zip(METRICS, points, low, high, strict=True):
            rows.append(
                (layer, metric, float(point), float(bottom), float(top), n_train, every.shape[1], baseline)
            )
    return rows


def table(rows: Sequence[Row], plan: Plan, *, target: str, probe: str, confidence: float) -> pd.DataFrame:
    """Make the table of scores of one probe; ``attrs`` records how it was made."""
    scores = pd.DataFrame(rows, columns=list(COLUMNS[1:2] + COLUMNS[4:])).astype({"layer": "Int64"})
    scores.insert(0, "model", str(plan.record["representations"].get("model", "unknown")))
    scores.insert(2, "target", target)
    scores.insert(3, "probe", probe)
    scores.attrs = plan.record | {"confidence": confidence}
    return scores
