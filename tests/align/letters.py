"""A tiny Whisper that writes letters, and what a test plants in its attention."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from tiny import sound, tiny_model
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

import speechinterp as si
from speechinterp.align import whisper, whisper_attention, whisper_reading
from speechinterp.align.whisper_reading import Reading
from speechinterp.audio import Sound
from speechinterp.models import SpeechModel

SPANS = [(5, 6), (6, 9), (9, 10), (14, 15), (15, 20), (20, 21), (21, 24), (24, 28), (28, 30)]
"""Of the space and letters of `on a day`, in frames: a pause before, after the first word, and at the end."""


def letter_model(**changes: object) -> SpeechModel:
    """Return a tiny Whisper whose tokenizer knows small letters, the space, and nothing else."""
    model = tiny_model("whisper", max_target_positions=32, **changes)
    names = ["<|unk|>", "<|pad|>", "<|bos|>", "<|eos|>", "<|start|>", " ", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<|unk|>", pad_token="<|pad|>", bos_token="<|bos|>", eos_token="<|eos|>"
    )  # fmt: skip
    model.read_tokenizer = lambda: fast
    whisper_reading._readings[model] = Reading("letters", 1, ((1, 0),), 0, 0.0, "a test")
    return model


def spoken(transcript: str | None = "on a day", n_frames: int = 40, **more: object) -> si.Utterance:
    return si.Utterance("a/b", Sound(sound(320 * n_frames), 16000), "s", transcript, **more)


def plant(monkeypatch: pytest.MonkeyPatch, spans: list[tuple[int, int]], n_frames: int, lag: int = 0) -> None:
    """Let head (1, 0) attend, for every letter, to a span of frames, `lag` frames late; other heads to everything."""

    def planted(model, heard, spelt, heads=(), row=1):
        found = {head: np.full((len(spelt.tokens), n_frames), 1 / n_frames) for head in heads}
        if (1, 0) in found and row == 1:
            sharp = np.full((len(spelt.tokens), n_frames), 1e-6)
            for letter, (start, stop) in enumerate(spans[: len(spelt.tokens)]):
                sharp[letter, start + lag : stop + lag] = 1
            found[1, 0] = sharp / sharp.sum(-1, keepdims=True)
        return found, np.full(len(spelt.tokens), -0.1)

    for module in (whisper, whisper_reading):
        monkeypatch.setattr(module, "read", planted)
    monkeypatch.setattr(whisper_attention.Listening, "change", np.zeros(2 * n_frames))
