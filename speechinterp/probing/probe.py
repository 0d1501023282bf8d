"""The probe: cross-validated linear classifiers on every layer, with their controls in the same table."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.closed_form import LinearDiscriminant, Ridge
from speechinterp.probing.folds import Integers, assign_folds, codes, groups_of, held_out, rare_labels
from speechinterp.probing.logistic import Logistic
from speechinterp.probing.scores import METRICS, Counts, intervals, metrics, resamples
from speechinterp.representations import Representations

__all__ = ["probe"]

COLUMNS = "model layer target probe metric score ci_low ci_high n_train n_test baseline".split()
KEY = ["utterance", "start", "end", "label"]
ACOUSTIC = ("mfcc", "logmel")
INNER_FOLDS = 4

Features = npt.NDArray[np.float32]


class _Solver(Protocol):
    """Linear classifiers on one training set."""

    strengths: tuple[float, ...]

    def fit(
        self, labels: Integers, n_classes: int, strengths: Sequence[float]
    ) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]: ...


@dataclass(frozen=True)
class _Study:
    """What all layers and baselines share; one value a unit in each array [shape=(units,)]."""

    labels: Integers
    fold: Integers
    clusters: Integers
    nested: tuple[Integers, ...]
    seed: int
    solver: Callable[[Features], _Solver]

    def splits(self) -> Iterator[tuple[Integers, Integers]]:
        """Give the rows to train on and the rows to test on, fold by fold."""
        for number in range(int(self.fold.max()) + 1):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)


def probe(
    reps: Representations,
    target: str = "label",
    folds: str | npt.ArrayLike = "speaker",
    probe: str = "logistic",
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    *,
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
        discriminants). All standardise features with the training units, and choose their regulariser on a quarter of
        the training speakers.
    n_folds
        Number of folds; with fewer speakers, each speaker is a fold.
    seed
        Seed of folds, label shuffling and bootstrap.
    baselines
        Representations of the same units to compare with: ``"random-init"`` (the untrained twin, all its layers),
        ``"mfcc"`` and ``"logmel"`` (one layer each).
    confidence
        The share of bootstrap resamples of speakers that lie inside [ci_low, ci_high].
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
        (``none``, those given, ``shuffled-labels``, ``majority``). ``layer`` is missing where a baseline has none;
        ``n_train`` is the mean over folds, ``n_test`` the number of units tested in all folds together. ``attrs``
        records folds, seed, labels left out and the regularisers chosen.

    Raises
    ------
    ProbeError
        If speakers are missing or too few, fewer than two labels are left, a vector is not finite, a baseline has
        other units, or an argument is not one of its values.

    Notes
    -----
    Labels that one speaker alone has are left out, with a warning. A label may still be missing from a training fold:
    its test units then count as wrong. Shuffled labels permute the training labels, keep the regulariser that was
    chosen for the true ones, and are tested on the true ones. The order of rows does not matter.

    References
    ----------
    Belinkov, Y. (2022). Probing classifiers: promises, shortcomings, and advances. Computational Linguistics 48(1).
    Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP.
    """
    solvers: dict[str, Callable[[Features], _Solver]] = {
        "logistic": partial(Logistic, device=device),
        "ridge": Ridge,
        "lda": LinearDiscriminant,
    }
    if probe not in solvers:
        raise ProbeError(f"There is no probe {probe!r}", expected=f"one of {shortlist(solvers)}")
    if not 0 < confidence < 1:
        raise ProbeError(
            f"confidence is {confidence}", expected="a share between 0 and 1", fix="confidence=0.95"
        )
    units, order = _in_order(reps)
    if target not in units.columns:
        raise ProbeError(
            f"The units have no column {target!r}",
            expected=f"one of {shortlist(units.columns, 20)}",
            fix="target='label', or add the column to reps.units",
        )
    sources = {"none": (reps, order)} | {
        name: (other, _matching(name, other, units)) for name, other in (baselines or {}).items()
    }

    given = not isinstance(folds, str)
    groups, clusters = groups_of(
        units,
        np.asarray(folds)[order] if given and np.shape(folds) == order.shape else folds,
        shared_speakers=shared_speakers,
    )
    keep, excluded = _usable(units[target], groups)
    units, groups, clusters = units[keep], groups[keep], codes_again(clusters[keep])
    names, labels = np.unique(units[target].astype(str).to_numpy(dtype=str), return_inverse=True)
    if len(names) < 2:
        raise ProbeError(
            f"{len(names)} labels are left to tell apart",
            expected="at least two labels that two speakers share",
            cause=f"{target} is a measure, an identity, or the same everywhere; {excluded['units']} units were left out",
            fix="another target, or folds='utterance' if labels differ by speaker",
        )
    study = _Study(
        labels=labels.astype(np.int64),
        fold=assign_folds(groups, len(np.unique(groups)) if given else n_folds, seed),
        clusters=clusters,
        nested=(clusters, codes(units["utterance"]), np.arange(len(units), dtype=np.int64)),
        seed=seed,
        solver=solvers[probe],
    )

    drawn = resamples(int(clusters.max()) + 1, seed)
    n_train = round(np.mean([len(train) for train, _ in study.splits()]))
    n_done, n_steps = (
        0,
        sum(len(source.layers) for source, _ in sources.values()) * (int(study.fold.max()) + 1),
    )

    def rows(baseline: str, layer: int | None, guesses: Integers) -> list[dict[str, object]]:
        counts = Counts.of(guesses == study.labels, study.labels, clusters)
        points = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
        low, high = intervals(counts, drawn, confidence)
        return [
            {
                "model": str(reps.meta.get("model", "unknown")), "layer": layer, "target": target, "probe": probe,
                "metric": metric, "score": points[i], "ci_low": low[i], "ci_high": high[i],
                "n_train": n_train, "n_test": len(labels), "baseline": baseline,
            }
            for i, metric in enumerate(METRICS)
        ]  # fmt: skip

    def step() -> None:
        nonlocal n_done
        n_done += 1
        if progress is not None:
            progress(n_done, n_steps)

    table: list[dict[str, object]] = []
    shuffled: list[dict[str, object]] = []
    regularisers: list[dict[str, object]] = []
    for baseline, (source, its_order) in sources.items():
        for layer in source.layers:
            number = None if baseline in ACOUSTIC else layer
            features = _finite(source.layer(layer), baseline, layer)[its_order[keep]]
            guesses, control, chosen = _cross_validate(features, study, baseline == "none", step)
            table += rows(baseline, number, guesses)
            shuffled += [] if control is None else rows("shuffled-labels", number, control)
            regularisers += [
                {"baseline": baseline, "layer": number, "fold": fold, "strength": strength}
                for fold, strength in enumerate(chosen)
            ]
    table += shuffled + rows("majority", None, _majority(study))

    scores = pd.DataFrame(table, columns=COLUMNS).astype({"layer": "Int64"})
    speakers = units["speaker"].dropna().nunique() if "speaker" in units else 0
    scores.attrs = {
        "folds": "given" if given else folds,
        "n_folds": int(study.fold.max()) + 1,
        "n_speakers": int(speakers),
        "seed": seed,
        "confidence": confidence,
        "excluded_labels": excluded["labels"],
        "excluded_units": excluded["units"],
        "regularisers": regularisers,
        "representations": dict(reps.meta),
    }
    return scores


