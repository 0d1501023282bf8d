"""Scalar mix: weight goes to the layer that holds the label, and the summaries are those of their formulas."""

import numpy as np
import pytest
from planted import planted, score_of
from sklearn.linear_model import LogisticRegression

from speechinterp.errors import ProbeError
from speechinterp.probing import mix_layers
from speechinterp.probing.layer_mix import ScalarMix, _expected


@pytest.fixture(scope="module")
def scores():
    return mix_layers(planted((0.0, 0.0, 2.0, 0.0), n=400, dimensions=8), n_folds=2)


def test_the_layer_that_holds_the_label_gets_the_weight(scores):
    weight = score_of(scores, "weight")
    assert weight.sum() == pytest.approx(1)
    assert weight.idxmax() == 2
    assert weight[2] > 0.6
    gravity = scores[scores.metric == "centre_of_gravity"].score.item()
    assert gravity == pytest.approx((weight * weight.index.astype(float)).sum())


def test_the_expected_layer_is_where_the_label_appears(scores):
    accuracy = score_of(scores)
    assert accuracy[1] < 0.4 < 0.9 < accuracy[2]
    expected = scores[scores.metric == "expected_layer"].iloc[0]
    gains = accuracy.diff().dropna()
    assert expected.score == pytest.approx((gains * gains.index.astype(float)).sum() / gains.sum())
    assert expected.score == pytest.approx(2, abs=0.3)
    assert expected.ci_low <= expected.score <= expected.ci_high


def test_shuffled_labels_are_at_chance(scores):
    assert scores[(scores.baseline == "shuffled-labels") & (scores.metric == "accuracy")].score.item() < 0.4


def test_expected_layers_weigh_gains_and_need_one():
    right = np.array([[10.0, 10, 30, 40], [10, 20, 20, 20], [10, 10, 10, 10]])
    found = _expected(right, np.array([0.0, 1, 2, 3]))
    assert found[:2] == pytest.approx([(2 * 20 + 3 * 10) / 30, 1])
    assert np.isnan(found[2])


def test_one_layer_is_scikit_learns_logistic_regression():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    features = (rng.normal(size=(3, 5))[labels] + rng.normal(size=(300, 5))).astype(np.float32)
    ours = ScalarMix(features[None]).fit(labels, 3, 0.1)
    theirs = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(features.astype(float), labels)
    probabilities = np.exp(ours(features[None]))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    assert probabilities == pytest.approx(theirs.predict_proba(features), abs=2e-3)
    assert ours.shares == pytest.approx([1])


def test_one_layer_cannot_be_mixed():
    with pytest.raises(ProbeError, match="1 layer to mix"):
        mix_layers(planted((1.0,)))
