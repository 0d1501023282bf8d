"""Description length: the code is a code, random labels cost the uniform code, and easy labels cost less."""

import numpy as np
import pytest
from planted import planted, score_of

from speechinterp.probing import description_length
from speechinterp.probing.mdl import SHARES, bits


@pytest.fixture(scope="module")
def scores():
    return description_length(planted((0.0, 0.5, 3.0), n=600, dimensions=8))


def test_random_labels_cost_the_uniform_code():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(800, 20)).astype(np.float32), rng.integers(5, size=800)
    cost, uniform = bits(features, labels).sum(), 800 * np.log2(5)
    assert cost <= uniform + np.log2(7) + 1e-6, "a mixture of seven experts, one of them uniform"
    assert cost == pytest.approx(uniform, rel=0.01)


def test_no_code_is_much_longer_than_the_uniform_one(scores):
    extra = scores[scores.metric == "codelength"].score - scores.attrs["uniform_codelength"]
    assert extra.max() <= np.log2(7) + 1e-6


def test_stronger_layers_compress_more_and_shuffled_labels_nothing(scores):
    found = score_of(scores, "compression")
    assert found[0] == pytest.approx(1, abs=0.03)
    assert found[0] < found[1] < found[2]
    assert found[2] > 2
    assert score_of(scores, "compression", "shuffled-labels").to_numpy() == pytest.approx(1, abs=0.03)
    length = score_of(scores, "codelength")
    assert length.to_numpy() == pytest.approx(scores.attrs["uniform_codelength"] / found.to_numpy())
    row = scores[(scores.metric == "compression") & (scores.layer == 2) & (scores.baseline == "none")].iloc[0]
    assert row.ci_low < row.score < row.ci_high


def test_probabilities_of_every_label_sum_to_one():
    """What the last unit would have cost with each label: the code wastes no probability and invents none."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(60, 3)).astype(np.float32)
    labels = rng.integers(4, size=60)
    labels[:4] = range(4)
    total = 0.0
    for last in range(4):
        labels[-1] = last
        total += 2 ** -bits(features, labels)[-1]
    assert total == pytest.approx(1, abs=1e-6)


def test_label_counts_alone_are_the_majority_row():
    rng = np.random.default_rng(2)
    labels = rng.choice(3, 1000, p=[0.9, 0.05, 0.05])
    cost = bits(np.zeros((1000, 0), np.float32), labels).mean()
    entropy = -sum(p * np.log2(p) for p in (0.9, 0.05, 0.05))
    assert entropy - 0.1 < cost < entropy + 0.15


def test_blocks_grow_to_the_end(scores):
    assert scores.attrs["blocks"][-1] == 600
    assert len(scores.attrs["blocks"]) <= len(SHARES)


def test_another_order_is_another_code_of_about_the_same_length():
    reps = planted((2.0,), n=400)
    one, other = (
        score_of(description_length(reps, folds=folds), "codelength")[0] for folds in ("speaker", "random")
    )
    assert one != other
    assert one == pytest.approx(other, rel=0.25)