def codes_again(clusters: Integers) -> Integers:
    """Renumber clusters from 0 without gaps [shape=(units,)]."""
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def _in_order(reps: Representations) -> tuple[pd.DataFrame, Integers]:
    """Sort units by utterance and time, so that results do not depend on the order of rows."""
    units = reps.units.reset_index(drop=True)
    if not len(units):
        raise ProbeError(
            "The representations have no units", expected="at least four units", fix="extract again"
        )
    order = units.assign(label=units["label"].astype(str)).sort_values(KEY, kind="stable").index.to_numpy()
    return units.iloc[order].reset_index(drop=True), order.astype(np.int64)


def _matching(name: str, other: Representations, units: pd.DataFrame) -> Integers:
    """Give the order of the rows of a baseline, after checking that it has the same units."""
    if name not in ("random-init", *ACOUSTIC):
        raise ProbeError(
            f"There is no baseline {name!r} to pass",
            expected="random-init, mfcc or logmel; shuffled-labels and majority are always computed",
        )
    if name in ACOUSTIC and len(other.layers) != 1:
        raise ProbeError(f"The baseline {name} has {len(other.layers)} layers", expected="one layer")
    theirs, order = _in_order(other)
    if len(theirs) != len(units):
        found = f"The baseline {name} has {len(theirs)} units, the representations have {len(units)}"
    else:
        same_times = np.isclose(theirs[["start", "end"]], units[["start", "end"]], rtol=0, atol=1e-6).all(
            axis=1
        )
        same_names = (
            theirs[["utterance", "label"]].astype(str) == units[["utterance", "label"]].astype(str)
        ).all(axis=1)
        if (same_times & same_names).all():
            return order
        odd = units.loc[~(same_times & same_names), "utterance"].unique()
        found = f"The baseline {name} has other units in {len(odd)} utterances: {shortlist(odd)}"
    raise ProbeError(
        found,
        expected="the same utterance, start, end and label for every unit",
        cause="the baseline was extracted from another corpus, tier or selection",
        fix="extract both from the same corpus with the same unit",
    )


