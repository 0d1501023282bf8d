"""Labels as strings and as bundles of features."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import speechinterp as si
from speechinterp.errors import AnnotationError
from speechinterp.representations import Representations


@cache
def distance(a, b):
    """Count edits by trying all three."""
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=6))
def test_strings_are_as_alike_as_few_edits_make_them(words):
    table = si.similarity.edit_similarity(words)
    for a in table.index:
        for b in table.columns:
            assert table.loc[a, b] == pytest.approx(1 - distance(a, b) / max(len(a), len(b)))


def test_phones_count_as_symbols_where_labels_are_phone_strings():
    table = si.similarity.edit_similarity(["k ae t", "ae t", "sh iy"])
    assert table.loc["k ae t", "ae t"] == pytest.approx(2 / 3)
    assert table.loc["k ae t", "sh iy"] == 0


def test_phones_share_features():
    table = si.similarity.feature_similarity(["p", "b", "iy", "m"], "timit39")
    assert table.loc["p", "p"] == 1
    assert table.loc["p", "b"] == pytest.approx(2 / 3)  # manner and place, not voicing
    assert table.loc["b", "m"] == pytest.approx(2 / 3)
    assert table.loc["p", "iy"] < 0.2
    assert np.allclose(table, table.T)
    columns = si.similarity.feature_table(["p", "b", "iy"], "timit39")
    assert columns.loc["p", "manner: plosive"] == columns.loc["b", "manner: plosive"] == 1
    assert columns.loc["iy", "manner: plosive"] == 0
    with pytest.raises(AnnotationError):
        si.similarity.feature_table(["zz"], "timit39")


def test_words_are_spelled_in_the_phones_they_hold():
    corpus = si.load_corpus("demo?type=command")[:2]
    words = [
        {"utterance": id_, "start": w.start, "end": w.end, "label": w.label}
        for id_ in corpus.ids
        for w in corpus[id_].tier("words")
    ]
    units = pd.DataFrame(words)
    reps = Representations.of(units, np.zeros((1, len(units), 2), np.float32))
    strings = si.similarity.phones_within(reps, corpus)
    every = [p.label for id_ in corpus.ids for p in corpus[id_].tier("phones")]
    assert " ".join(strings).split() == every
