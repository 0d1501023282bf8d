"""The MLP reads what no linear probe can, and its regulariser is its length of training."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from speechinterp.probing.mlp import MLP


@pytest.fixture(scope="module")
def xor():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1200, 5)).astype(np.float32)
    return features, ((features[:, 0] > 0) ^ (features[:, 1] > 0)).astype(np.int64)


def test_exclusive_or_is_read_as_well_as_by_scikit_learn(xor):
    features, labels = xor
    (found,) = MLP(features[:900]).fit(labels[:900], 2, [32])
    ours = np.mean(found(features[900:]).argmax(axis=1) == labels[900:])
    theirs = MLPClassifier(
        (128,), max_iter=32, batch_size=128, random_state=0, early_stopping=False, n_iter_no_change=99
    )
    with pytest.warns(UserWarning, match="Maximum iterations"):
        theirs.fit(features[:900], labels[:900])
    assert ours > 0.85
    assert ours > theirs.score(features[900:], labels[900:]) - 0.05


def test_one_run_gives_what_shorter_runs_give(xor):
    features, labels = xor
    path = MLP(features).fit(labels, 2, [2, 4, 8])
    for epochs, found in zip([2, 4, 8], path, strict=True):
        alone = MLP(features).fit(labels, 2, [epochs])[0]
        assert np.array_equal(found(features), alone(features))
    losses = [
        np.mean(np.logaddexp(*found(features).T) - found(features)[np.arange(1200), labels]) for found in path
    ]
    assert losses[0] > losses[1] > losses[2]


def test_the_seed_decides(xor):
    features, labels = xor
    first, again, other = (MLP(features, seed).fit(labels, 2, [2])[0](features) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)
