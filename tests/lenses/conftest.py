"""What tests of lenses share: a corpus in memory, and one thread for tiny models."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tiny import sound, tiny_model
from tiny_vocabulary import words_tokenizer

from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.models import SpeechModel
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


@pytest.fixture(scope="module")
def model() -> SpeechModel:
    """A tiny Whisper whose decoder minds what it hears, and writes texts of many lengths."""
    model = tiny_model("whisper", seed=0, max_target_positions=16)
    tokenizer = words_tokenizer()
    model.read_tokenizer = lambda: tokenizer
    with torch.no_grad():
        decoder = model.module.model.decoder
        decoder.embed_tokens.weight.mul_(8)
        decoder.embed_positions.weight.mul_(20)
        for layer in decoder.layers:
            layer.encoder_attn.out_proj.weight.mul_(300)
    return model


@pytest.fixture
def words(corpus: Corpus) -> Corpus:
    """The corpus with transcripts in the words of the tiny decoder."""
    return Corpus.of(
        [
            Utterance(u.id, u.audio, speaker=u.speaker, transcript=f"w{5 + i} w{9 + i}")
            for i, u in enumerate(corpus)
        ],
        "words",
    )
