"""Phones within words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from align.planted import LETTERS_HEARD, SAID, Planted, frames, utterance

import speechinterp as si
from speechinterp.align import AlignmentWarning
from speechinterp.errors import AlignmentError


def test_phones_fill_the_words_that_the_letters_found(both: Planted) -> None:
    u = utterance(LETTERS_HEARD, "no te da")
    found = si.align(both.letters, u, phone_model=both.phones, pronunciations=SAID)
    assert frames(found["words"], both.letters.grid) == [("no", 3, 12), ("te", 12, 20), ("da", 23, 31)]
    phones = frames(found["phones"], both.letters.grid)
    assert [label for label, *_ in phones] == ["n", "oʊ", "t", "e", "d", "aɪ"]
    assert [phones[i][1:] for i in (0, 1, 4, 5)] == [(3, 7), (7, 12), (23, 25), (25, 31)]
    assert phones[2][1] == 12
    assert phones[2][2] == phones[3][1] in range(13, 18)  # the model is silent there
    assert phones[3][2] == 20
    assert found.attrs["pronunciations"] == "lexicon"
    assert found.attrs["phone_model"] == both.phones.id
    assert "no_phones" not in found.attrs


def test_silent_frames_go_to_the_likelier_of_two_phones(planted: Planted) -> None:
    planted.hears([("n", 10)])
    planted.hears([("n", 2), ("_", 6), ("oʊ", 2)], phones=True)
    u = utterance([("n", 10)], "n")
    log_probs = planted.planted[id(planted.phones)]
    n, o = 7, 8  # in the vocabulary
    log_probs[2:5, n] += 1
    log_probs[5:8, o] += 1
    found = si.align(planted.letters, u, phone_model=planted.phones, pronunciations={"n": [("n", "oʊ")]})
    assert frames(found["phones"], planted.letters.grid) == [("n", 0, 5), ("oʊ", 5, 10)]


def test_the_pronunciation_with_the_best_path_is_taken(both: Planted) -> None:
    both.hears([("_", 13), ("t", 2), ("tʃ", 2), ("e", 3), ("_", 13)], phones=True)
    u = utterance(LETTERS_HEARD, "no te da")
    found = si.align(both.letters, u, phone_model=both.phones, pronunciations=SAID)
    assert found["phones"].labels == ["n", "oʊ", "t", "tʃ", "e", "d", "aɪ"]


def test_the_corpus_may_tell_which_phones_but_not_when(both: Planted) -> None:
    """Gold times are moved about within the word; nothing that is found depends on them."""
    words = si.Tier(
        "words", [si.Segment(0, 0.3, "no"), si.Segment(0.3, 0.4, "te"), si.Segment(0.5, 0.6, "da")]
    )
    found = []
    for shift in (0.0, 0.04):
        times = [
            (0, 0.2 - shift, "n"),
            (0.2 - shift, 0.3, "oʊ"),
            (0.3, 0.32 + shift, "t"),
            (0.32 + shift, 0.4, "e"),
        ]
        times += [(0.5, 0.52, "d"), (0.52, 0.6, "aɪ")]
        tiers = {"words": words, "phones": si.Tier("phones", [si.Segment(*t) for t in times])}
        u = utterance(LETTERS_HEARD, None, tiers=tiers)
        found.append(si.align(both.letters, u, phone_model=both.phones))
    assert dict(found[0]) == dict(found[1])
    assert found[0].attrs["pronunciations"] == "phones tier"
    assert found[0]["phones"].labels == ["n", "oʊ", "t", "e", "d", "aɪ"]


def test_words_too_short_for_their_phones_share_with_a_neighbour(planted: Planted) -> None:
    planted.hears([("n", 8), ("|", 1), ("o", 1), ("|", 1), ("e", 9)])
    planted.hears([("n", 6), ("t", 2), ("e", 2), ("t", 2), ("e", 8)], phones=True)
    u = utterance([("n", 20)], "n o e")
    said = {"n": [("n",)], "o": [("t", "e", "t")], "e": [("e",)]}
    found = si.align(planted.letters, u, phone_model=planted.phones, pronunciations=said)
    assert found["phones"].labels == ["n", "t", "e", "t", "e"]
    edges = {(w.start, w.end) for w in found["words"]}
    assert all(any(a <= p.start and p.end <= b for a, b in edges) for p in found["phones"])
    assert all(one.end == other.start for one, other in pairwise(found["phones"]))
    assert all(p.duration > 0 for p in found["phones"])


def test_more_phones_than_frames_are_refused(planted: Planted) -> None:
    planted.hears([("n", 2), ("|", 1), ("o", 2)])
    planted.hears([("n", 5)], phones=True)
    said = {"n": [("n", "t", "n")], "o": [("t", "e", "t")]}
    with pytest.raises(AlignmentError, match="'a/b': 1 frames fewer than its phones need"):
        si.align(
            planted.letters, utterance([("n", 5)], "n o"), phone_model=planted.phones, pronunciations=said
        )


def test_words_without_pronunciation_have_no_phones_and_that_is_said(both: Planted) -> None:
    u = utterance(LETTERS_HEARD, "no te da")
    with pytest.warns(AlignmentWarning, match="no pronunciation of te, da"):
        found = si.align(both.letters, u, phone_model=both.phones, pronunciations={"no": [("n", "oʊ")]})
    assert found["phones"].labels == ["n", "oʊ"]
    assert found["words"].labels == ["no", "te", "da"]


def test_phones_that_the_model_does_not_write_are_named(both: Planted) -> None:
    u = utterance(LETTERS_HEARD, "no te da")
    lexicon = {"no": [("n", "ɜː")], "te": [("t", "ɛ")], "da": [("d", "ɑ")]}
    with pytest.warns(AlignmentWarning, match="does not write .*ɜː.*It writes"):
        found = si.align(both.letters, u, phone_model=both.phones, pronunciations=lexicon)
    assert "ɜː" in found["phones"].labels
