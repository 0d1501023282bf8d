"""The words of a text: as written, from where they are known, and refused where there are none."""

from __future__ import annotations

import pytest

import speechinterp as si
from speechinterp.align.text import transcript_words, words_of
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She had your dark suit.", ["She", "had", "your", "dark", "suit"]),
        ("'Well,' she said - don't!", ["Well", "she", "said", "don't"]),
        ("l'été — naïve ½", ["l'été", "naïve", "½"]),
        (" \n ", []),
        ("... – '", []),
    ],
)
def test_words_are_as_written_without_punctuation_around_them(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_words_come_from_text_then_transcript_then_tier() -> None:
    import numpy as np

    sound = Sound(np.zeros(400, np.float32), 16000)
    segments = [si.Segment(0, 0.1, "one"), si.Segment(0.1, 0.2, "<SIL>"), si.Segment(0.2, 0.3, "two")]
    tiers = {"words": si.Tier("words", segments)}
    assert transcript_words(si.Utterance("a", sound, None, "Three.", tiers), "four") == ["four"]
    assert transcript_words(si.Utterance("a", sound, None, "Three.", tiers)) == ["Three"]
    assert transcript_words(si.Utterance("a", sound, None, None, tiers)) == ["one", "two"]


@pytest.mark.parametrize("transcript", [None, "", " ... "])
def test_no_words_are_refused(transcript: str | None) -> None:
    import numpy as np

    utterance = si.Utterance("a/b", Sound(np.zeros(400, np.float32), 16000), None, transcript)
    with pytest.raises(AlignmentError, match=r"'a/b' has no words.*give the transcript"):
        transcript_words(utterance)
