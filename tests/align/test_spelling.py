"""Words as symbols of a CTC head."""

from __future__ import annotations

import pytest
from tiny_vocabulary import LETTERS, ctc_tokenizer

from speechinterp.align.spelling import spell
from speechinterp.errors import AlignmentError
from speechinterp.models.vocabulary import Vocabulary

LOWER = Vocabulary(ctc_tokenizer(LETTERS), len(LETTERS), "letters", 0)
UPPER_NAMES = tuple(s.upper() if len(s) == 1 else s for s in LETTERS)
UPPER = Vocabulary(ctc_tokenizer(UPPER_NAMES), len(LETTERS), "letters", 0)
BARE = Vocabulary(ctc_tokenizer(tuple(s for s in LETTERS if s not in "|'")), len(LETTERS) - 2, "letters", 0)


def written(words: list[str], vocabulary: Vocabulary) -> str:
    spelt = spell(words, vocabulary, "a")
    return "".join("*" if s >= vocabulary.size else vocabulary.symbols[s] for s in spelt.symbols)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["Add", "ONE"], "add|one"),
        (["don't"], "don't"),
        (["don’t"], "don't"),
        (["été"], "ete"),
        (["o-o"], "oo"),
        (["tax", "1984"], "ta*|*"),
        (["хлеб", "no"], "*|no"),
        (["naßo"], "na*o"),
    ],
)
def test_words_are_spelled_as_the_vocabulary_can(words: list[str], expected: str) -> None:
    assert written(words, LOWER) == expected
    assert written(words, UPPER) == expected.upper()


def test_punctuation_and_delimiters_that_the_vocabulary_lacks_are_silent() -> None:
    assert written(["don't", "add"], BARE) == "dontadd"


def test_every_symbol_knows_its_word_and_stars_take_turns() -> None:
    spelt = spell(["a", "7", "8", "no"], BARE, "a")
    assert spelt.word_of == (0, 1, 2, 3, 3)
    assert spelt.symbols[1] != spelt.symbols[2]
    assert min(spelt.symbols[1:3]) >= BARE.size
    assert spelt.unknown == ("7", "8")


def test_nothing_in_the_vocabulary_is_refused() -> None:
    with pytest.raises(
        AlignmentError, match=r"x/y: nothing of 'кот', '12' is in the vocabulary.*another language"
    ):
        spell(["кот", "12"], LOWER, "x/y")
