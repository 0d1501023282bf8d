"""Cross-validation: every unit is guessed by a classifier that saw neither it nor its group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.probing.folds import Integers, held_out

__all__ = ["Solver", "Study", "cross_validate", "majority"]

INNER_FOLDS = 4

Features: TypeAlias = npt.NDArray[np.float32]


class Solver(Protocol):
    """Linear classifiers on one training set."""

    @property
    def strengths(self) -> tuple[float, ...]:
        """Regularisers to choose from, the strongest first."""

    def fit(
        self, labels: Integers, n_classes: int, strengths: Sequence[float]
    ) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
        """Give weights and intercepts for each regulariser."""


@dataclass(frozen=True)
class Study:
    """What all layers and baselines share; arrays have one value a unit [shape=(units,)]."""

    labels: Integers
    fold: Integers
    nested: tuple[Integers, ...]
    seed: int
    solver: Callable[[Features], Solver]

    @property
    def n_folds(self) -> int:
        """The number of folds."""
        return int(self.fold.max()) + 1

    def splits(self) -> Iterator[tuple[Integers, Integers]]:
        """Give the rows to train on and the rows to test on, fold by fold."""
        for number in range(self.n_folds):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)


def cross_validate(
    features: Features, study: Study, with_control: bool, step: Callable[[], None]
) -> tuple[Integers, Integers, list[float]]:
    """Guess the label of every unit from the folds it is not in.

    Parameters
    ----------
    features
        The vectors of one layer [shape=(units, dimensions)].
    study
        Labels, folds and the kind of classifier.
    with_control
        Train on shuffled labels too.
    step
        Called after every fold.

    Returns
    -------
    guesses, control, strengths
        Guesses from true and from shuffled labels [shape=(units,)] each; the regulariser chosen in each fold.
    """
    guesses, control = np.zeros_like(study.labels), np.zeros_like(study.labels)
    shuffle = np.random.default_rng(study.seed)
    chosen = []
    for train, test in study.splits():
        labels = study.labels[train]
        inner = held_out([ids[train] for ids in study.nested], INNER_FOLDS, study.seed)
        guess, strengths = _fitter(features[train[~inner]], features[train[inner]], study.solver)
        right = np.array([np.sum(found == labels[inner]) for found in guess(labels[~inner], strengths)])
        best = np.flatnonzero(right == right.max())
        chosen.append(strengths[best[(len(best) - 1) // 2]])
        guess, _ = _fitter(features[train], features[test], study.solver)
        guesses[test] = guess(labels, chosen[-1:])[0]
        if with_control:
            control[test] = guess(shuffle.permutation(labels), chosen[-1:])[0]
        step()
    return guesses, control, chosen


def _fitter(
    train: Features, test: Features, solver: Callable[[Features], Solver]
) -> tuple[Callable[[Integers, Sequence[float]], list[Integers]], tuple[float, ...]]:
    """Standardise by the training units; return what learns their labels and guesses the test units'."""
    mean, spread = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    spread[spread <= 1e-7 * np.abs(mean)] = 1
    solved = solver(((train - mean) / spread).astype(np.float32))
    new = (test - mean) / spread

    def guess(labels: Integers, strengths: Sequence[float]) -> list[Integers]:
        present, numbers = np.unique(labels, return_inverse=True)
        fitted = solved.fit(numbers.astype(np.int64), len(present), strengths)
        return [present[(new @ weights + level).argmax(axis=1)] for weights, level in fitted]

    return guess, solved.strengths


def majority(study: Study) -> Integers:
    """Guess the most frequent label of the training folds."""
    guesses = np.zeros_like(study.labels)
    for train, test in study.splits():
        guesses[test] = np.bincount(study.labels[train]).argmax()
    return guesses
