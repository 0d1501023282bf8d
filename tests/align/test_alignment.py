"""What every aligner returns, and the words it takes from a text."""

from __future__ import annotations

import inspect

import pytest

import speechinterp as si
from speechinterp.align import Alignment
from speechinterp.align.text import transcript_words, words_of
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError


def test_the_room_is_the_function_too() -> None:
    import speechinterp.align.text  # noqa: F401

    assert callable(si.align)
    assert list(inspect.signature(si.align).parameters)[:2] == ["model", "utterance"]
    assert si.align.Alignment is Alignment


def test_segments_that_differ_in_score_alone_are_equal() -> None:
    assert si.Segment(0, 1, "a", -0.5) == si.Segment(0, 1, "a")
    tier = si.Tier("words", [si.Segment(0, 1, "a", -0.5)]).relabel(str.upper)
    assert (tier[0].label, tier[0].score) == ("A", -0.5)


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
