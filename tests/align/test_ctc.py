"""CTC alignment: where words begin and end on a path, in frames and in seconds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from align.planted import Planted, frames, utterance

import speechinterp as si
from speechinterp.align import AlignmentWarning
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError, ModelError

SPANNING = [
    ("_", 3),
    ("a", 4),
    ("d", 3),
    ("|", 1),
    ("d", 2),
    ("o", 5),
    ("_", 6),
    ("t", 2),
    ("e", 2),
    ("_", 2),
]


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


@pytest.mark.parametrize("wrong", ["tented noon doe", "toto"])
def test_the_transcript_of_another_file_has_low_confidence_and_a_warning(
    planted: Planted, wrong: str
) -> None:
    planted.hears(SPANNING)
    right = si.align(planted.letters, utterance(SPANNING, "ad do te"))
    with pytest.warns(AlignmentWarning, match="hears something else than its text"):
        other = si.align(planted.letters, utterance(SPANNING, wrong))
    assert other.attrs["confidence"] < -1 < -0.3 < right.attrs["confidence"]


def test_a_transcript_that_leaves_words_out_has_low_confidence(planted: Planted) -> None:
    planted.hears(SPANNING)
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(planted.letters, utterance(SPANNING, "te"))


def test_silence_has_low_confidence(planted: Planted) -> None:
    planted.hears([("_", 30)])
    with pytest.warns(AlignmentWarning, match="hears something else than its text"):
        si.align(planted.letters, utterance([("_", 30)], "ad do te"))


def test_digital_silence_is_refused() -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    from tiny_vocabulary import reading_model

    silent = si.Utterance("quiet", Sound(np.zeros(16000, np.float32), 16000), None, "add")
    with pytest.raises(AlignmentError, match=r"'quiet': every sample is 0.*muted channel"):
        si.align(reading_model("wav2vec2-pre-ctc"), silent)


def test_models_that_write_nothing_are_refused() -> None:
    with pytest.raises(ModelError, match="does not write text"):
        si.align(si.load_model("demo/untrained"), utterance([("_", 30)], "add"))


def test_whole_words_can_be_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    from align.planted import log_probs
    from tiny import tiny_model
    from tiny_vocabulary import ctc_tokenizer

    names = ("<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(6)), "yes", "no")
    model = tiny_model("wav2vec2-pre-ctc", pad_token_id=0)
    model.read_tokenizer = lambda: ctc_tokenizer(names)
    heard = [("_", 5), ("yes", 6), ("_", 3), ("no", 4), ("_", 2)]
    monkeypatch.setattr(
        "speechinterp.align.ctc.emissions",
        lambda model, u: (log_probs(heard, names), model.grid.with_frames(20)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = si.align(model, u := utterance(heard, "Yes - NO!"))
    assert frames(found["words"], model.frames(u)) == [("Yes", 5, 11), ("NO", 14, 18)]
