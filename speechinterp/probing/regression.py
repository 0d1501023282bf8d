r"""Regression probes: how well measures (articulators, pitch, formants, intensity) are read from each layer.

Notes
-----
Ridge regression of every channel :math:`y` on the vectors, by sums: one pass over a layer serves all channels, folds
and regularisers. Over the units of all test folds, with predictions :math:`\hat y`,

.. math:: r = \frac{\sum (y - \bar y)(\hat y - \bar{\hat y})}
                   {\sqrt{\sum (y - \bar y)^2 \sum (\hat y - \bar{\hat y})^2}}, \qquad
          R^2 = 1 - \frac{\sum (y - \hat y)^2}{\sum (y - \bar y_{\mathrm{train}})^2}.

The means in :math:`r` are those of each test fold: across folds, the training mean falls where the test mean rises,
which would make predictions that know nothing correlate negatively with the truth. Predictions that know nothing
still correlate with it by chance, the more the fewer dimensions vary (about 1 divided by the root of their number),
since r forgives their tiny scale: compare with ``shuffled-labels``, and look at :math:`R^2`, which is 0 for them.

:math:`r` forgives a wrong scale and level, :math:`R^2` does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.probing.closed_form import Ridge, explained
from speechinterp.probing.linear import Doubles, Linear
from speechinterp.probing.plan import Plan, make_plan
from speechinterp.probing.scores import resamples
from speechinterp.probing.streaming import Stream, parts_of
from speechinterp.probing.table import Row, check_confidence, table
from speechinterp.representations import Representations, Statistics

__all__ = ["regress"]

METRICS = ("pearson_r", "r2")


def regress(
    reps: Representations,
    targets: str | Sequence[str],
    folds: str | npt.ArrayLike = "speaker",
    *,
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    shared_speakers: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Measure how well ridge regression reads measures from each layer, on speakers it was not trained on.

    Parameters
    ----------
    reps
        The units and their vectors; frames (``unit="frames"``) for trajectories.
    targets
        Columns of ``reps.units`` that hold numbers; units without a value are left out, channel by channel.
    folds, n_folds, seed, baselines, confidence, shared_speakers, progress
        As in :func:`speechinterp.probe`.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`, with one row a layer, channel (``target``), metric (``pearson_r``,
        ``r2``) and baseline. For ``shuffled-labels``, the training values of a channel are permuted; those of
        frames are shifted in time, by a random amount around each utterance, which keeps their smoothness.

    Raises
    ------
    ProbeError
        If a column is not there or holds no numbers, or as for :func:`speechinterp.probe`.

    Notes
    -----
    The regulariser is chosen for each channel and fold by squared error on a quarter of the training speakers.
    Frames of an utterance are not independent; intervals resample speakers.

    References
    ----------
    Cho, C. J., Wu, P., Mohamed, A., & Anumanchipalli, G. K. (2023). Evidence of vocal tract articulation in
    self-supervised learning of speech. ICASSP.
    """
    check_confidence(confidence)
    names = [targets] if isinstance(targets, str) else list(targets)
    tables = []
    for number, channels in enumerate(groups := _together(reps.units, names)):
        plan = make_plan(
            reps,
            channels[0],
            folds,
            n_folds=n_folds,
            seed=seed,
            baselines=baselines,
            shared_speakers=shared_speakers,
            numeric=True,
        )
        values = plan.units[list(channels)].to_numpy(float)
        if plan.study.n_folds < 2 or not (values.std(axis=0) > 0).all():
            raise ProbeError(
                f"{', '.join(channels)}: {len(values)} units with a value, in {plan.study.n_folds} folds",
                expected="values that differ, from at least two speakers",
                cause="a measure that is constant or almost always missing",
                fix="another column, or folds='utterance'",
            )
        shuffled = _null(plan, values)
        rows: dict[str, list[Row]] = {channel: [] for channel in channels}
        for done, (layer, stream) in enumerate(plan.streams()):
            found = [(stream.baseline, values, *_predicted(stream, plan, values))]
            if stream.baseline == "none":
                found.append(("shuffled-labels", values, *_predicted(stream, plan, shuffled)))
            for baseline, true, guess, centre in found:
                for channel, scored in zip(
                    channels, _scores(true, guess, centre, plan, confidence), strict=True
                ):
                    rows[channel] += [(layer, *one, baseline) for one in scored]
            if progress is not None:
                progress(number * plan.n_layers + done + 1, len(groups) * plan.n_layers)
        tables += [
            table(part, plan, target=channel, probe="regression", confidence=confidence)
            for channel, part in rows.items()
        ]
    scores = pd.concat(
        [each.sort_values("baseline", key=lambda c: c != "none", kind="stable") for each in tables]
    )
    scores.attrs = tables[0].attrs | {"control": "shift" if _is_frames(reps) else "permutation"}
    return scores.reset_index(drop=True)


