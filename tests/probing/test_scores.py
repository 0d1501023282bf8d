"""Metrics and intervals agree with scikit-learn and with a bootstrap written as a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from speechinterp.probing.scores import Counts, intervals, metrics, resamples


def guesses(seed, units=400, clusters=10, classes=5):
    rng = np.random.default_rng(seed)
    labels = np.r_[
        np.arange(classes), rng.choice(classes, units - classes, p=rng.dirichlet(np.ones(classes)))
    ]
    cluster = np.r_[np.arange(clusters), rng.integers(clusters, size=units - clusters)]
    guess = np.where(rng.random(units) < 0.4 + 0.04 * cluster, labels, rng.integers(classes, size=units))
    return guess, labels, cluster


@given(st.integers(0, 10**6))
def test_metrics_agree_with_scikit_learn(seed):
    guess, labels, cluster = guesses(seed, units=60)
    counts = Counts.of(guess == labels, labels, cluster)
    accuracy, balanced = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
    assert accuracy == pytest.approx(accuracy_score(labels, guess))
    assert balanced == pytest.approx(balanced_accuracy_score(labels, guess))


def test_counts_are_by_cluster_and_class():
    counts = Counts.of(np.array([True, False, True]), np.array([0, 1, 1]), np.array([1, 0, 0]))
    assert counts.every.tolist() == [[0, 2], [1, 0]]
    assert counts.right.tolist() == [[0, 1], [1, 0]]


def test_resamples_draw_as_many_clusters_as_there_are_and_repeat():
    drawn = resamples(7, seed=1)
    assert drawn.shape == (1000, 7)
    assert set(drawn.sum(axis=1)) == {7}
    assert drawn.mean() == pytest.approx(1)
    assert np.array_equal(drawn, resamples(7, seed=1))
    assert not np.array_equal(drawn, resamples(7, seed=2))


def test_intervals_agree_with_a_bootstrap_of_units_cluster_by_cluster():
    guess, labels, cluster = guesses(0)
    drawn = resamples(10, seed=0)
    slow = []
    for times in drawn:
        rows = np.concatenate([np.flatnonzero(cluster == c) for c in range(10) for _ in range(int(times[c]))])
        slow.append((guess[rows] == labels[rows]).mean())
    low, high = intervals(Counts.of(guess == labels, labels, cluster), drawn, confidence=0.9)
    assert (low[0], high[0]) == pytest.approx(tuple(np.quantile(slow, [0.05, 0.95])))


@given(st.integers(0, 1000))
def test_more_confidence_is_wider_and_around_the_score(seed):
    guess, labels, cluster = guesses(seed)
    counts, drawn = Counts.of(guess == labels, labels, cluster), resamples(10, seed=0)
    score = metrics(counts.right.sum(axis=0), counts.every.sum(axis=0))
    narrow, wide = intervals(counts, drawn, 0.5), intervals(counts, drawn, 0.99)
    assert (wide[0] <= narrow[0]).all()
    assert (narrow[1] <= wide[1]).all()
    assert (wide[0] <= score).all()
    assert (score <= wide[1]).all()


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(120):
        chance = np.clip(rng.normal(0.6, 0.1, size=30), 0, 1)
        cluster = np.repeat(np.arange(30), 40)
        right = rng.random(1200) < chance[cluster]
        low, high = intervals(Counts.of(right, np.zeros(1200, int), cluster), resamples(30, seed=0), 0.9)
        held.append(low[0] <= 0.6 <= high[0])
    assert 0.8 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(("rare_right", "score"), [(True, 40 / 41), (False, 1 / 41)])
def test_a_class_that_a_resample_lacks_keeps_its_recall(rare_right, score):
    """Forty classes of one unit each: a third of them is missing from every resample."""
    labels = np.r_[np.zeros(200, int), np.arange(1, 41)]
    counts = Counts.of((labels > 0) == rare_right, labels, np.arange(240) % 12)
    low, high = intervals(counts, resamples(12, seed=0), 0.95)
    assert low[1] == pytest.approx(score)
    assert high[1] == pytest.approx(score)


def test_one_cluster_has_no_interval():
    counts = Counts.of(np.array([True, False]), np.array([0, 1]), np.array([0, 0]))
    assert np.isnan(intervals(counts, resamples(1, seed=0), 0.95)).all()
