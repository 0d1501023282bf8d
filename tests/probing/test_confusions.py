"""Confusions are the guesses behind the accuracy, counted."""

import numpy as np
import pytest
from planted import planted, score_of

import speechinterp as si
from speechinterp.errors import ProbeError
from speechinterp.probing import confusions


@pytest.mark.parametrize("kind", ["logistic", "lda"])
def test_the_diagonal_is_the_accuracy_of_the_probe(kind):
    reps = planted((0.0, 1.0))
    scores = si.probe(reps, probe=kind)
    for layer in (0, 1):
        table = confusions(reps, layer, probe=kind)
        share = np.trace(table) / table.to_numpy().sum()
        assert share == pytest.approx(score_of(scores)[layer])
        recall = np.diag(table) / table.sum(axis=1)
        assert recall.mean() == pytest.approx(score_of(scores, "balanced_accuracy")[layer])


def test_labels_that_are_the_same_to_the_layer_are_confused_with_each_other_only():
    reps = planted((6.0,), classes=3)
    twins = reps.units.label.to_numpy().copy()
    rng = np.random.default_rng(0)
    split = (twins == "a") & (rng.random(len(twins)) < 0.5)
    reps.units["label"] = np.where(split, "b", twins)
    table = confusions(reps, 0, probe="lda")
    assert table.index.tolist() == table.columns.tolist() == ["a", "b", "i", "u"]
    assert table.to_numpy().sum() == len(reps)
    assert table.loc[["a", "b"], ["i", "u"]].to_numpy().sum() == 0
    assert table.loc["a", "b"] > 10
    assert table.loc["b", "a"] > 10
    assert table.loc["i", "i"] == (reps.units.label == "i").sum()
    assert (table.attrs["layer"], table.attrs["probe"]) == (0, "lda")


def test_what_does_not_exist_is_said():
    with pytest.raises(ProbeError, match="There is no layer 7"):
        confusions(planted(), 7)
    with pytest.raises(ProbeError, match="probe"):
        confusions(planted(), 0, probe="tree")
