"""Cross-validation of closed-form probes from sums: vectors are streamed, and never all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.probing.closed_form import LinearDiscriminant, Ridge
from speechinterp.probing.cross_validation import Guesses, Study, best_of
from speechinterp.probing.folds import Integers
from speechinterp.probing.linear import Linear
from speechinterp.probing.units import finite
from speechinterp.representations import Moments, Representations, Statistics, indicator

__all__ = [
    "LABELS",
    "Jobs",
    "Stream",
    "classify",
    "cross_validate_streamed",
    "fold_moments",
    "parts_of",
    "shuffled",
]

Kind: TypeAlias = "type[Ridge] | type[LinearDiscriminant]"
Jobs: TypeAlias = "Sequence[tuple[npt.NDArray[np.bool_], Sequence[Linear]]]"
"""Which units [shape=(units,)], and the classifiers, of equal numbers of classes, that guess them."""

LABELS = "labels"


@dataclass(frozen=True)
class Stream:
    """One layer of representations, read a few thousand rows at a time, as often as wanted.

    Parameters
    ----------
    reps, layer
        The vectors.
    rows
        The row of `reps` that each unit of a study is [shape=(units,)].
    baseline
        What errors call these representations.
    """

    reps: Representations
    layer: int
    rows: Integers
    baseline: str = "none"

    def __iter__(self) -> Iterator[tuple[Integers, npt.NDArray[np.float32]]]:
        """Yield the numbers of some units [shape=(units,)] and their vectors [shape=(units, dimensions)]."""
        place = np.full(len(self.reps), -1, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        start = 0
        for (block,) in self.reps.blocks([self.layer]):
            units = place[start : start + len(block)]
            start += len(block)
            yield units[units >= 0], finite(block[units >= 0], self.baseline, self.layer)


def cross_validate_streamed(
    stream: Stream, study: Study, kind: Kind, with_control: bool, step: Callable[[], None]
) -> Guesses:
    """Guess the label of every unit from the folds it is not in, in three passes over a layer.

    Parameters
    ----------
    stream
        The layer.
    study
        Labels and folds.
    kind
        The classifier.
    with_control
        Train on shuffled labels too.
    step
        Called after every fold.

    Notes
    -----
    The first pass sums, the second chooses the regularisers, the third guesses. Memory is that of the sums, one
    set for every combination of folds that a unit is trained or chosen on.
    """
    parts = parts_of(study)
    sums = fold_moments(stream, study, parts, with_control)
    jobs = [
        (parts[fold] == 2, kind(inner, "x").classify(LABELS, kind.strengths))
        for fold, (_, inner) in enumerate(sums)
    ]
    chosen = [
        best_of(kind.strengths, (found == study.labels[mask]).sum(axis=1))
        for (mask, _), found in zip(jobs, classify(stream, jobs), strict=True)
    ]
    targets = [LABELS] + [shuffled(number) for number in range(study.n_shuffles if with_control else 0)]
    jobs = []
    for fold, (train, _) in enumerate(sums):
        solved = kind(train, "x")
        fitted = [solved.classify(name, chosen[fold : fold + 1])[0] for name in targets]
        jobs.append((parts[fold] == 0, fitted))
        step()
    guesses = np.zeros_like(study.labels)
    control = np.zeros((study.n_shuffles, len(guesses)), dtype=np.int64)
    for (mask, _), found in zip(jobs, classify(stream, jobs), strict=True):
        guesses[mask] = found[0]
        if with_control:
            control[:, mask] = found[1:]
    return Guesses(guesses, control, chosen)


def parts_of(study: Study) -> npt.NDArray[np.int8]:
    """Say for every fold what each unit is: 0 tested, 1 trained on, 2 the regulariser is chosen on it."""
    parts = np.zeros((study.n_folds, len(study.labels)), dtype=np.int8)
    for part, (train, _) in zip(parts, study.splits(), strict=True):
        part[train] = 1 + study.inner(train)
    return parts


def shuffled(number: int) -> str:
    """Return the name of the view of labels shuffled for the n-th time."""
    return f"shuffled labels {number}"


def fold_moments(
    stream: Stream, study: Study, parts: npt.NDArray[np.int8], with_control: bool
) -> list[tuple[Moments, Moments]]:
    """Sum one layer in one pass; give for every fold the sums to train on, and those to choose on.

    Parameters
    ----------
    stream, study
        The layer, labels and folds.
    parts
        For every fold what each unit is: 0 tested, 1 trained on, 2 the regulariser is chosen on it
        [shape=(folds, units)].
    with_control
        Sum shuffled labels too.

    Returns
    -------
    list of (train, inner)
        The views are ``x``, ``labels`` and, in the sums to train on, ``shuffled labels 0``, ...
    """
    cells, cell_of = np.unique(parts, axis=1, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    statistics = Statistics([("x", "x"), ("x", LABELS)])
    names = [shuffled(number) for number in range(study.n_shuffles)] if with_control else []
    controls = [Statistics([("x", name) for name in names]) for _ in range(study.n_folds if names else 0)]
    shuffles = []
    for (train, _), permuted in zip(study.splits(), study.shuffles(), strict=True):
        whole = np.zeros((study.n_shuffles, len(study.labels)), dtype=np.int64)
        whole[:, train] = permuted
        shuffles.append(whole)

    for units, vectors in stream:
        labels = indicator(study.labels[units], study.n_classes)
        statistics.add({"x": vectors, LABELS: labels}, cell_of[units])
        for control, part, permuted in zip(controls, parts, shuffles, strict=False):
            mine = part[units] > 0
            views = {
                name: indicator(row[units[mine]], study.n_classes)
                for name, row in zip(names, permuted, strict=True)
            }
            control.add({"x": vectors[mine], **views}, np.zeros(int(mine.sum()), dtype=np.int64))

    total, given = statistics.total, []
    for fold, kinds in enumerate(cells):
        train_sums = total - statistics.only(np.flatnonzero(kinds == 0).tolist())
        held_out = np.flatnonzero(kinds == 2).tolist()
        inner_sums = train_sums - statistics.only(held_out) if held_out else train_sums
        given.append((train_sums | controls[fold].total if controls else train_sums, inner_sums))
    return given


def classify(stream: Stream, jobs: Jobs) -> list[Integers]:
    """Guess in one pass: for every job its units by its classifiers [shape=(classifiers, units of the job)]."""
    found = [np.zeros((len(fitted), int(mask.sum())), dtype=np.int64) for mask, fitted in jobs]
    weights = [np.concatenate([linear.weights for linear in fitted], axis=1) for _, fitted in jobs]
    levels = [np.concatenate([linear.level for linear in fitted]) for _, fitted in jobs]
    seats = [np.cumsum(mask) - 1 for mask, _ in jobs]
    for units, vectors in stream:
        for number, (mask, fitted) in enumerate(jobs):
            mine = mask[units]
            if mine.any():
                scores = vectors[mine].astype(np.float64) @ weights[number]
                scores += levels[number]
                best = scores.reshape(len(scores), len(fitted), -1).argmax(axis=2)
                found[number][:, seats[number][units[mine]]] = best.T
    return found