def _together(units: pd.DataFrame, names: Sequence[str]) -> list[list[str]]:
    """Gather the channels that have values for the same units."""
    groups: dict[bytes, list[str]] = {}
    for name in names:
        values = pd.to_numeric(units[name], errors="coerce") if name in units else pd.Series(dtype=float)
        groups.setdefault(np.isfinite(values.to_numpy(float)).tobytes(), []).append(name)
    return list(groups.values())


def _is_frames(reps: Representations) -> bool:
    return reps.meta.get("unit") == "frames" or reps.meta.get("pool") == "all"


def _null(plan: Plan, values: Doubles) -> Doubles:
    """Permute the values; those of frames are shifted around each utterance instead [shape=(units, channels)]."""
    random = np.random.default_rng(plan.study.seed)
    if not _is_frames(plan.sources["none"][0]):
        return values[random.permutation(len(values))]
    shifted = values.copy()
    for rows in plan.units.groupby("utterance", sort=True).indices.values():
        shifted[rows] = np.roll(values[rows], random.integers(len(rows) // 4, 3 * len(rows) // 4 + 1), axis=0)
    return shifted


def _predicted(stream: Stream, plan: Plan, values: Doubles) -> tuple[Doubles, Doubles]:
    """Predict every unit from the folds it is not in; give also the training means [shape=(units, q)] each."""
    study = plan.study
    parts = parts_of(study)
    cells, cell_of = np.unique(parts, axis=1, return_inverse=True)
    statistics = Statistics([("x", "x"), ("x", "y")])
    for units, vectors in stream:
        statistics.add({"x": vectors, "y": values[units]}, cell_of.reshape(-1)[units])
    total, linears = statistics.total, []
    for kinds in cells:
        train = total - statistics.only(np.flatnonzero(kinds == 0).tolist())
        held_out = statistics.only(np.flatnonzero(kinds == 2).tolist())
        inner = train - held_out
        fitted = Ridge(inner, "x").fit("y", Ridge.strengths)
        centre = inner.mean("y")
        errors = [explained(held_out, "x", "y", linear, centre)[0] for linear in fitted]
        best = np.argmin(errors, axis=0)
        strengths = [Ridge.strengths[i] for i in sorted(set(best.tolist()))]
        by_strength = dict(zip(strengths, Ridge(train, "x").fit("y", strengths), strict=True))
        chosen = [by_strength[Ridge.strengths[i]] for i in best]
        weights = np.stack([linear.weights[:, q] for q, linear in enumerate(chosen)], axis=1)
        level = np.array([linear.level[q] for q, linear in enumerate(chosen)])
        linears.append((Linear(weights, level), train.mean("y")))
    predicted, centre = np.zeros_like(values), np.zeros_like(values)
    for units, vectors in stream:
        for fold, (linear, mean) in enumerate(linears):
            mine = study.fold[units] == fold
            predicted[units[mine]] = linear(vectors[mine].astype(np.float64))
            centre[units[mine]] = mean
    return predicted, centre


def _scores(
    true: Doubles, guess: Doubles, centre: Doubles, plan: Plan, confidence: float
) -> list[list[tuple[str, float, float, float, int, int]]]:
    """Give both metrics of every channel, with intervals over clusters."""
    clusters = plan.clusters
    n_clusters, n_folds = int(clusters.max()) + 1, plan.study.n_folds
    # About the means of the channels, so that sums of squares keep their digits.
    level = true.mean(axis=0)
    y, p = true - level, guess - level
    parts = np.stack([np.ones_like(y), y, p, y * y, p * p, y * p, (true - guess) ** 2, (true - centre) ** 2])
    sums = np.zeros((n_clusters, n_folds, len(parts), true.shape[1]))
    np.add.at(sums, (clusters, plan.study.fold), parts.transpose(1, 0, 2))
    points = _metrics(sums.sum(axis=0))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    low, high = np.full_like(points, np.nan), np.full_like(points, np.nan)
    if n_clusters > 1:
        drawn = resamples(n_clusters, plan.study.seed)
        low, high = np.nanquantile(_metrics(np.tensordot(drawn, sums, 1)), tails, axis=1)
    n_train = round(float(np.mean([len(train) for train, _ in plan.study.splits()])))
    return [
        [
            (metric, float(points[m, q]), float(low[m, q]), float(high[m, q]), n_train, len(true))
            for m, metric in enumerate(METRICS)
        ]
        for q in range(true.shape[1])
    ]


def _metrics(sums: Doubles) -> Doubles:
    """Compute r and R^2 from sums [shape=(..., folds, 8, channels)]; gives [shape=(2, ..., channels)]."""
    n, y, p, yy, pp, yp, error, total = np.moveaxis(sums, -2, 0)
    n = np.maximum(n, 1)
    true, guess, both = ((a - b / n).sum(axis=-2) for a, b in ((yy, y * y), (pp, p * p), (yp, y * p)))
    spread = np.maximum(true, 0) * np.maximum(guess, 0)
    r = np.divide(both, np.sqrt(spread), out=np.zeros_like(both), where=spread > 0)
    return np.stack([r, 1 - error.sum(axis=-2) / total.sum(axis=-2)])
