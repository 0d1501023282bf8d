"""What tests of lenses share: a corpus in memory, and one thread for tiny models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny import sound

from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.segments import Segment, Tier

SAID = ("don't note a dot", "ado", "a toad ate", "note", "ado not", "dot a note", "ten", "a tent")


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spoken(number: int, words: str) -> Utterance:
    """An utterance of noise with a transcript and phones."""
    labels = ["d", "oʊ", "n", "t", "tʃ"][: 2 + number % 4]
    phones = Tier("phones", [Segment(0.05 * i, 0.05 * (i + 1), label) for i, label in enumerate(labels)])
    return Utterance(
        f"s{number % 4}/u{number}",
        Sound(sound(6000 + 700 * number, number), 16000),
        speaker=f"s{number % 4}",
        transcript=words,
        tiers={"phones": phones},
    )


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.of([spoken(number, words) for number, words in enumerate(SAID)], "noise")
