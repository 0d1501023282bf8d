"""The probe: cross-validated linear classifiers on every layer, with their controls in the same table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.closed_form import LinearDiscriminant, Ridge
from speechinterp.probing.cross_validation import Solver, Study, cross_validate, majority
from speechinterp.probing.folds import Integers, assign_folds, codes, groups_of
from speechinterp.probing.logistic import Logistic
from speechinterp.probing.scores import METRICS, Counts, intervals, metrics, resamples
from speechinterp.probing.units import finite, in_order, matching, usable
from speechinterp.representations import Representations

__all__ = ["probe"]

MODELS = ("none", "random-init")
ACOUSTIC = ("mfcc", "logmel")


def probe(
    reps: Representations,
    target: str = "label",
    folds: str | npt.ArrayLike = "speaker",
    *,
    probe: str = "logistic",
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    shared_speakers: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Measure how well a linear classifier reads a label from each layer, on speakers it was not trained on.

    Parameters
    ----------
    reps
        The units and their vectors.
    target
        The column of ``reps.units`` to classify.
    folds
        What stays whole when units are dealt to folds: ``"speaker"``, ``"utterance"`` or another column;
        ``"random"`` to split units; or one fold number a row of ``reps.units`` [shape=(units,)].
    probe
        ``"logistic"`` (multinomial logistic regression), ``"ridge"`` (ridge classifier) or ``"lda"`` (linear
        discriminants). Features are standardised by the training units, and the regulariser is chosen on a
        quarter of the training speakers.
    n_folds
        Number of folds; with fewer speakers, each speaker is a fold.
    seed
        Seed of folds, label shuffling and bootstrap.
    baselines
        Representations of the same units to compare with: ``"random-init"`` (the untrained twin, all its
        layers), ``"mfcc"`` and ``"logmel"`` (one layer each).
    confidence
        The share of bootstrap resamples of speakers that lie in [ci_low, ci_high].
    shared_speakers
        Accept given fold numbers that put one speaker in several folds.
    device
        Where logistic regression runs: ``"cpu"`` or ``"cuda"``.
    progress
        Called with (steps done, steps in all) after every fold of every layer.

    Returns
    -------
    pandas.DataFrame
        One row a layer, metric (``accuracy``, ``balanced_accuracy``: mean recall over classes) and baseline
        (``none``, those given, ``shuffled-labels``, ``majority``). ``layer`` is missing where a baseline has
        none; ``n_train`` is the mean over folds, ``n_test`` the number of units tested in all folds together.
        ``attrs`` records folds, seed, labels left out and the regularisers chosen.

    Raises
    ------
    ProbeError
        If speakers are missing or too few, fewer than two labels are left, a vector is not finite, a baseline
        has other units, or an argument is not one of its values.

    Notes
    -----
    Labels that one speaker alone has are left out, with a warning. A label may still be missing from a
    training fold: its test units then count as wrong. For ``shuffled-labels`` the training labels are
    permuted, the true ones tested, and the regulariser is the one chosen for the true ones. The order of rows
    does not matter.

    References
    ----------
    Belinkov, Y. (2022). Probing classifiers: promises, shortcomings, and advances. Computational Linguistics
    48(1). Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP.
    """
    solvers: dict[str, Callable[[npt.NDArray[np.float32]], Solver]] = {
        "logistic": partial(Logistic, device=device),
        "ridge": Ridge,
        "lda": LinearDiscriminant,
    }
    if probe not in solvers:
        raise ProbeError(
            f"There is no probe {probe!r}", expected=f"one of {shortlist(solvers)}", fix="probe='logistic'"
        )
    if not 0 < confidence < 1:
        raise ProbeError(
            f"confidence is {confidence}", expected="a share between 0 and 1", fix="confidence=0.95"
        )
    units, order = in_order(reps)
    sources = {"none": (reps, order)}
    for name, baseline in (baselines or {}).items():
        _check_baseline(name, baseline)
        sources[name] = (baseline, matching(name, baseline, units))
    if not isinstance(folds, str) and np.shape(folds) == order.shape:
        folds = np.asarray(folds)[order]
    study, keep, record = _plan(
        units,
        target,
        folds,
        n_folds=n_folds,
        seed=seed,
        shared_speakers=shared_speakers,
        solver=solvers[probe],
    )

    steps = sum(len(source.layers) for source, _ in sources.values()) * study.n_folds
    done = iter(range(1, steps + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), steps)

    guesses: list[tuple[str, int | None, Integers]] = []
    controls: list[tuple[str, int | None, Integers]] = []
    regularisers: list[dict[str, object]] = []
    for name, (source, its_order) in sources.items():
        for layer in source.layers:
            number = layer if name in MODELS else None
            features = finite(source.layer(layer), name, layer)[its_order[keep]]
            guess, control, chosen = cross_validate(features, study, name == "none", step)
            guesses.append((name, number, guess))
            if name == "none":
                controls.append(("shuffled-labels", number, control))
            regularisers += [
                {"baseline": name, "layer": number, "fold": fold, "strength": strength}
                for fold, strength in enumerate(chosen)
            ]
    guesses += [*controls, ("majority", None, majority(study))]

    scores = _table(guesses, study, confidence)
    scores.insert(0, "model", str(reps.meta.get("model", "unknown")))
    scores.insert(2, "target", target)
    scores.insert(3, "probe", probe)
    scores.attrs = record | {
        "confidence": confidence,
        "regularisers": regularisers,
        "representations": dict(reps.meta),
    }
    return scores


