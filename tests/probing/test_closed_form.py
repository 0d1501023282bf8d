"""Ridge and linear discriminants from sums agree with scikit-learn on the units themselves."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeClassifier

from speechinterp.errors import ProbeError
from speechinterp.probing.closed_form import InMemory, LinearDiscriminant, Ridge, explained
from speechinterp.representations import Statistics, indicator


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    labels = np.r_[np.arange(6), rng.choice(6, 394, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])]
    hidden = rng.normal(size=(6, 8))[labels] + rng.normal(size=(400, 8))
    features = hidden @ rng.normal(size=(8, 30)) + 0.1 * rng.normal(size=(400, 30)) + 3
    return features, labels


def sums(features, labels, n_classes=6):
    statistics = Statistics([("x", "x"), ("x", "labels")])
    statistics.add({"x": features, "labels": indicator(labels, n_classes)}, ["all"] * len(labels))
    return statistics.total


def standardised(features):
    return (features - features.mean(axis=0)) / features.std(axis=0)


@pytest.mark.parametrize("alpha", Ridge.strengths)
def test_ridge_agrees_with_scikit_learn(problem, alpha):
    features, labels = problem
    (ours,) = Ridge(sums(features, labels), "x").classify("labels", [alpha])
    scaled = standardised(features)
    theirs = RidgeClassifier(alpha=alpha).fit(scaled, labels)
    assert ours(features) == pytest.approx(theirs.decision_function(scaled), abs=1e-8)


@pytest.mark.parametrize("alpha", Ridge.strengths)
def test_regression_agrees_with_scikit_learn(problem, alpha):
    features, labels = problem
    targets = np.random.default_rng(1).normal(size=(400, 3)) @ [[1, 0], [2, 1], [0, 1]] + features[:, :2] + 50
    statistics = Statistics([("x", "x"), ("x", "y"), ("y", "y")])
    statistics.add({"x": features, "y": targets}, labels)
    (ours,) = Ridge(statistics.total, "x").fit("y", [alpha])
    scaled = standardised(features)
    assert ours(features) == pytest.approx(
        SklearnRidge(alpha=alpha).fit(scaled, targets).predict(scaled), abs=1e-8
    )


@pytest.mark.parametrize("shrinkage", LinearDiscriminant.strengths)
def test_discriminants_agree_with_scikit_learn(problem, shrinkage):
    features, labels = problem
    (ours,) = LinearDiscriminant(sums(features, labels), "x").classify("labels", [shrinkage])
    scaled = standardised(features)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(scaled, labels)
    assert ours(features) == pytest.approx(theirs.decision_function(scaled), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("kind", [Ridge, LinearDiscriminant])
def test_a_path_is_the_fits_one_by_one(problem, kind):
    moments = sums(*problem)
    path = kind(moments, "x").classify("labels", kind.strengths)
    for strength, fit in zip(kind.strengths, path, strict=True):
        alone = kind(moments, "x").classify("labels", [strength])[0]
        assert np.array_equal(fit.weights, alone.weights)
        assert np.array_equal(fit.level, alone.level)


@pytest.mark.parametrize("kind", [Ridge, LinearDiscriminant])
def test_a_class_without_training_units_is_never_guessed(problem, kind):
    features, labels = problem
    six = kind(sums(features, labels), "x").classify("labels", [0.1])[0](features)
    wider = np.array([0, 2, 3, 5, 6, 8])[labels]
    nine = kind(sums(features, wider, 9), "x").classify("labels", [0.1])[0](features)
    assert np.array_equal(nine.argmax(axis=1), np.array([0, 2, 3, 5, 6, 8])[six.argmax(axis=1)])
    assert (nine[:, [1, 4, 7]] == -np.inf).all()


@pytest.mark.parametrize("kind", [Ridge, LinearDiscriminant])
def test_more_dimensions_than_units(kind):
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    features = (rng.normal(size=(24, 60)) + 2 * np.eye(3, 60)[labels]).astype(np.float32)
    for linear in kind(sums(features, labels, 3), "x").classify("labels", kind.strengths):
        assert np.isfinite(linear.weights).all()
        assert np.isfinite(linear.level).all()
    assert np.array_equal(linear(features).argmax(axis=1), labels)


def test_in_memory_is_the_same(problem):
    features, labels = problem
    scaled = standardised(features).astype(np.float32)
    (ours,) = InMemory(scaled, LinearDiscriminant).fit(labels, 6, [0.1])
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(scaled.astype(float), labels)
    assert ours(scaled) == pytest.approx(theirs.decision_function(scaled), rel=1e-4, abs=1e-4)


def test_discriminants_need_variation_within_classes():
    with pytest.raises(ProbeError, match="differs from the others of its class"):
        InMemory(np.eye(3, dtype=np.float32), LinearDiscriminant).fit(np.arange(3), 3, [0.1])


def test_errors_of_a_regression_come_from_sums_over_units_it_has_not_seen(problem):
    features, _ = problem
    targets = (
        features[:, :3] @ [[1.0, 0], [0, 2], [1, 1]] + np.random.default_rng(3).normal(size=(400, 2)) + 7
    )
    statistics = Statistics([("x", "x"), ("x", "y")])
    statistics.add({"x": features, "y": targets}, np.arange(400) < 300)
    train, test = statistics.only([True]), statistics.only([False])
    (linear,) = Ridge(train, "x").fit("y", [1.0])
    error, total = explained(test, "x", "y", linear, train.mean("y"))
    assert error == pytest.approx(((targets[300:] - linear(features[300:])) ** 2).sum(axis=0))
    assert total == pytest.approx(((targets[300:] - targets[:300].mean(axis=0)) ** 2).sum(axis=0))
