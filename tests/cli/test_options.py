"""Options that commands share: which utterances, and a sound file in the place of a corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import speechinterp as si
from speechinterp.audio import Sound
from speechinterp.cli.options import sound_or_corpus, spread
from speechinterp.errors import SpeechInterpError


def listed(n: int) -> si.Corpus:
    silence = Sound(np.zeros(160, np.float32), 16000)
    return si.Corpus.of([si.Utterance(f"u{number:02d}", silence) for number in range(n)], "listed")


@pytest.mark.parametrize(
    ("n", "wanted", "kept"),
    [(10, 3, [0, 3, 6]), (9, 9, range(9)), (10, 99, range(10)), (10, None, range(10)), (9, 0, range(9)), (3, 1, [0])],
)  # fmt: skip
def test_some_are_evenly_spread(n: int, wanted: int | None, kept) -> None:
    assert list(spread(listed(n), wanted).ids) == [f"u{number:02d}" for number in kept]


def test_a_sound_file_is_a_corpus_of_one_with_the_annotation_beside_it(tmp_path: Path) -> None:
    utterance = next(iter(si.load_corpus("demo?type=sentence")))
    sound = tmp_path / "mine.flac"
    sound.write_bytes(Path(utterance.audio).read_bytes())
    assert not next(iter(sound_or_corpus(str(sound)))).tiers
    si.write_annotation(tmp_path / "mine.TextGrid", {"words": utterance.tier("words")}, audio=sound)
    (found,) = sound_or_corpus(str(sound))
    assert found.id == "mine"
    assert [word.label for word in found.tier("words") if word.label] == [
        word.label for word in utterance.tier("words")
    ]
    with pytest.raises(SpeechInterpError):
        sound_or_corpus(str(tmp_path / "none.wav"))


def test_tiers_of_a_file_have_their_standard_names_and_a_channel_is_chosen(tmp_path: Path) -> None:
    sound = tmp_path / "two.wav"
    soundfile.write(sound, np.random.default_rng(0).normal(0, 0.1, (1600, 2)), 16000)
    si.write_annotation(
        tmp_path / "two.TextGrid", {"word": si.Tier("word", [si.Segment(0, 0.1, "a")])}, audio=sound
    )
    (found,) = sound_or_corpus(f"{sound}?channel=1")
    assert found.tier("words")[0].label == "a"
    assert found.waveform(16000) == pytest.approx(soundfile.read(sound, dtype="float32")[0][:, 1])
    with pytest.raises(SpeechInterpError, match=r"two.wav\?channel=0"):
        sound_or_corpus(f"{sound}?speaker=me")
