"""Control tasks: types are learnt by heart where vectors tell types, and nothing is where they tell nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from planted import planted, score_of

import speechinterp as si
from speechinterp.errors import ProbeError
from speechinterp.probing.control_task import control_labels
from speechinterp.representations import Representations


@pytest.fixture(scope="module")
def reps():
    """40 word types of two classes; layer 0 tells words, layer 1 tells classes only."""
    rng = np.random.default_rng(0)
    base = planted((0.0,), n=1600, classes=2)
    word = rng.integers(40, size=1600)
    kind = word % 2
    words = 3 * rng.normal(size=(40, 50))[word] + 4 * np.outer(kind, np.ones(50))
    classes = 3 * np.outer(kind, np.ones(50))
    vectors = np.stack([words, classes]) + rng.normal(size=(2, 1600, 50))
    units = base.units.assign(word=[f"w{i}" for i in word], kind=np.array(["noun", "verb"])[kind])
    return Representations.of(units, vectors.astype(np.float32))


def test_selectivity_is_low_where_words_are_learnt_by_heart(reps):
    scores = si.probe(reps, "kind", probe="lda", types="word")
    accuracy, control = score_of(scores), score_of(scores, baseline="control-task")
    selective = score_of(scores, "selectivity")
    assert accuracy.min() > 0.95
    assert selective.to_numpy() == pytest.approx((accuracy - control).to_numpy())
    assert selective[0] < 0.2 < 0.3 < selective[1]
    assert scores.attrs["types"] == "word"


@pytest.mark.parametrize("kind", ["ridge", "logistic"])
def test_selectivity_of_shuffled_representations_is_about_zero(reps, kind):
    order = np.random.default_rng(3).permutation(len(reps))
    shuffled = Representations.of(reps.units, np.stack([reps.layer(layer)[order] for layer in (0, 1)]))
    scores = si.probe(shuffled, "kind", probe=kind, types="word")
    assert score_of(scores, "selectivity").to_numpy() == pytest.approx(0, abs=0.07)
    low = scores[scores.metric == "selectivity"].ci_low
    assert (low < 0.02).all()


def test_a_type_has_one_label_everywhere_drawn_by_frequency(reps):
    labels = pd.factorize(reps.units.kind)[0]
    control = control_labels(reps.units, labels, "word", 0)
    assert (pd.Series(control).groupby(reps.units.word).nunique() == 1).all()
    assert not np.array_equal(control, control_labels(reps.units, labels, "word", 1))
    many = reps.units.assign(word=np.arange(1600))
    skewed = np.random.default_rng(0).choice(3, 1600, p=[0.7, 0.2, 0.1])
    assert np.bincount(control_labels(many, skewed, "word", 0)) / 1600 == pytest.approx(
        [0.7, 0.2, 0.1], abs=0.04
    )


def test_bad_types_are_refused(reps):
    with pytest.raises(ProbeError, match=r"no column 'lemma'.*types='label'"):
        si.probe(reps, "kind", probe="ridge", types="lemma")
    one = replace(reps, units=reps.units.assign(all="x"))
    with pytest.raises(ProbeError, match="got one and the same label"):
        si.probe(one, "kind", probe="ridge", types="all")
