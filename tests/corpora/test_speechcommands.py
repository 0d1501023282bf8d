"""The reader of Speech Commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechinterp.corpora import load_corpus
from speechinterp.errors import AudioError, CorpusError
from speechinterp.segments import Segment


def test_both_layouts_of_names(record, tmp_path: Path) -> None:
    record("yes/0a7c_nohash_3.wav", seconds=0.9)
    record("no/b0cd_1.flac")
    record("_background_noise_/rain.wav")
    record("loose.wav")
    corpus = load_corpus(f"speechcommands:{tmp_path}")
    assert corpus.ids == ["no/b0cd_1", "yes/0a7c_nohash_3"]
    utterance = corpus["yes/0a7c_nohash_3"]
    assert (utterance.speaker, utterance.transcript, utterance.meta) == ("0a7c", "yes", {"take": "3"})
    assert list(utterance.tier("words")) == [Segment(0.0, 0.9, "yes")]
    assert corpus[0].meta == {"take": "1"}


def test_clips_outside_word_folders_are_refused(record, tmp_path: Path) -> None:
    record("0a7c_nohash_3.wav")
    with pytest.raises(CorpusError, match="no clip in a word folder"):
        load_corpus(f"speechcommands:{tmp_path}")


def test_a_clip_that_was_cut_off_is_refused(record, tmp_path: Path) -> None:
    path = record("yes/s_0.wav")
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(AudioError, match="cut off"):
        load_corpus(f"speechcommands:{tmp_path}")[0]


@pytest.mark.real
def test_the_real_clips(assets: Path) -> None:
    utterances = list(load_corpus(f"speechcommands:{assets / 'corpora/speech-commands'}"))
    assert len(utterances) == 1363
    assert len({u.transcript for u in utterances}) == 35
    assert len({u.speaker for u in utterances}) == 158
    assert all(0 < u.tier("words")[0].end <= 1 for u in utterances)
    assert utterances[0].waveform(16000).std() > 0
