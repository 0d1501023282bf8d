"""Whisper alignment: where attention is planted, on bad input, and on real speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from align.letters import SPANS, letter_model, plant, spoken

import speechinterp as si
from speechinterp.align import AlignmentWarning
from speechinterp.align.whisper import align_whisper
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError, AudioError
from speechinterp.models import SpeechModel

TIMIT = "corpora/timit-sample"
TINY = "models/whisper-tiny.en"


def test_words_are_where_their_letters_attend(monkeypatch):
    plant(monkeypatch, SPANS, 40)
    words = align_whisper(letter_model(), spoken())["words"]
    assert words.labels == ["on", "a", "day"]
    found = np.array([(w.start, w.end) for w in words])
    np.testing.assert_allclose(found, 0.02 * np.array([(5, 10), (14, 20), (20, 30)]), atol=0.021)
    assert all(w.score is not None and np.log(0.9) < w.score <= 0 for w in words)


def test_words_that_nothing_places_have_low_scores(monkeypatch):
    plant(monkeypatch, [(0, 40)] * 9, 40)
    words = align_whisper(letter_model(), spoken())["words"]
    assert words[1].score < np.log(0.6)


@pytest.mark.parametrize("transcript", [None, "", " - "])
def test_no_words_are_refused(transcript):
    with pytest.raises(AlignmentError, match="no words"):
        align_whisper(letter_model(), spoken(transcript))


def test_a_sound_without_sound_is_refused():
    silent = si.Utterance("a/b", Sound(np.zeros(6400, np.float32), 16000), "s", "on")
    with pytest.raises(AlignmentError, match=r"nothing but zeros.*muted"):
        align_whisper(letter_model(), silent)


def test_more_text_than_time_is_refused():
    with pytest.raises(
        AlignmentError, match=r"5 words of 10 letters in 0.16 s.*another or a longer recording"
    ):
        align_whisper(letter_model(), spoken("on on on on on", n_frames=8))


def test_a_sound_longer_than_the_window_is_refused():
    with pytest.raises(AudioError, match=r"1.20 s long.*window.*1.00 s.*cut it at pauses"):
        align_whisper(letter_model(), spoken(n_frames=60))


def test_a_text_without_spaces_is_refused():
    with pytest.raises(AlignmentError, match="half of what the decoder"):
        align_whisper(letter_model(), spoken("a" * 20))


@pytest.fixture(scope="module")
def tiny_en(assets: Path) -> SpeechModel:
    return si.load_model(assets / TINY, device="cpu")


@pytest.fixture(scope="module")
def timit(assets: Path) -> si.Corpus:
    return si.load_corpus(f"timit:{assets / TIMIT}")


def words_of(utterance: si.Utterance) -> str:
    return " ".join(utterance.tier("words").labels)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_real_words_are_found_and_texts_of_others_are_not_believed(tiny_en, timit):
    utterances = [timit[i] for i in (3, 40, 77, 114, 151)]
    found = [align_whisper(tiny_en, u, words_of(u)) for u in utterances]
    errors = np.concatenate(
        [
            [w.start - g.start for w, g in zip(a["words"], u.tier("words"), strict=True)]
            for a, u in zip(found, utterances, strict=True)
        ]
    )
    assert np.median(np.abs(errors)) < 0.025
    assert np.mean(np.abs(errors) < 0.05) > 0.65
    assert min(a.attrs["confidence"] for a in found) > -0.8
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(tiny_en, utterances[0], text=words_of(utterances[2]))
    noise = 0.001 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(tiny_en, si.Utterance("noise", Sound(noise, 16000), None, "nobody is here"))
    own = tiny_en.transcribe(utterances[0])
    assert align_whisper(tiny_en, utterances[0], own).attrs["confidence"] > -0.2


@pytest.mark.real
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_all_words_of_the_sample_are_placed_within_the_bounds(tiny_en, timit):
    errors = np.array(
        [
            word.start - gold.start
            for u in timit
            for word, gold in zip(
                align_whisper(tiny_en, u, words_of(u))["words"], u.tier("words"), strict=True
            )
        ]
    )
    assert len(errors) == 1394
    assert np.median(np.abs(errors)) < 0.015
    assert np.mean(np.abs(errors) < 0.05) > 0.85


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_how_a_text_is_written_is_no_reason_to_doubt_it(assets: Path) -> None:
    model = si.load_model(assets / "models/whisper-tiny.en", device="cpu")
    utterance = si.load_corpus(f"timit:{assets}/corpora/timit-sample")["dr1-fvmh0/sa1"]
    text = str(utterance.transcript)
    sure = [si.align(model, utterance, text=t).attrs["confidence"] for t in (text, text.lower().strip("."))]
    assert min(sure) > -0.6
    assert abs(sure[0] - sure[1]) < 0.3
    assert si.align(model, utterance, text=text.upper().strip(".")).attrs["confidence"] > -0.6
