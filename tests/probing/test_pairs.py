"""Pairs: whether two units are alike is read from their products, and pairs stay within utterances."""

import numpy as np
import pandas as pd
import pytest
from planted import planted, score_of

import speechinterp as si
from speechinterp.errors import ProbeError
from speechinterp.probing import adjacent_pairs, edges
from speechinterp.representations import Representations


def test_alike_or_not_is_read_though_no_single_unit_tells():
    reps = planted((0.0, 3.0), n=960, classes=2, dimensions=6)
    pairs = adjacent_pairs(reps.units, "label")
    assert len(pairs) == 960 - 96
    scores = si.probe(edges(reps, pairs), probe="lda")
    assert score_of(scores)[1] > 0.95
    assert score_of(scores)[0] < 0.6
    single = Representations.of(
        reps.units.iloc[pairs["first"]].assign(label=pairs.label.to_numpy()),
        reps.layer(1)[pairs["first"]][None],
    )
    assert score_of(si.probe(single, probe="lda"))[0] < 0.6


def test_pairs_hold_both_vectors_and_their_products():
    reps = planted((1.0,), n=40, dimensions=3)
    pairs = pd.DataFrame(
        {"first": [3, 5], "second": [1, 6], "label": ["head", "modifier"], "distance": [2, 1]}
    )
    made = edges(reps, pairs)
    x = reps.layer(0)
    centred = x - x.mean(axis=0)
    assert made.layer(0)[0] == pytest.approx(np.r_[x[3], x[1], centred[3] * centred[1]], abs=1e-6)
    assert made.units.label.tolist() == ["head", "modifier"]
    assert made.units.distance.tolist() == [2, 1]
    assert made.units.loc[0, ["start", "end"]].tolist() == pytest.approx([0.1, 0.4])


def test_units_without_a_target_and_ends_of_utterances_make_no_pair():
    units = pd.DataFrame(
        {
            "utterance": ["b", "a", "a", "a", "b"],
            "start": [1.0, 2.0, 0.0, 1.0, 0.0],
            "end": [2.0, 3.0, 1.0, 2.0, 1.0],
            "words": ["x", "y", "y", None, "z"],
        }
    )
    pairs = adjacent_pairs(units, "words")
    assert pairs[["first", "second"]].to_numpy().tolist() == [[4, 0]]
    assert pairs.label.tolist() == ["different"]


def test_bad_pairs_are_refused():
    reps = planted((1.0,), n=40)
    with pytest.raises(ProbeError, match="without label"):
        edges(reps, pd.DataFrame({"first": [0], "second": [1]}))
    with pytest.raises(ProbeError, match="1 pairs of 40 units"):
        edges(reps, pd.DataFrame({"first": [0], "second": [40], "label": "x"}))
    with pytest.raises(ProbeError, match="1 pairs are of two utterances"):
        edges(reps, pd.DataFrame({"first": [9], "second": [10], "label": "x"}))
    with pytest.raises(ProbeError, match="no column 'words'"):
        adjacent_pairs(reps.units, "words")
