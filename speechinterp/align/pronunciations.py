"""Pronunciations: which phones each word of a transcript may consist of, and where that is known from."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TypeAlias

from speechinterp.align.text import spoken
from speechinterp.corpora.labels import label_map
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError, shortlist

__all__ = ["Lexicon", "Pronunciation", "Said", "pronounced", "read_lexicon", "symbols_of"]

Pronunciation: TypeAlias = tuple[str, ...]
Lexicon: TypeAlias = Mapping[str, Sequence[Pronunciation]]

ARPABET = re.compile(r"[A-Z]{1,3}[0-2]?")
NUMBER = re.compile(r"\d*\.\d+|\d+")


@dataclass(frozen=True)
class Said:
    """How the words of an utterance may be said.

    Parameters
    ----------
    words
        For every word its pronunciations, none if unknown.
    source
        Where they are from: ``lexicon``, ``phones tier`` or ``phonemizer``.
    """

    words: tuple[tuple[Pronunciation, ...], ...]
    source: str


def read_lexicon(path: str | Path) -> dict[str, list[Pronunciation]]:
    """Read a pronunciation dictionary.

    Parameters
    ----------
    path
        A table ``.csv`` with columns ``word`` and ``phones``, the phones with spaces between them, or a text with
        a word and its phones a line, as the CMU Pronouncing Dictionary and the Montreal Forced Aligner
        write it: ``;;;`` and `` #`` start a comment, ``WORD(2)`` is a second pronunciation, and numbers between
        word and phones are probabilities, which are not used.

    Raises
    ------
    AlignmentError
        If it cannot be read, or a word has no phones.

    References
    ----------
    The CMU Pronouncing Dictionary, http://www.speech.cs.cmu.edu/cgi-bin/cmudict.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise _unreadable(f"{path.name} cannot be read: {error.strerror or error}") from error
    lexicon: dict[str, list[Pronunciation]] = {}
    for number, word, phones in _table(text, path) if path.suffix == ".csv" else _lines(text):
        if not word or not phones:
            raise _unreadable(
                f"{path.name}, line {number}: {f'{word!r} without phones' if word else 'no word'}"
            )
        variants = lexicon.setdefault(_key(word), [])
        if phones not in variants:
            variants.append(phones)
    if not lexicon:
        raise _unreadable(f"{path.name} holds no word")
    return lexicon


def pronounced(
    words: Sequence[str], utterance: Utterance, lexicon: Lexicon | None = None, language: str = "en-us"
) -> Said | str:
    """Return the pronunciations of words, or the reason why there are none.

    Parameters
    ----------
    words
        Of the transcript.
    utterance
        Whose tiers ``words`` and ``phones`` tell which phones each word has, where there is no lexicon. Only
        their labels and their order are used: a phone belongs to the word in which its middle lies.
    lexicon
        By word; upper and lower case do not count.
    language
        As espeak-ng names it, for phonemizer.
    """
    if lexicon is not None:
        known = {_key(word): variants for word, variants in lexicon.items()}
        return Said(tuple(tuple(known.get(_key(word), ())) for word in words), "lexicon")
    if "phones" in utterance.tiers and "words" in utterance.tiers:
        annotated = _annotated(words, utterance)
        if annotated is not None:
            return annotated
    try:
        return Said(tuple(_phonemizer(word, language) for word in words), "phonemizer")
    except ImportError:
        return (
            "no pronunciations: no dictionary was given (pronunciations=, --pronunciations FILE), the corpus has no "
            "phones for these words, and phonemizer is not installed (pip install phonemizer, and espeak-ng)"
        )


def symbols_of(phone: str, known: Mapping[str, int]) -> list[int] | None:
    """Return the symbols of a head that stand for a phone; None if it has none for it.

    It is found under its own name, as ARPABET or IPA written in another way, or in parts, such as əl for ə and l.
    """
    if phone in known:
        return [known[phone]]
    names = _canonical_names(tuple(known))
    spelt = _canonical(phone)
    parts: list[int] = []
    while spelt:
        part = next((n for n in range(len(spelt), 0, -1) if spelt[:n] in names), 0)
        if not part:
            return None
        parts.append(known[names[spelt[:part]]])
        spelt = spelt[part:]
    return parts or None


def _annotated(words: Sequence[str], utterance: Utterance) -> Said | None:
    said = spoken(utterance.tiers["words"])
    if [_key(word.label) for word in said] != [_key(word) for word in words]:
        return None
    phones = spoken(utterance.tiers["phones"])
    inside = [
        tuple(p.label for p in phones if word.start <= (p.start + p.end) / 2 < word.end) for word in said
    ]
    return Said(tuple((each,) if each else () for each in inside), "phones tier")


@cache
def _phonemizer(word: str, language: str) -> tuple[Pronunciation, ...]:
    said = _espeak(language)(word)
    return (tuple(said.split()),) if said else ()


@cache
def _espeak(language: str) -> Callable[[str], str]:
    from phonemizer.backend import EspeakBackend
    from phonemizer.separator import Separator

    try:
        backend = EspeakBackend(language)
    except RuntimeError as error:
        raise AlignmentError(
            f"phonemizer is installed but gives no pronunciations in {language!r}: {error}",
            expected="espeak-ng, and a language that it speaks",
            cause="espeak-ng is not installed",
            fix="apt install espeak-ng (or brew install espeak-ng), or give a dictionary (pronunciations=)",
        ) from error
    separator = Separator(
        phone=" ", word="|", syllable=""
    )  # a word of the text, such as 1984, can be several
    return lambda word: str(backend.phonemize([word], separator=separator, strip=True)[0]).replace("|", " ")


@lru_cache(maxsize=8)
def _canonical_names(names: tuple[str, ...]) -> dict[str, str]:
    return {_canonical(name): name for name in reversed(names)}


@cache
def _canonical(phone: str) -> str:
    """Return a phone in one way to write it, without stress and length."""
    plain = re.sub("[ˈˌːˑ]", "", phone)
    try:
        found = label_map("arpabet" if ARPABET.fullmatch(plain) else "ipa", "ipa")(plain)
        return label_map("ipa", "ipa")(found or "") or ""
    except KeyError:
        return unicodedata.normalize("NFC", plain)


def _key(word: str) -> str:
    return unicodedata.normalize("NFC", word).replace("’", "'").casefold()


def _table(text: str, path: Path) -> list[tuple[int, str, Pronunciation]]:
    rows = csv.DictReader(text.splitlines())
    if not {"word", "phones"} <= set(rows.fieldnames or ()):
        raise _unreadable(f"{path.name} has the columns {shortlist(rows.fieldnames or ())}")
    return [
        (rows.line_num, (row["word"] or "").strip(), tuple((row["phones"] or "").split())) for row in rows
    ]


def _lines(text: str) -> list[tuple[int, str, Pronunciation]]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.partition(" #")[0].split() if not line.startswith((";;;", "#")) else []
        if parts:
            phones = parts[1:]
            while phones and NUMBER.fullmatch(phones[0]):
                phones = phones[1:]
            found.append((number, re.sub(r"\(\d+\)$", "", parts[0]), tuple(phones)))
    return found


def _unreadable(found: str) -> AlignmentError:
    return AlignmentError(
        found,
        expected="a word and its phones a line, with spaces between them, or a .csv with columns word and phones",
        cause="another kind of file",
        fix="give a file such as cmudict.dict (pronunciations=, --pronunciations)",
    )
