"""CTC alignment: where words begin and end on a path, in frames and in seconds."""

from __future__ import annotations

import numpy as np
import pytest
from align.planted import SPANNING, Planted, frames, utterance

import speechinterp as si
from speechinterp.align import AlignmentWarning
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError


def test_labels_that_span_the_sound_give_its_frames(planted: Planted) -> None:
    planted.hears(SPANNING)
    found = si.align(planted.letters, heard := utterance(SPANNING, "Ad do te."))
    grid = planted.letters.frames(heard)
    assert frames(found["words"], grid) == [("Ad", 3, 11), ("do", 11, 18), ("te", 24, 28)]
    assert found.attrs["confidence"] == 0.0
    assert found.attrs["no_phones"].startswith("no phone model was given")


def test_times_come_from_the_grid(planted: Planted) -> None:
    planted.hears(SPANNING)
    found = si.align(planted.letters, utterance(SPANNING, "ad do te"))["words"]
    # frame 3 has its centre at sample 3 * 320 + 200, and begins half a hop before
    assert found[0].start == (3 * 320 + 200 - 160) / 16000
    assert found[-1].end == (28 * 320 + 40) / 16000


def test_scores_are_mean_log_probabilities_of_the_letters(planted: Planted) -> None:
    planted.hears(SPANNING)
    found = si.align(planted.letters, utterance(SPANNING, "ad do te"))["words"]
    log_probs = next(iter(planted.planted.values()))
    a, d = 6, 7  # in the vocabulary
    assert found[0].score == pytest.approx(np.r_[log_probs[3:7, a], log_probs[7:10, d]].mean())


def test_an_unknown_word_takes_what_is_heard_between_its_neighbours(planted: Planted) -> None:
    heard = [
        ("_", 3),
        ("a", 4),
        ("|", 1),
        ("_", 2),
        ("n", 3),
        ("_", 2),
        ("o", 3),
        ("_", 2),
        ("|", 1),
        ("d", 4),
    ]
    planted.hears(heard)
    with pytest.warns(AlignmentWarning, match=r"'a/b': '1984' cannot be written"):
        found = si.align(planted.letters, u := utterance(heard, "a 1984 d"))
    assert frames(found["words"], planted.letters.frames(u)) == [("a", 3, 8), ("1984", 10, 18), ("d", 21, 25)]
    assert [s.score is None for s in found["words"]] == [False, True, False]
    assert found.attrs["unknown"] == ["1984"]


def test_two_unknown_words_in_a_row_need_no_silence_between_them(planted: Planted) -> None:
    heard = [("a", 4), ("|", 1), ("n", 3), ("|", 1), ("o", 3), ("|", 1), ("d", 4)]
    planted.hears(heard)
    with pytest.warns(AlignmentWarning):
        found = si.align(planted.letters, u := utterance(heard, "a 7 8 d"))
    assert frames(found["words"], planted.letters.frames(u)) == [
        ("a", 0, 5), ("7", 5, 9), ("8", 9, 13), ("d", 13, 17)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("transcript", "message"),
    [
        ("кот ест рыбу", "nothing of 'кот', 'ест', 'рыбу' is in the vocabulary"),
        (" ".join(["dead"] * 30), "frames of sound for 149 symbols"),
        ("", "has no words: its transcript is ''"),
        (None, "has no words: its transcript is missing"),
    ],
)
def test_a_transcript_that_cannot_be_is_refused(
    planted: Planted, transcript: str | None, message: str
) -> None:
    planted.hears(SPANNING)
    with pytest.raises(AlignmentError, match="'a/b'") as caught:
        si.align(planted.letters, utterance(SPANNING, transcript))
    assert message in str(caught.value)
    assert caught.value.fix


def test_digital_silence_is_refused() -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    from tiny_vocabulary import reading_model

    silent = si.Utterance("quiet", Sound(np.zeros(16000, np.float32), 16000), None, "add")
    with pytest.raises(AlignmentError, match=r"'quiet': every sample is 0.*muted channel"):
        si.align(reading_model("wav2vec2-pre-ctc"), silent)
