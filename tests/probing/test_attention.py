"""Attention finds the frames that tell the label; with none to find it is mean pooling."""

import numpy as np
import pandas as pd
import pytest
import torch
from planted import score_of

from speechinterp.errors import ProbeError
from speechinterp.probing import probe_utterances
from speechinterp.probing.attention import _logits
from speechinterp.representations import Representations


def frames(n_utterances=96, length=30, seed=0):
    """One frame of each utterance, marked by dimension 0, tells its label; all others are noise of all labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_utterances) % 3
    owner = np.repeat(np.arange(n_utterances), length)
    n = len(owner)
    codes = 4 * np.eye(3)[rng.integers(3, size=n)]
    key = np.arange(n_utterances) * length + rng.integers(length, size=n_utterances)
    codes[key] = 4 * np.eye(3)[labels]
    marked = np.zeros((n, 1))
    marked[key] = 6
    vectors = np.concatenate([marked, codes, rng.normal(size=(n, 4))], axis=1) + 0.1 * rng.normal(size=(n, 8))
    units = pd.DataFrame(
        {
            "utterance": [f"s{i % 8}/u{i:03d}" for i in owner],
            "speaker": [f"s{i % 8}" for i in owner],
            "label": "",
            "start": (np.arange(n) % length) * 0.02,
            "end": (np.arange(n) % length) * 0.02 + 0.02,
            "intent": np.array(["on", "off", "up"])[labels[owner]],
        }
    )
    order = rng.permutation(n)
    return Representations.of(units.iloc[order], vectors[order].astype(np.float32)[None])


@pytest.fixture(scope="module")
def scores():
    return probe_utterances(frames(), "intent", n_folds=2)


def test_attention_finds_the_frame_that_averaging_drowns(scores):
    assert score_of(scores)[0] > 0.8
    assert score_of(scores, baseline="mean-pooling")[0] < 0.65
    assert score_of(scores, baseline="shuffled-labels")[0] < 0.55
    assert set(scores.n_test) == {96}


def test_pooling_is_the_formula():
    rng = np.random.default_rng(0)
    owner = np.array([0, 1, 0, 1, 1])
    x, q, w, b = (rng.normal(size=size) for size in ((5, 3), 3, (3, 2), 2))
    expected = []
    for utterance in (0, 1):
        mine = x[owner == utterance]
        share = np.exp(mine @ q) / np.exp(mine @ q).sum()
        expected.append((share[:, None] * mine).sum(axis=0) @ w + b)
    given = (torch.tensor(part, dtype=torch.float32) for part in (x, q, w, b))
    known, *weights = given
    assert _logits(known, torch.tensor(owner), 2, tuple(weights)).numpy() == pytest.approx(
        np.array(expected), abs=1e-5
    )


def test_the_order_of_rows_does_not_matter(scores):
    reps = frames()
    order = np.random.default_rng(9).permutation(len(reps))
    other = Representations.of(reps.units.iloc[order], reps.layer(0)[order][None])
    again = probe_utterances(other, "intent", n_folds=2)
    assert again.score.to_numpy() == pytest.approx(scores.score.to_numpy(), abs=0.03)


def test_labels_of_units_are_refused():
    reps = frames()
    units = reps.units.assign(phone=np.random.default_rng(0).choice(["a", "b"], len(reps)))
    with pytest.raises(ProbeError, match="phone differs within 96 utterances"):
        probe_utterances(Representations.of(units, reps.layer(0)[None]), "phone")
    with pytest.raises(ProbeError, match="no column 'emotion'"):
        probe_utterances(reps, "emotion")
