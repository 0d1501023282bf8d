"""Ridge and linear discriminants agree with scikit-learn."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.linear_model import RidgeClassifier

from speechinterp.errors import ProbeError
from speechinterp.probing.closed_form import LinearDiscriminant, Ridge


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    labels = np.r_[np.arange(6), rng.choice(6, 394, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05])]
    hidden = rng.normal(size=(6, 8))[labels] + rng.normal(size=(400, 8))
    features = hidden @ rng.normal(size=(8, 30)) + 0.1 * rng.normal(size=(400, 30)) + 3
    return features.astype(np.float32), labels


@pytest.mark.parametrize("alpha", Ridge.strengths)
def test_ridge_agrees_with_scikit_learn(problem, alpha):
    features, labels = problem
    doubles = features.astype(float)
    ((weights, level),) = Ridge(features).fit(labels, 6, [alpha])
    theirs = RidgeClassifier(alpha=alpha).fit(doubles, labels)
    assert doubles @ weights + level == pytest.approx(theirs.decision_function(doubles), abs=1e-9)


def test_ridge_on_one_hot_targets_makes_the_same_decisions(problem):
    features, labels = problem
    ((weights, level),) = Ridge(features).fit(labels, 6, [10.0])
    theirs = SklearnRidge(alpha=10.0).fit(features.astype(float), np.eye(6)[labels]).predict(features)
    assert np.array_equal((features @ weights + level).argmax(axis=1), theirs.argmax(axis=1))


def test_one_factorisation_serves_other_labels(problem):
    features, labels = problem
    other = np.random.default_rng(1).permutation(labels)
    solver = Ridge(features)
    solver.fit(labels, 6, [1.0])
    ((weights, level),) = solver.fit(other, 6, [1.0])
    theirs = RidgeClassifier(alpha=1.0).fit(features.astype(float), other)
    assert features.astype(float) @ weights + level == pytest.approx(
        theirs.decision_function(features), abs=1e-4
    )


@pytest.mark.parametrize("shrinkage", LinearDiscriminant.strengths)
def test_discriminants_agree_with_scikit_learn(problem, shrinkage):
    features, labels = problem
    doubles = features.astype(float)
    ((weights, level),) = LinearDiscriminant(features).fit(labels, 6, [shrinkage])
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(doubles, labels)
    assert weights == pytest.approx(theirs.coef_.T, rel=1e-7, abs=1e-8)
    assert level == pytest.approx(theirs.intercept_, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("solver", [Ridge, LinearDiscriminant])
def test_a_path_is_the_fits_one_by_one(problem, solver):
    features, labels = problem
    path = solver(features).fit(labels, 6, solver.strengths)
    for strength, fit in zip(solver.strengths, path, strict=True):
        alone = solver(features).fit(labels, 6, [strength])[0]
        assert np.array_equal(fit[0], alone[0])
        assert np.array_equal(fit[1], alone[1])


@pytest.mark.parametrize("solver", [Ridge, LinearDiscriminant])
def test_more_dimensions_than_units(solver):
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 3
    features = (rng.normal(size=(24, 60)) + 2 * np.eye(3, 60)[labels]).astype(np.float32)
    for weights, level in solver(features).fit(labels, 3, solver.strengths):
        assert np.isfinite(weights).all()
        assert np.isfinite(level).all()
    assert np.array_equal((features @ weights + level).argmax(axis=1), labels)


def test_discriminants_need_variation_within_classes():
    with pytest.raises(ProbeError, match="differs from the others of its class"):
        LinearDiscriminant(np.eye(3, dtype=np.float32)).fit(np.arange(3), 3, [0.1])
