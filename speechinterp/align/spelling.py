"""Spelling: the words of a transcript as the symbols of a CTC head."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from speechinterp.errors import AlignmentError, shortlist
from speechinterp.models.vocabulary import Vocabulary

__all__ = ["STARS", "Spelling", "joined", "spell", "symbols_by_name"]

STARS = 2
"""Symbols beside those of the head that stand for anything; they take turns, so that no two in a row are equal."""


@dataclass(frozen=True)
class Spelling:
    """A sequence of symbols.

    Parameters
    ----------
    symbols
        By number; those from the size of the vocabulary on are stars, which stand for anything.
    word_of
        For every symbol the number of its word; -1 for what stands between words.
    unknown
        The words, or parts of words, for which a star stands.
    """

    symbols: tuple[int, ...]
    word_of: tuple[int, ...]
    unknown: tuple[str, ...] = ()


def symbols_by_name(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the symbols that are said, by their names."""
    silent = vocabulary.special | {vocabulary.blank, vocabulary.delimiter}
    return {name: number for number, name in enumerate(vocabulary.symbols) if number not in silent}


def spell(words: Sequence[str], vocabulary: Vocabulary, where: str) -> Spelling:
    """Spell words in letters, or as whole words if the head has those.

    Parameters
    ----------
    words
        As they are written.
    vocabulary
        Of a CTC head.
    where
        Whose words they are, for errors.

    Raises
    ------
    AlignmentError
        If the vocabulary has no letter of any word.

    Notes
    -----
    Words are written in the capitals or small letters of the vocabulary. Punctuation that it lacks is not
    spoken and left out; a letter that it lacks is written without its diacritics if that is there. For
    any other stretch without symbols, such as digits, stands one star.
    """
    known = symbols_by_name(vocabulary)
    whole = vocabulary.kind != "letters"
    upper = any(name.isupper() for name in known)
    spelt: list[list[int | None]] = []
    unknown: list[str] = []
    for word in words:
        symbols = _whole(word, known) if whole else _letters(word.upper() if upper else word.lower(), known)
        spelt.append(symbols)
        if None in symbols:
            unknown.append(word)
    if all(symbols == [None] for symbols in spelt):
        raise AlignmentError(
            f"{where}: nothing of {shortlist(map(repr, words), 5)} is in the vocabulary",
            expected=f"words written with {' '.join(known) if len(known) < 60 else shortlist(known, 40)}",
            cause="a transcript in another language or script, or a model that writes phones",
            fix="take a model for this language; for a model of phones give pronunciations=",
        )
    return joined(spelt, vocabulary.size, vocabulary.delimiter, unknown)


def joined(
    words: Iterable[Sequence[int | None]], size: int, delimiter: int | None, unknown: Iterable[str] = ()
) -> Spelling:
    """Join the symbols of words, with the delimiter between them; None becomes a star."""
    symbols: list[int] = []
    word_of: list[int] = []
    n_stars = 0
    for number, word in enumerate(words):
        if number and delimiter is not None:
            symbols.append(delimiter)
            word_of.append(-1)
        for symbol in word:
            symbols.append(size + n_stars % STARS if symbol is None else symbol)
            word_of.append(number)
            n_stars += symbol is None
    return Spelling(tuple(symbols), tuple(word_of), tuple(dict.fromkeys(unknown)))


def _whole(word: str, known: dict[str, int]) -> list[int | None]:
    forms = (word, word.lower(), word.upper())
    return [next((known[form] for form in forms if form in known), None)]


def _letters(word: str, known: dict[str, int]) -> list[int | None]:
    symbols: list[int | None] = []
    for character in unicodedata.normalize("NFC", word).replace("’", "'"):
        plain = unicodedata.normalize("NFKD", character)
        base = [c for c in plain if unicodedata.category(c) != "Mn"]
        if character in known:
            symbols.append(known[character])
        elif base and all(c in known for c in base):
            symbols.extend(known[c] for c in base)
        elif unicodedata.category(character)[0] in "LN" and symbols[-1:] != [None]:
            symbols.append(None)
    return symbols or [None]