def _check_baseline(name: str, baseline: Representations) -> None:
    if name not in ("random-init", *ACOUSTIC):
        raise ProbeError(
            f"There is no baseline {name!r} to pass",
            expected="random-init, mfcc or logmel",
            cause="shuffled-labels and majority are always computed and need not be passed",
            fix="baselines={'random-init': ..., 'mfcc': ...}",
        )
    if name in ACOUSTIC and len(baseline.layers) != 1:
        raise ProbeError(
            f"The baseline {name} has {len(baseline.layers)} layers",
            expected="one layer of acoustic features",
            cause="representations of a model were passed in its place",
            fix=f"extract the {name} baseline, or pass a model as 'random-init'",
        )


def _plan(
    units: pd.DataFrame,
    target: str,
    folds: str | npt.ArrayLike,
    *,
    n_folds: int,
    seed: int,
    shared_speakers: bool,
    solver: Callable[[npt.NDArray[np.float32]], Solver],
) -> tuple[Study, npt.NDArray[np.bool_], dict[Hashable | None, Any]]:
    """Decide what is trained and tested: the study, the sorted units it keeps, and the record of both."""
    if target not in units.columns:
        raise ProbeError(
            f"The units have no column {target!r}",
            expected=f"one of {shortlist(units.columns, 20)}",
            fix="target='label', or add the column to reps.units",
        )
    given = not isinstance(folds, str)
    groups, clusters = groups_of(units, folds, shared_speakers=shared_speakers)
    keep, rare = usable(units[target], groups)
    units, groups = units[keep], groups[keep]
    labels = codes(units[target])
    if len(np.unique(labels)) < 2:
        raise ProbeError(
            f"{len(np.unique(labels))} labels of {target} are left to tell apart",
            expected="at least two labels that are each in two groups of units",
            cause=f"{target} is a measure, a name, or the same everywhere",
            fix="another target, or folds='utterance' if labels differ by speaker",
        )
    study = Study(
        labels,
        fold=np.unique(groups, return_inverse=True)[1] if given else assign_folds(groups, n_folds, seed),
        nested=(codes(clusters[keep]), codes(units["utterance"]), np.arange(len(units), dtype=np.int64)),
        seed=seed,
        solver=solver,
    )
    record: dict[Hashable | None, Any] = {
        "folds": "given" if given else folds,
        "n_folds": study.n_folds,
        "seed": seed,
        "n_speakers": int(units["speaker"].nunique()) if "speaker" in units else 0,
        "excluded_labels": rare,
        "excluded_units": int(np.sum(~keep)),
    }
    return study, keep, record


def _table(guesses: list[tuple[str, int | None, Integers]], study: Study, confidence: float) -> pd.DataFrame:
    """Score every baseline and layer, with intervals over the same resamples of clusters."""
    clusters = study.nested[0]
    drawn = resamples(int(clusters.max()) + 1, study.seed)
    n_train = round(float(np.mean([len(train) for train, _ in study.splits()])))
    rows = []
    for baseline, layer, guess in guesses:
        counts = Counts.of(guess == study.labels, study.labels, clusters)
        points = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
        low, high = intervals(counts, drawn, confidence)
        for metric, *values in zip(METRICS, points, low, high, strict=True):
            rows.append((layer, metric, *values, n_train, len(guess), baseline))
    columns = ["layer", "metric", "score", "ci_low", "ci_high", "n_train", "n_test", "baseline"]
    return pd.DataFrame(rows, columns=columns).astype({"layer": "Int64"})
