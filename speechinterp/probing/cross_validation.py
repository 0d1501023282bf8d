"""Cross-validation: every unit is guessed by a classifier that saw neither it nor its group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from speechinterp.probing.folds import Integers, held_out
from speechinterp.probing.linear import Doubles, scale_of

__all__ = [
    "Classifier",
    "Fitter",
    "Guess",
    "Guesses",
    "Solver",
    "Study",
    "best_of",
    "cross_validate",
    "fit_and_guess",
    "majority",
    "standardised",
]

INNER_FOLDS = 4

Features: TypeAlias = npt.NDArray[np.float32]


class Classifier(Protocol):
    """Gives every class a score."""

    def __call__(self, features: Features, /) -> npt.NDArray[np.floating]:
        """Return the scores of some units [shape=(units, classes)]."""


class Solver(Protocol):
    """Classifiers on one training set."""

    @property
    def strengths(self) -> tuple[float, ...]:
        """Regularisers to choose from, the strongest first."""

    def fit(self, labels: Integers, n_classes: int, strengths: Sequence[float]) -> Sequence[Classifier]:
        """Give a classifier for each regulariser."""


Guess: TypeAlias = Callable[[Integers, Sequence[float]], "list[Integers]"]
"""Gives guesses of the test units for each regulariser, from the labels of the training units."""
Fitter: TypeAlias = Callable[[Integers, Integers], "tuple[Guess, tuple[float, ...]]"]
"""Takes the rows to train on and those to test on; gives a guess and the regularisers to choose from."""


class Guesses(NamedTuple):
    """Guesses of one layer, from true and from shuffled labels, and the regulariser chosen in each fold."""

    true: Integers
    shuffled: Integers
    strengths: list[float]


@dataclass(frozen=True)
class Study:
    """What all layers and baselines share; arrays have one value a unit [shape=(units,)]."""

    labels: Integers
    fold: Integers
    nested: tuple[Integers, ...]
    seed: int
    n_shuffles: int = 1
    confounds: Doubles | None = field(default=None, repr=False)

    @property
    def n_folds(self) -> int:
        """The number of folds."""
        return int(self.fold.max()) + 1

    @property
    def n_classes(self) -> int:
        """The number of labels."""
        return int(self.labels.max()) + 1

    def splits(self) -> Iterator[tuple[Integers, Integers]]:
        """Give the rows to train on and the rows to test on, fold by fold."""
        for number in range(self.n_folds):
            yield np.flatnonzero(self.fold != number), np.flatnonzero(self.fold == number)

    def inner(self, train: Integers) -> npt.NDArray[np.bool_]:
        """Mark the training rows that the regulariser is chosen on [shape=(training units,)]."""
        return held_out([ids[train] for ids in self.nested], INNER_FOLDS, self.seed)

    def shuffles(self) -> Iterator[Integers]:
        """Give, fold by fold, the labels of its training rows permuted [shape=(shuffles, training units)]."""
        random = np.random.default_rng(self.seed)
        for train, _ in self.splits():
            labels = self.labels[train]
            yield np.array([random.permutation(labels) for _ in range(self.n_shuffles)], dtype=np.int64)


def best_of(strengths: Sequence[float], right: npt.NDArray[np.generic]) -> float:
    """Return the regulariser with the most right guesses; of equals, the middle one."""
    best = np.flatnonzero(right == right.max())
    return strengths[best[(len(best) - 1) // 2]]


def cross_validate(fitter: Fitter, study: Study, with_control: bool, step: Callable[[], None]) -> Guesses:
    """Guess the label of every unit from the folds it is not in.

    Parameters
    ----------
    fitter
        Prepares the rows to train on and those to test on, see :func:`standardised`.
    study
        Labels and folds.
    with_control
        Train on shuffled labels too.
    step
        Called after every fold.
    """
    guesses = np.zeros_like(study.labels)
    control = np.zeros((study.n_shuffles, len(guesses)), dtype=np.int64)
    chosen = []
    for (train, test), shuffles in zip(study.splits(), study.shuffles(), strict=True):
        labels, inner = study.labels[train], study.inner(train)
        guess, strengths = fitter(train[~inner], train[inner])
        right = np.array([np.sum(found == labels[inner]) for found in guess(labels[~inner], strengths)])
        chosen.append(best_of(strengths, right))
        guess, _ = fitter(train, test)
        guesses[test] = guess(labels, chosen[-1:])[0]
        if with_control:
            for row, shuffled in zip(control, shuffles, strict=True):
                row[test] = guess(shuffled, chosen[-1:])[0]
        step()
    return Guesses(guesses, control, chosen)


def standardised(
    features: Features, solver: Callable[[Features], Solver], confounds: Doubles | None = None
) -> Fitter:
    """Return what fits classifiers to some rows of a layer and guesses others, all standardised by the former.

    Parameters
    ----------
    features
        The vectors of one layer [shape=(units, dimensions)].
    solver
        Makes classifiers of standardised training features.
    confounds
        What is partialled out first [shape=(units, confounds)].
    """

    def fitter(train: Integers, test: Integers) -> tuple[Guess, tuple[float, ...]]:
        old, new = features[train].astype(np.float64), features[test].astype(np.float64)
        if confounds is not None:
            level, bias = confounds[train].mean(axis=0), old.mean(axis=0)
            slope = np.linalg.lstsq(confounds[train] - level, old - bias, rcond=None)[0]
            old -= (confounds[train] - level) @ slope
            new -= (confounds[test] - level) @ slope
        return fit_and_guess(old, new, solver)

    return fitter


def fit_and_guess(
    old: Doubles, new: Doubles, solver: Callable[[Features], Solver]
) -> tuple[Guess, tuple[float, ...]]:
    """Standardise by the training vectors; return what learns their labels and guesses the new ones'.

    Parameters
    ----------
    old, new
        Vectors to train on and to test on [shape=(units, dimensions)] each.
    solver
        Makes classifiers of standardised training features.

    Returns
    -------
    guess, strengths
        A function of the training labels and of regularisers that gives guesses for each, and the regularisers
        to choose from.
    """
    mean = old.mean(axis=0)
    spread = scale_of(mean, old.std(axis=0))
    solved = solver(((old - mean) / spread).astype(np.float32))
    scaled = ((new - mean) / spread).astype(np.float32)

    def guess(labels: Integers, strengths: Sequence[float]) -> list[Integers]:
        present, numbers = np.unique(labels, return_inverse=True)
        fitted = solved.fit(numbers.astype(np.int64), len(present), strengths)
        return [present[classify(scaled).argmax(axis=1)] for classify in fitted]

    return guess, solved.strengths


def majority(study: Study) -> Integers:
    """Guess the most frequent label of the training folds."""
    guesses = np.zeros_like(study.labels)
    for train, test in study.splits():
        guesses[test] = np.bincount(study.labels[train]).argmax()
    return guesses
