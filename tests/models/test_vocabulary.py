"""Vocabulary: symbols, texts, and the form in which they are scored."""

from __future__ import annotations

import pytest
from tiny import shared_model, tiny_model
from tiny_vocabulary import LETTERS, PHONES, reading_model

from speechinterp.errors import ModelError


def test_letters():
    vocabulary = reading_model("data2vec-ctc").vocabulary
    assert vocabulary.kind == "letters"
    assert vocabulary.symbols == LETTERS
    assert vocabulary.special == {0, 1, 2, 3}
    ids = vocabulary.ids("don't ado")
    assert [LETTERS[i] for i in ids] == list("don't|ado")
    assert vocabulary.text([0, 4, *ids, 4, 0, 3]) == "don't ado"


def test_phones():
    vocabulary = reading_model("data2vec-ctc", phones=True).vocabulary
    assert vocabulary.kind == "phones"
    assert vocabulary.delimiter is None
    assert vocabulary.text(vocabulary.ids("tʃ aɪ t")) == "tʃ aɪ t"
    assert vocabulary.ids("tʃ aɪ") == [PHONES.index("tʃ"), PHONES.index("aɪ")]


def test_pieces():
    vocabulary = reading_model("whisper").vocabulary
    assert vocabulary.kind == "pieces"
    assert vocabulary.special == {0, 1, 2, 3, 4}
    assert vocabulary.text([4, 7, 9, 3]) == "w7 w9"
    assert vocabulary.ids("w7 w9") == [7, 9]


def test_letters_are_normalised_to_what_the_head_can_write():
    vocabulary = reading_model("data2vec-ctc").vocabulary
    assert vocabulary.normalise("Don’t-Note,  a\tDot!") == "don't note a dot"
    assert vocabulary.normalise("don't z'a") == "don't 'a"


def test_pieces_are_normalised_by_the_rules_of_whisper():
    vocabulary = reading_model("whisper").vocabulary
    said = "Um, Mr. Smith won't pay twenty-five dollars!"
    assert vocabulary.normalise(said) == "mister smith will not pay $25"
    assert vocabulary.normalise("Hé, wie won't?", "nl") == "hé wie won t"


def test_a_letter_that_the_head_does_not_know():
    with pytest.raises(ModelError, match=r"'z'.*vocabulary.normalise"):
        reading_model("data2vec-ctc").vocabulary.ids("zot")


@pytest.mark.parametrize("name", ["hubert", "hubert-pre-class", "whisper-class"])
def test_models_that_do_not_write(name):
    with pytest.raises(ModelError, match=r"does not write text.*demo/wav2vec2"):
        _ = shared_model(name).vocabulary


def test_a_model_without_a_tokenizer():
    with pytest.raises(ModelError, match=r"without a tokenizer.*read_tokenizer"):
        _ = tiny_model("whisper").vocabulary


def test_twins_and_exact_copies_keep_the_vocabulary():
    model = reading_model("wav2vec2-pre-ctc")
    assert model.random_twin().vocabulary.symbols == LETTERS
    model.module.bfloat16()
    assert model.exact().vocabulary.symbols == LETTERS
