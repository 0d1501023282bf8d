r"""Encoding models: how much of each layer's variance known features explain, and each group of them alone.

Notes
-----
A probe asks whether a feature can be read from the vectors; an encoding model turns this round and predicts the
vectors :math:`Y` from features :math:`F` (phone, voice, duration) by ridge regression:

.. math:: R^2 = 1 - \frac{\sum_i \lVert y_i - \hat y_i \rVert^2}{\sum_i \lVert y_i - \bar y_{\mathrm{train}} \rVert^2}

over the units of the test folds. A feature can be perfectly readable and yet be next to nothing of what a layer holds.
The unique variance of a group of features is :math:`R^2` of all features less :math:`R^2` of all others: what only this
group explains. What groups share is in neither.

One pass sums :math:`F^\top F`, :math:`F^\top Y` and the squares of :math:`Y`; every fold, regulariser and subset of
features is solved and scored from these sums.

References
----------
de Heer, W. A., Huth, A. G., Griffiths, T. L., Gallant, J. L., & Theunissen, F. E. (2017). The hierarchical cortical
organization of human speech processing. Journal of Neuroscience 37(27). Naselaris, T., Kay, K. N., Nishimoto, S., &
Gallant, J. L. (2011). Encoding and decoding in fMRI. NeuroImage 56(2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.probing.closed_form import Ridge, explained
from speechinterp.probing.confounds import design
from speechinterp.probing.folds import Integers
from speechinterp.probing.linear import Doubles
from speechinterp.probing.plan import Plan, make_plan
from speechinterp.probing.scores import resamples
from speechinterp.probing.streaming import Stream, parts_of
from speechinterp.probing.table import Row, check_confidence, table
from speechinterp.representations import Moments, Representations, Statistics

__all__ = ["encode"]

ALL = "all"


def encode(
    reps: Representations,
    features: Mapping[str, Sequence[str]],
    folds: str | npt.ArrayLike = "speaker",
    *,
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    shared_speakers: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Measure how much of every layer's variance groups of features explain, on other speakers.

    Parameters
    ----------
    reps
        The units and their vectors.
    features
        Groups by name, each a list of columns of ``reps.units``; numbers are taken as they are, of names each is
        a column of its own.
    folds, n_folds, seed, baselines, confidence, shared_speakers, progress
        As in :func:`speechinterp.probe`.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`; ``target`` is the name of a group, or ``all``. Metric ``r2`` is what
        a group explains alone, ``unique_r2`` what the others do not. ``shuffled-labels`` permutes the features of
        the training units. Intervals resample speakers, without refitting.

    Raises
    ------
    ProbeError
        If a column is not there or holds missing numbers, or as for :func:`speechinterp.probe`.
    """
    check_confidence(confidence)
    if not features or ALL in features or any(not columns for columns in features.values()):
        raise ProbeError(
            f"Groups of features: {', '.join(features) or 'none'}",
            expected="at least one group, none of them empty or called 'all'",
            fix="features={'phone': ['label'], 'length': ['duration']}",
        )
    plan = make_plan(
        reps, None, folds, n_folds=n_folds, seed=seed, baselines=baselines, shared_speakers=shared_speakers
    )
    parts = [design(plan.units, [c for c in columns if c != "speaker"]) for columns in features.values()]
    parts = [
        part if "speaker" not in columns else np.concatenate([part, _voices(plan.units)], axis=1)
        for part, columns in zip(parts, features.values(), strict=True)
    ]
    table_of = np.concatenate(parts, axis=1)
    ends = np.cumsum([part.shape[1] for part in parts])
    columns_of = {
        name: np.arange(end - part.shape[1], end)
        for name, part, end in zip(features, parts, ends, strict=True)
    }
    permuted = table_of[np.random.default_rng(seed).permutation(len(table_of))]
    rows: dict[str, list[Row]] = {name: [] for name in (ALL, *features)}
    for done, (layer, stream) in enumerate(plan.streams()):
        runs = [(stream.baseline, table_of)] + (
            [("shuffled-labels", permuted)] if stream.baseline == "none" else []
        )
        for baseline, given in runs:
            for name, scored in _layer(stream, plan, given, columns_of, confidence).items():
                rows[name] += [(layer, *one, baseline) for one in scored]
        if progress is not None:
            progress(done + 1, plan.n_layers)
    tables = [
        table(part, plan, target=name, probe="encoding", confidence=confidence) for name, part in rows.items()
    ]
    scores = pd.concat(tables, ignore_index=True)
    scores.attrs = tables[0].attrs | {"features": {name: list(columns) for name, columns in features.items()}}
    return scores


