"""Utterances and corpora."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance, load_corpus
from speechinterp.corpora.utterance import NarrowbandWarning, checked_id
from speechinterp.errors import AnnotationError, AudioError, CorpusError
from speechinterp.segments import Segment, Tier

SOUND = Sound(np.zeros(8000, dtype=np.float32), 8000)
WORDS = Tier("words", [Segment(0, 1, "yes")])


def test_sound_in_memory_needs_no_file() -> None:
    utterance = Utterance("a", SOUND)
    assert utterance.duration == 1.0
    assert utterance.waveform(8000).shape == (8000,)


def test_narrowband_sound_is_used_with_a_warning() -> None:
    with pytest.warns(NarrowbandWarning, match="recorded at 8000 Hz is used at 16000 Hz.* above 4000 Hz"):
        assert Utterance("a", SOUND).waveform(16000).shape == (16000,)


def test_sound_is_read_when_it_is_asked_for(record, tmp_path: Path) -> None:
    utterance = Utterance("a", tmp_path / "a.wav")
    with pytest.raises(AudioError, match="no sound file"):
        utterance.waveform(16000)
    record("a.wav", seconds=0.5)
    assert utterance.waveform(8000).shape == (4000,)
    assert utterance.duration == 0.5


def test_the_channel_is_that_of_the_utterance(record) -> None:
    path = record("a.wav", channels=2)
    left, right = (Utterance("a", path, channel=n).waveform(16000) for n in (0, 1))
    assert not np.array_equal(left, right)
    with pytest.raises(AudioError, match="has 2 channels"):
        Utterance("a", path).waveform(16000)


def test_a_tier_that_is_not_there_lists_those_that_are() -> None:
    utterance = Utterance("a", SOUND, tiers={"words": WORDS})
    assert utterance.tier("words") is WORDS
    with pytest.raises(AnnotationError, match="no tier 'phones'; it has: words"):
        utterance.tier("phones")
    with pytest.raises(AnnotationError, match="it has: none"):
        Utterance("a", SOUND).tier("phones")


def test_tiers_and_meta_cannot_be_changed_from_outside() -> None:
    tiers = {"words": WORDS}
    utterance = Utterance("a", SOUND, tiers=tiers)
    tiers.clear()
    assert list(utterance.tiers) == ["words"]
    with pytest.raises(TypeError):
        utterance.meta["sex"] = "f"  # type: ignore[index]


@pytest.mark.parametrize("id_", ["a", "dr1-fvmh0/sx206", "a b/ç", "0000_ses/x_bndl/x", "a.b", "..a"])
def test_plain_ids_are_kept(id_: str) -> None:
    assert checked_id(id_) == id_


@pytest.mark.parametrize("id_", ["", "/etc/x", "../x", "a/../b", "a//b", "a/", "C:/x", "a\\b", "a\nb", "./a"])
def test_ids_that_lead_elsewhere_are_refused(id_: str) -> None:
    with pytest.raises(CorpusError, match="cannot be used as a file name"):
        Utterance(id_, SOUND)


def test_a_corpus_is_sorted_and_gives_utterances_by_id_position_and_slice() -> None:
    corpus = Corpus.of([Utterance(id_, SOUND) for id_ in "cab"])
    assert corpus.ids == ["a", "b", "c"]
    assert [u.id for u in corpus] == ["a", "b", "c"]
    assert (corpus["b"].id, corpus[-1].id, corpus[1:].ids) == ("b", "c", ["b", "c"])
    assert corpus.subset(["c", "a"]).ids == ["a", "c"]
    assert len(corpus) == 3


def test_unknown_ids_name_some_that_are_known() -> None:
    with pytest.raises(CorpusError, match=r"no utterance 'x'.*its 1 ids: a"):
        Corpus.of([Utterance("a", SOUND)])["x"]


def test_an_id_stands_once() -> None:
    with pytest.raises(CorpusError, match="'a' stands for two utterances"):
        Corpus.of([Utterance("a", SOUND), Utterance("a", SOUND)])


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(CorpusError, match="holds no utterance"):
        Corpus("x", {})


def test_utterances_are_read_one_by_one() -> None:
    asked: list[str] = []

    def source(id_: str):
        return lambda: asked.append(id_) or Utterance(id_, SOUND)

    corpus = Corpus("x", {id_: source(id_) for id_ in "abc"})
    assert asked == []
    assert corpus["b"].id == "b"
    assert next(iter(corpus)).id == "a"
    assert asked == ["b", "a"]


def test_a_corpus_crosses_a_process_boundary(record, tmp_path: Path) -> None:
    record("yes/s1_0.wav")
    corpus = pickle.loads(pickle.dumps(load_corpus(f"speechcommands:{tmp_path}")))
    assert corpus[0].transcript == "yes"