def _usable(labels: pd.Series, groups: Integers) -> tuple[npt.NDArray[np.bool_], dict[str, Any]]:
    """Mark the units whose label can be both trained and tested, and warn about the others."""
    named = labels.notna().to_numpy()
    rare = rare_labels(labels[named].astype(str), groups[named])
    keep = named & ~labels.astype(str).isin(rare).to_numpy()
    left_out = int(len(keep) - keep.sum())
    if left_out:
        reasons = [f"{len(rare)} labels that one group alone has ({shortlist(rare)})"] if rare else []
        reasons += [f"{int((~named).sum())} units without a label"] if not named.all() else []
        warnings.warn(
            f"Left out {left_out} of {len(keep)} units, which cannot be both trained and tested: {'; '.join(reasons)}",
            UserWarning,
            stacklevel=3,
        )
    return keep, {"labels": rare, "units": left_out}


def _finite(features: Features, baseline: str, layer: int) -> Features:
    broken = int((~np.isfinite(features).all(axis=1)).sum())
    if broken:
        of = "" if baseline == "none" else f" of the baseline {baseline}"
        raise ProbeError(
            f"Layer {layer}{of} has {broken} units with NaN or infinite values",
            expected="finite vectors",
            cause="half precision overflowed, or the audio is empty or broken",
            fix="extract again in float32, or look at these utterances",
        )
    return features


def _cross_validate(
    features: Features, study: _Study, with_control: bool, step: Callable[[], None]
) -> tuple[Integers, Integers | None, list[float]]:
    """Guess the label of every unit from the folds it is not in; also after training on shuffled labels."""
    guesses, control = np.zeros_like(study.labels), np.zeros_like(study.labels)
    shuffle = np.random.default_rng(study.seed)
    chosen = []
    for train, test in study.splits():
        labels = study.labels[train]
        inner = held_out([ids[train] for ids in study.nested], INNER_FOLDS, study.seed)
        fit, strengths = _prepare(features[train[~inner]], features[train[inner]], study.solver)
        right = [np.mean(guess == labels[inner]) for guess in fit(labels[~inner], strengths)]
        chosen.append(strengths[int(np.argmax(right))])
        fit, _ = _prepare(features[train], features[test], study.solver)
        guesses[test] = fit(labels, chosen[-1:])[0]
        if with_control:
            control[test] = fit(shuffle.permutation(labels), chosen[-1:])[0]
        step()
    return guesses, control if with_control else None, chosen


def _prepare(
    train: Features, test: Features, solver: Callable[[Features], _Solver]
) -> tuple[Callable[[Integers, Sequence[float]], list[Integers]], tuple[float, ...]]:
    """Standardise by the training units; return what fits labels and guesses those of the test units."""
    mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    spread[spread <= 1e-7 * np.abs(mean)] = 1
    test = ((test - mean) / spread).astype(np.float32)
    solved = solver(((train - mean) / spread).astype(np.float32))

    def fit(labels: Integers, strengths: Sequence[float]) -> list[Integers]:
        present, numbers = np.unique(labels, return_inverse=True)
        fitted = solved.fit(numbers.astype(np.int64), len(present), strengths)
        return [present[(test @ weights + level).argmax(axis=1)] for weights, level in fitted]

    return fit, solved.strengths


def _majority(study: _Study) -> Integers:
    guesses = np.zeros_like(study.labels)
    for train, test in study.splits():
        guesses[test] = np.bincount(study.labels[train]).argmax()
    return guesses
