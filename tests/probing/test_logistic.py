"""Logistic regression agrees with scikit-learn, and with the theorems about its optimum."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from speechinterp.probing.logistic import Logistic


def objective(features, labels, strength, weights, intercepts):
    """Compute the penalised loss in double precision, from its definition."""
    logits = features.astype(float) @ weights + intercepts
    logits -= logits.max(axis=1, keepdims=True)
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -strength * np.log(chance[np.arange(len(labels)), labels]).sum() + 0.5 * np.sum(weights**2)


def reference(features, labels, strength):
    with threadpool_limits(1):
        model = LogisticRegression(C=strength, tol=1e-5, max_iter=5000).fit(features.astype(float), labels)
    if len(model.classes_) == 2:
        half = model.coef_.T / 2  # scikit-learn's two-class form has one weight vector, penalised alone
        return np.hstack([-half, half]), np.hstack([-model.intercept_ / 2, model.intercept_ / 2])
    return model.coef_.T, model.intercept_


def random_problem(seed, units=300, dimensions=12, classes=5):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(classes), rng.integers(classes, size=units - classes)]
    features = rng.normal(size=(units, dimensions)) + 0.7 * rng.normal(size=(classes, dimensions))[labels]
    return features.astype(np.float32), labels


def speech_like_problem(seed, units=1500, dimensions=96, classes=20):
    """Make correlated features of low rank, rare classes and one dimension of far larger variance."""
    rng = np.random.default_rng(seed)
    labels = np.r_[
        np.arange(classes), rng.choice(classes, units - classes, p=rng.dirichlet(np.ones(classes)))
    ]
    hidden = rng.normal(size=(classes, 20))[labels] + 1.5 * rng.normal(size=(units, 20))
    features = hidden @ (rng.normal(size=(20, dimensions)) * np.exp(-np.arange(20) / 6)[:, None])
    features += 0.1 * rng.normal(size=features.shape)
    features[:, 3] *= 40
    return ((features - features.mean(0)) / features.std(0)).astype(np.float32), labels


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("problem", [random_problem, speech_like_problem])
def test_objective_and_accuracy_agree_with_scikit_learn(problem, strength):
    features, labels = problem(0)
    new, true = features[1::3], labels[1::3]
    train = np.arange(len(labels)) % 3 != 1
    features, labels = features[train], labels[train]
    labels_there, labels = np.unique(labels, return_inverse=True)
    ((weights, level),) = Logistic(features).fit(labels, len(labels_there), [strength])
    theirs = reference(features, labels, strength)
    ours, best = (objective(features, labels, strength, *fit) for fit in [(weights, level), theirs])
    assert ours == pytest.approx(best, rel=1e-3)
    right = [
        np.mean(labels_there[(new @ fit[0] + fit[1]).argmax(axis=1)] == true)
        for fit in [(weights, level), theirs]
    ]
    assert abs(right[0] - right[1]) <= 0.003 + 1 / len(true)


def test_warm_starts_along_the_path_reach_the_same_optima_as_cold_ones():
    features, labels = speech_like_problem(1)
    solver = Logistic(features)
    path = solver.fit(labels, 20, Logistic.strengths)
    for strength, warm in zip(Logistic.strengths, path, strict=True):
        cold = solver.fit(labels, 20, [strength])[0]
        assert objective(features, labels, strength, *warm) == pytest.approx(
            objective(features, labels, strength, *cold), rel=1e-3
        )


def test_a_smaller_tolerance_comes_nearer_to_the_optimum():
    features, labels = speech_like_problem(2, units=600)
    values = [
        objective(features, labels, 1.0, *Logistic(features).fit(labels, 20, [1.0], tolerance)[0])
        for tolerance in (1e-1, 1e-3, 1e-6)
    ]
    best = objective(features, labels, 1.0, *reference(features, labels, 1.0))
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(best, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(1, 40), st.sampled_from([1e-3, 1e-1, 10.0]))
def test_the_gradient_is_zero_at_the_solution(seed, classes, dimensions, strength):
    features, labels = random_problem(seed, units=60, dimensions=dimensions, classes=classes)
    ((weights, level),) = Logistic(features).fit(labels, classes, [strength], tolerance=1e-9)
    w = torch.tensor(weights, requires_grad=True)
    b = torch.tensor(level, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(
        torch.tensor(features, dtype=torch.float64) @ w + b, torch.tensor(labels), reduction="sum"
    )
    value = strength * loss + 0.5 * (w**2).sum()
    value.backward()
    assert 0.5 * (w.grad**2).sum().item() <= 1e-3 * value.item()  # strong convexity: distance to the minimum
    assert b.grad.abs().max().item() <= 1e-2 * strength * len(labels)


def test_strong_regularisation_leaves_the_class_frequencies():
    features, labels = random_problem(3)
    ((weights, level),) = Logistic(features).fit(labels, 5, [1e-9])
    assert np.abs(weights).max() < 1e-4
    assert np.exp(level) / np.exp(level).sum() == pytest.approx(np.bincount(labels) / len(labels), abs=1e-4)


def test_separable_classes_and_more_dimensions_than_units():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(30, 80)).astype(np.float32), np.arange(30) % 3
    ((weights, level),) = Logistic(features).fit(labels, 3, [100.0])
    assert np.array_equal((features @ weights + level).argmax(axis=1), labels)
    best = objective(features, labels, 100.0, *reference(features, labels, 100.0))
    assert objective(features, labels, 100.0, weights, level) == pytest.approx(best, rel=1e-3)


def test_a_single_class_is_always_guessed():
    features, _ = random_problem(0)
    ((weights, _),) = Logistic(features).fit(np.zeros(len(features), int), 1, [1.0])
    assert weights.shape == (12, 1)
    assert not weights.any()


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    features, labels = random_problem(0)
    Logistic(features).fit(labels, 5, [1.0])
    assert torch.get_num_threads() == before


def test_an_unfinished_fit_says_so(monkeypatch):
    monkeypatch.setattr("speechinterp.probing.logistic.MAX_ROUNDS", 1)
    monkeypatch.setattr("speechinterp.probing.logistic.MAX_STEPS", 2)
    features, labels = random_problem(0)
    with pytest.warns(RuntimeWarning, match="C=1 did not reach its tolerance in 2 steps"):
        Logistic(features).fit(labels, 5, [1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Logistic(features).fit(labels, 5, [1.0], tolerance=1e6)
