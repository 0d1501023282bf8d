r"""Transfer: a probe trained on one corpus, layer or group of speakers, tested on another.

Notes
-----
A probe that is right on the units it was made for may have learnt what is particular to them: a recording
channel, a sentence, a sex. What carries over is what both share; the accuracy within the training corpus (by
:func:`speechinterp.probe`) is what to compare with. Vectors are standardised by the training units only, so that a
shift of the other corpus counts.

References
----------
Belinkov, Y. (2022). Probing classifiers: promises, shortcomings, and advances. Computational Linguistics 48(1).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, check_choice, shortlist
from speechinterp.probing.closed_form import InMemory, LinearDiscriminant, Ridge
from speechinterp.probing.cross_validation import INNER_FOLDS, Solver, best_of, fit_and_guess
from speechinterp.probing.folds import Integers, codes, held_out
from speechinterp.probing.logistic import Logistic
from speechinterp.probing.mlp import MLP
from speechinterp.probing.scores import METRICS, Counts, intervals, metrics, resamples
from speechinterp.probing.table import check_confidence
from speechinterp.probing.units import LeftOutWarning, check_column, finite, in_order
from speechinterp.representations import Representations

__all__ = ["transfer"]


def transfer(
    train: Representations,
    test: Representations,
    target: str = "label",
    *,
    probe: str = "logistic",
    across_layers: bool = False,
    seed: int = 0,
    confidence: float = 0.95,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Train a probe on some representations and test it on others.

    Parameters
    ----------
    train, test
        Two corpora, or two parts of one (:func:`speechinterp.representations.subset`), of the same model.
    target
        A column that both have.
    probe, seed, confidence, device, progress
        As in :func:`speechinterp.probe`.
    across_layers
        Test the probe of every layer on every other layer too.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`, and ``test_layer``. Baselines are ``none``, ``shuffled-labels`` and
        ``majority``; intervals resample the speakers of `test` (its utterances where it has none).

    Raises
    ------
    ProbeError
        If fewer than two labels are in both, a speaker is in both, or layers have different dimensions.

    Warns
    -----
    LeftOutWarning
        If units of `test` are left out, since their label is not in `train`.
    """
    check_confidence(confidence)
    solvers: dict[str, Callable[[npt.NDArray[np.float32]], Solver]] = {
        "logistic": partial(Logistic, device=device),
        "mlp": partial(MLP, seed=seed, device=device),
        "ridge": partial(InMemory, kind=Ridge),
        "lda": partial(InMemory, kind=LinearDiscriminant),
    }
    check_choice("probe", probe, solvers, ProbeError, "probe='lda'")
    old, old_rows = _labelled(train, target)
    new, new_rows = _labelled(test, target)
    known = new[target].isin(old[target]).to_numpy()
    if not known.all():
        odd = sorted(new[target][~known].unique())
        warnings.warn(
            f"Left out {int(np.sum(~known))} of {len(new)} units to test, whose labels are not in training: "
            f"{shortlist(odd)}",
            LeftOutWarning,
            stacklevel=2,
        )
        new, new_rows = new[known].reset_index(drop=True), new_rows[known]
    _check(old, new, target)
    names = np.unique(old[target])
    labels, truth = (np.searchsorted(names, part[target]).astype(np.int64) for part in (old, new))
    clusters = codes(new["speaker"] if new["speaker"].notna().all() else new["utterance"])
    nested = [codes(old[column]) for column in ("speaker", "utterance") if old[column].notna().all()]
    inner = held_out([*nested, np.arange(len(old))], INNER_FOLDS, seed)
    shuffled = np.random.default_rng(seed).permutation(labels)
    drawn = resamples(int(clusters.max()) + 1, seed)

    rows = []
    pairs = [(a, b) for a in train.layers for b in test.layers if across_layers or a == b]
    cache: dict[int, npt.NDArray[np.float64]] = {}
    for done, (a, b) in enumerate(pairs):
        if a not in cache:
            cache = {a: finite(train.layer(a), "none", a)[old_rows].astype(np.float64)}
        known_vectors = cache[a]
        vectors = finite(test.layer(b), "none", b)[new_rows].astype(np.float64)
        if vectors.shape[1] != known_vectors.shape[1]:
            raise ProbeError(
                f"Layer {a} has {known_vectors.shape[1]} dimensions and layer {b} of the other {vectors.shape[1]}",
                expected="representations of the same model",
                fix="extract both with one model",
            )
        guess, strengths = fit_and_guess(known_vectors[~inner], known_vectors[inner], solvers[probe])
        right = np.array([np.sum(found == labels[inner]) for found in guess(labels[~inner], strengths)])
        chosen = [best_of(strengths, right)]
        guess, _ = fit_and_guess(known_vectors, vectors, solvers[probe])
        guesses = [("none", guess(labels, chosen)[0]), ("shuffled-labels", guess(shuffled, chosen)[0])]
        if done == len(pairs) - 1:
            guesses.append(("majority", np.full_like(truth, np.bincount(labels).argmax())))
        for baseline, found in guesses:
            where = (None, None) if baseline == "majority" else (a, b)
            for scored in _scored(found, truth, clusters, drawn, confidence):
                rows.append((*where, *scored, len(old), len(new), baseline))
        if progress is not None:
            progress(done + 1, len(pairs))
    columns = ["layer", "test_layer", "metric", "score", "ci_low", "ci_high", "n_train", "n_test", "baseline"]
    scores = pd.DataFrame(rows, columns=columns).astype({"layer": "Int64", "test_layer": "Int64"})
    scores.insert(0, "model", str(train.meta.get("model", "unknown")))
    scores.insert(3, "target", target)
    scores.insert(4, "probe", probe)
    scores.attrs = {
        "seed": seed,
        "confidence": confidence,
        "labels": names.tolist(),
        "representations": dict(train.meta),
        "tested_on": dict(test.meta),
    }
    return scores


def _labelled(reps: Representations, target: str) -> tuple[pd.DataFrame, Integers]:
    units, order = in_order(reps)
    check_column(units, target, "add the column to reps.units of both")
    named = units[target].notna().to_numpy()
    kept = units[named].reset_index(drop=True)
    return kept.assign(**{target: kept[target].astype(str)}), order[named]


def _check(old: pd.DataFrame, new: pd.DataFrame, target: str) -> None:
    if old[target].nunique() < 2 or new[target].nunique() < 2:
        raise ProbeError(
            f"{new[target].nunique()} labels of {target} are in both",
            expected="at least two",
            cause="two corpora with different sets of labels",
            fix="write both in one set of labels, see speechinterp.corpora.labels",
        )
    shared = sorted(set(old["speaker"].dropna()) & set(new["speaker"].dropna()))
    if shared and target != "speaker":
        raise ProbeError(
            f"{len(shared)} speakers are in training and test: {shortlist(shared)}",
            expected="other speakers in the test",
            cause="two parts of one corpus that were not cut by speaker",
            fix="cut by speaker, or give speakers of different corpora different names",
        )


def _scored(
    guess: Integers, truth: Integers, clusters: Integers, drawn: npt.NDArray[np.float64], confidence: float
) -> list[tuple[str, float, float, float]]:
    counts = Counts.of(guess == truth, truth, clusters)
    present = counts.every.sum(axis=0) > 0
    counts = Counts(counts.right[:, present], counts.every[:, present])
    points = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
    low, high = intervals(counts, drawn, confidence)
    return [
        (metric, float(point), float(bottom), float(top))
        for metric, point, bottom, top in zip(METRICS, points, low, high, strict=True)
    ]
