"""Which phones words consist of, and where that is known from."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import speechinterp as si
from speechinterp.align import pronunciations as room
from speechinterp.align import read_lexicon
from speechinterp.align.pronunciations import Said, pronounced, symbols_of
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError

SOUND = Sound(np.zeros(16000, np.float32), 16000)
DEMO = {label: n for n, label in enumerate(["ɑ", "ə", "ɝ", "ɚ", "l", "tʃ", "g", "i", "iː", "d"])}


def tier(name: str, *segments: tuple[float, float, str]) -> si.Tier:
    return si.Tier(name, [si.Segment(*s) for s in segments])


ANNOTATED = si.Utterance(
    "a", SOUND, None, "no day",
    {
        "words": tier("words", (0.1, 0.3, "no"), (0.4, 0.7, "day")),
        "phones": tier(
            "phones", (0.1, 0.2, "n"), (0.2, 0.31, "oʊ"), (0.31, 0.39, ""), (0.39, 0.5, "d"), (0.5, 0.7, "eɪ")
        ),
    },
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cmudict-0.7b", ";;; comment\nREAD  R EH1 D\nREAD(1)  R IY1 D\nA  AH0\n"),
        ("cmudict.dict", "read R EH1 D # past\nread(2) R IY1 D\na AH0\n"),
        ("mfa.dict", "read\t0.6\t0.1\tR EH1 D\nread\t0.4\tR IY1 D\na\tAH0\n"),
        ("table.csv", "word,phones\nread,R EH1 D\nread,R IY1 D\nread,R IY1 D\na,AH0\n"),
    ],
)
def test_dictionaries_are_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_lexicon(tmp_path / name) == {
        "read": [("R", "EH1", "D"), ("R", "IY1", "D")],
        "a": [("AH0",)],
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.dict", "read R EH1 D\nno\n", r"x\.dict, line 2: 'no' without phones"),
        ("x.csv", "word,phones\n,R\n", r"x\.csv, line 2: no word"),
        ("x.csv", "orth,pron\na,b\n", r"has the columns orth, pron"),
        ("x.dict", ";;; nothing\n", "holds no word"),
        ("missing.dict", None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_dictionary_is_refused(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(AlignmentError, match=message):
        read_lexicon(tmp_path / name)


def test_a_dictionary_goes_before_the_tiers_and_case_does_not_count() -> None:
    said = pronounced(["No", "day", "x"], ANNOTATED, {"NO": [("N", "OW1")], "day": [("D",), ("T",)]})
    assert said == Said(((("N", "OW1"),), (("D",), ("T",)), ()), "lexicon")


def test_the_phones_of_a_word_are_those_with_their_middle_in_it() -> None:
    assert pronounced(["no", "Day"], ANNOTATED) == Said(((("n", "oʊ"),), (("d", "eɪ"),)), "phones tier")


def test_silence_is_no_word_and_no_phone() -> None:
    times = [(0, 0.1, "sil", "sil"), (0.1, 0.2, "a", "ə"), (0.2, 0.3, "<SIL>", "sp"), (0.3, 0.4, "a", "h#")]
    words = si.Tier("words", [si.Segment(start, end, word) for start, end, word, _ in times])
    phones = si.Tier("phones", [si.Segment(start, end, phone) for start, end, _, phone in times])
    utterance = si.Utterance("a", "a.wav", None, None, {"words": words, "phones": phones})
    assert pronounced(["a", "a"], utterance) == Said(((("ə",),), ()), "phones tier")


@pytest.fixture
def no_phonemizer(monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (room._phonemizer, room._espeak):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "phonemizer", None)
    monkeypatch.setitem(sys.modules, "phonemizer.backend", None)


@pytest.mark.usefixtures("no_phonemizer")
def test_other_words_than_those_of_the_tier_need_another_source() -> None:
    reason = pronounced(["no", "way"], ANNOTATED)
    assert isinstance(reason, str)
    assert "no dictionary was given" in reason
    assert "pip install phonemizer" in reason


def test_phonemizer_is_asked_word_by_word_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class EspeakBackend:
        def __init__(self, language: str) -> None:
            if language != "en-us":
                raise RuntimeError(f'language "{language}" is not supported by the espeak backend')

        def phonemize(self, words: list[str], separator: object, strip: bool) -> list[str]:
            asked.extend(words)
            assert separator == (" ", "|", "")
            assert strip
            return ["n|oʊ"]

    backend, separator = ModuleType("phonemizer.backend"), ModuleType("phonemizer.separator")
    backend.EspeakBackend = EspeakBackend  # type: ignore[attr-defined]
    separator.Separator = lambda phone, word, syllable: (phone, word, syllable)  # type: ignore[attr-defined]
    for module in (ModuleType("phonemizer"), backend, separator):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for cached in (room._phonemizer, room._espeak):
        cached.cache_clear()
    bare = si.Utterance("a", SOUND)
    assert pronounced(["no", "no"], bare) == Said(((("n", "oʊ"),),) * 2, "phonemizer")
    assert asked == ["no"]
    with pytest.raises(AlignmentError, match=r"no pronunciations in 'tlh'.*apt install espeak-ng"):
        pronounced(["no"], bare, language="tlh")
    for cached in (room._phonemizer, room._espeak):
        cached.cache_clear()


def test_the_real_phonemizer() -> None:
    pytest.importorskip("phonemizer", reason="phonemizer is not installed")
    room._espeak.cache_clear()
    said = pronounced(["rose", "church"], si.Utterance("a", SOUND))
    assert said == Said(((("ɹ", "oʊ", "z"),), (("tʃ", "ɜː", "tʃ"),)), "phonemizer")


@pytest.mark.parametrize(
    ("phone", "symbols"),
    [
        ("tʃ", ["tʃ"]), ("t͡ʃ", ["tʃ"]), ("CH", ["tʃ"]), ("AA1", ["ɑ"]), ("AH0", ["ə"]), ("ER0", ["ɚ"]),
        ("ER1", ["ɝ"]), ("ɡ", ["g"]), ("iː", ["iː"]), ("i", ["i"]), ("ɑː", ["ɑ"]), ("əl", ["ə", "l"]),
        ("ʘ", None), ("dcl", None), ("ɑx", None),
    ],
)  # fmt: skip
def test_phones_are_found_among_the_symbols_of_a_head(phone: str, symbols: list[str] | None) -> None:
    found = symbols_of(phone, DEMO)
    assert (None if found is None else [list(DEMO)[n] for n in found]) == symbols
