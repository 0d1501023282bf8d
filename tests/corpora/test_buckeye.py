"""The reader of the Buckeye corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechinterp.corpora import load_corpus
from speechinterp.errors import AnnotationError, CorpusError

HEAD = "signal s0101a\ntype 0\ncolor 122\nseparator ;\nnfields 1\n#\n"
WORDS = f"""{HEAD}    0.000000  122 {{B_TRANS}}; B; B; null
    0.500000  122 <SIL>; S; S; null
    0.750000  122 okay; ow k ey; k ay; UH
    1.000000  122 <SIL>; S; S; null
    1.250000  122 so; s ow; s own; RB
    1.500000  122 <IVER>
    1.750000  122 <SIL>; S; S; null
    2.000000  122 yes; y eh s; y eh s; UH
    2.500000  122 {{E_TRANS}}; E; E; null
"""
PHONES = f"""{HEAD}  0.5 122 SIL
  0.6 122 k
  0.75 122 ay
  1.0 122 SIL
  1.1 122 s
  1.25 122 own
  1.5 122 IVER
  1.75 122 SIL
  1.8 122 y
  1.9 122 eh
  2.0 122 tq
  2.5 122 {{E_TRANS}}
"""


@pytest.fixture
def root(record, tmp_path: Path) -> Path:
    path = record("s01/s0101a.wav", seconds=2.5)
    path.with_suffix(".words").write_text(WORDS)
    path.with_suffix(".phones").write_text(PHONES)
    return tmp_path


def test_stretches_between_pauses(root: Path) -> None:
    corpus = load_corpus(f"buckeye:{root}")
    assert corpus.ids == ["s01/s0101a/0000500", "s01/s0101a/0001750"]
    first, second = corpus
    assert (first.transcript, second.transcript) == ("okay so", "yes")
    assert first.duration == 0.75
    assert [(s.start, s.end, s.label) for s in first.tier("words")] == [
        (0, 0.25, "okay"),
        (0.25, 0.5, "<SIL>"),
        (0.5, 0.75, "so"),
    ]
    assert first.tier("phones").labels == ["k", "ay", "SIL", "s", "own"]
    assert first.tier("phones")[0].end == pytest.approx(0.1)
    assert first.tier("pronunciation").labels == ["k ay", "s own"]
    assert first.tier("pos").labels == ["UH", "RB"]
    assert first.speaker == "s01"
    assert first.meta == {
        "sex": "f",
        "age": "y",
        "interviewer": "f",
        "recording": "s01/s0101a",
        "start": 0.5,
    }


def test_the_sound_is_that_of_the_stretch(root: Path) -> None:
    samples, _ = soundfile.read(root / "s01/s0101a.wav", dtype="float32")
    for utterance in load_corpus(f"buckeye:{root}"):
        start = round(utterance.meta["start"] * 16000)
        heard = utterance.waveform(16000)
        assert np.array_equal(heard, samples[start : start + len(heard)])


@pytest.mark.parametrize(("pause", "number"), [(100, 3), (250, 3), (251, 2), (500, 2), (501, 1)])
def test_how_long_a_pause_is(root: Path, pause: int, number: int) -> None:
    assert len(load_corpus(f"buckeye:{root}?pause={pause}")) == number


def test_whole_recordings(root: Path) -> None:
    (utterance,) = load_corpus(f"buckeye:{root}?pause=0")
    assert (utterance.id, utterance.duration) == ("s01/s0101a", 2.5)
    assert utterance.transcript == "okay so yes"
    assert utterance.tier("words").labels[0] == "{B_TRANS}"
    assert "start" not in utterance.meta


def test_labels_of_another_inventory(root: Path) -> None:
    first, second = load_corpus(f"buckeye:{root}?labels=timit39")
    assert first.tier("phones").labels == ["k", "ay", "sil", "s", "ow"]
    assert second.tier("phones").labels == ["y", "eh"]  # the glottal stop is left out
    with pytest.raises(CorpusError, match=r"labels '39'\. Expected: one of timit61"):
        load_corpus(f"buckeye:{root}?labels=39")


def test_a_broken_recording_does_not_stand_in_the_way_of_others(root: Path, record) -> None:
    path = record("s02/s0201a.wav", seconds=2.5)
    path.with_suffix(".words").write_text(WORDS.replace("0.750000", "0,750000"))
    record("s03/s0301a.wav")
    corpus = load_corpus(f"buckeye:{root}")
    assert corpus.ids == ["s01/s0101a/0000500", "s01/s0101a/0001750", "s02/s0201a", "s03/s0301a"]
    with pytest.raises(AnnotationError, match=r"s02/s0201a.words, line 9: '0,750000'"):
        corpus["s02/s0201a"]
    with pytest.raises(AnnotationError, match=r"no s0301a.words beside s03/s0301a.wav"):
        corpus["s03/s0301a"]


def test_annotations_of_another_recording(root: Path, record) -> None:
    record("s01/s0101a.wav", seconds=1.0)
    with pytest.raises(
        AnnotationError, match=r"'okay'|'so' ends at 1.250 s, but the sound s0101a.wav at 1.000 s"
    ):
        load_corpus(f"buckeye:{root}")[0]