def _voices(units: pd.DataFrame) -> Doubles:
    return pd.get_dummies(units["speaker"].astype(str)).to_numpy(float)


Scored = tuple[str, float, float, float, int, int]


def _layer(
    stream: Stream, plan: Plan, features: Doubles, columns_of: Mapping[str, Integers], confidence: float
) -> dict[str, list[Scored]]:
    """Score all groups on one layer, from sums by speaker."""
    study, clusters = plan.study, plan.clusters
    kinds = parts_of(study)
    cells, cell_of = np.unique(np.concatenate([kinds, clusters[None]]), axis=1, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    statistics = Statistics([("f", "f"), ("f", "y")])
    for units, vectors in stream:
        statistics.add({"f": features[units], "y": vectors}, cell_of[units])
    total, everything = statistics.total, np.arange(features.shape[1])
    subsets = {ALL: everything, **columns_of}
    subsets |= {f"all but {name}": np.setdiff1d(everything, columns) for name, columns in columns_of.items()}
    n_clusters = int(clusters.max()) + 1
    errors = {name: np.zeros(n_clusters) for name in subsets}
    totals = np.zeros(n_clusters)
    for kind in cells[:-1]:
        train = total - statistics.only(np.flatnonzero(kind == 0).tolist())
        held_out = statistics.only(np.flatnonzero(kind == 2).tolist())
        for name, columns in subsets.items():
            predict = _fitted(train, held_out, columns)
            for cell in np.flatnonzero(kind == 0):
                moments = statistics.groups[int(cell)].select("f", columns)
                error, about_mean = predict(moments)
                errors[name][cells[-1, cell]] += error
                totals[cells[-1, cell]] += about_mean if name == ALL else 0
    drawn = np.concatenate([np.ones((1, n_clusters)), resamples(n_clusters, study.seed)])
    spread = drawn @ totals
    r2 = {name: 1 - drawn @ error / spread for name, error in errors.items()}
    n_train = round(float(np.mean([len(train) for train, _ in study.splits()])))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def scored(metric: str, values: Doubles) -> Scored:
        low, high = np.quantile(values[1:], tails) if n_clusters > 1 else (np.nan, np.nan)
        return metric, float(values[0]), float(low), float(high), n_train, len(clusters)

    found = {ALL: [scored("r2", r2[ALL])]}
    for name in columns_of:
        found[name] = [scored("r2", r2[name]), scored("unique_r2", r2[ALL] - r2[f"all but {name}"])]
    return found


def _fitted(train: Moments, held_out: Moments, columns: Integers) -> Callable[[Moments], tuple[float, float]]:
    """Fit on some features; return what gives squared errors, and those of the mean, from sums of tested units."""
    centre = train.mean("y")
    if not len(columns):
        return lambda moments: (_about(moments, centre),) * 2
    train, held_out = train.select("f", columns), held_out.select("f", columns)
    inner = train - held_out
    tried = Ridge(inner, "f").fit("y", Ridge.strengths)
    errors = [explained(held_out, "f", "y", linear, centre)[0].sum() for linear in tried]
    (linear,) = Ridge(train, "f").fit("y", [Ridge.strengths[int(np.argmin(errors))]])

    def predict(moments: Moments) -> tuple[float, float]:
        error, spread = explained(moments, "f", "y", linear, centre)
        return float(error.sum()), float(spread.sum())

    return predict


def _about(moments: Moments, centre: Doubles) -> float:
    """Sum the squared distances from a point."""
    bias = moments.mean("y") - centre
    return float(moments.count * (moments.deviation("y") ** 2 + bias**2).sum())
