"""Whisper: how much every letter of a text attends to every frame of a sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError
from speechinterp.frames import FrameGrid
from speechinterp.models import Inputs, SpeechModel, Tap
from speechinterp.models.decoding import prompts

__all__ = ["Head", "Listening", "Spelt", "Unit", "listen", "read", "spell"]

Head = tuple[int, int]
Unit = Literal["letters", "pieces"]
Doubles = npt.NDArray[np.float64]

CONTEXT = 10
"""Words before a part of a text that is too long for the decoder, which the decoder reads with it."""


@dataclass(frozen=True)
class Spelt:
    """A text as the decoder reads it.

    Parameters
    ----------
    tokens
        Without prompt and end.
    word_of
        For every token the number of its word.
    """

    tokens: tuple[int, ...]
    word_of: tuple[int, ...]

    @property
    def first(self) -> npt.NDArray[np.bool_]:
        """True where a token is the first of its word [shape=(tokens,)]."""
        return np.diff(self.word_of, prepend=-1) > 0


@dataclass(frozen=True)
class Listening:
    """An utterance that went through the encoder.

    Parameters
    ----------
    inputs
        What the encoder was given.
    encoded
        What it made of it [shape=(1, time, width)].
    prompt
        The tokens with which the decoder starts.
    grid
        The frames.
    """

    inputs: Inputs
    encoded: Tensor
    prompt: tuple[int, ...]
    grid: FrameGrid

    @property
    def n_frames(self) -> int:
        """Frames of the utterance; those that follow are silence up to the end of the window."""
        return self.inputs.n_frames[0]

    @property
    def steps(self) -> int:
        """Frames of the spectrogram (of 10 ms) to a frame of the encoder: 2 in the released models."""
        return int(self.inputs.values.shape[-1] // self.encoded.shape[1])

    def seconds(self, steps: npt.NDArray[np.int64]) -> Doubles:
        """Return where frames of the spectrogram start: midway between their centres and those before."""
        hop = self.grid.hop / self.steps
        times: Doubles = np.clip((steps - 0.5) * hop, 0, self.inputs.n_samples[0]) / self.grid.sample_rate
        return times

    @cached_property
    def change(self) -> Doubles:
        """How much the sound changes where every frame of its spectrogram starts, in standard scores.

        Notes
        -----
        The root mean square difference, over mel channels, of the mean of the three frames before and the mean of
        three frames from there on.
        """
        n = self.n_frames * self.steps
        mel = np.pad(self.inputs.values[0, :, :n].double().cpu().numpy(), ((0, 0), (3, 2)), "edge")
        three = mel[:, :-2] + mel[:, 1:-1] + mel[:, 2:]
        change = np.sqrt(((three[:, 3:] - three[:, :-3]) ** 2).mean(0))
        scores: Doubles = (change - change.mean()) / max(change.std(), 1e-9)
        return scores


def spell(model: SpeechModel, words: Sequence[str], unit: Unit, where: str) -> Spelt:
    """Return words as tokens: small letter by small letter, or in the pieces that the tokenizer makes of them.

    Raises
    ------
    AlignmentError
        If the tokenizer has no token for any letter of a word.
    """
    tokens: list[int] = []
    word_of: list[int] = []
    special = model.vocabulary.special
    for number, word in enumerate(words):
        parts = [" " + word] if unit == "pieces" else [" " + word[0].lower(), *word[1:].lower()]
        ids = [i for part in parts for i in model.vocabulary.ids(part) if i not in special]
        if not model.vocabulary.text(ids).strip():
            raise AlignmentError(
                f"{where}: {word!r} cannot be written in the vocabulary of {model.id}",
                expected="words whose letters the tokenizer knows",
                cause="a transcript in another script or with symbols for noises",
                fix="correct the transcript, or give what is said as text=",
            )
        tokens += ids
        word_of += [number] * len(ids)
    return Spelt(tuple(tokens), tuple(word_of))


@torch.no_grad()
def listen(model: SpeechModel, utterance: Utterance) -> Listening:
    """Run the encoder over an utterance.

    Raises
    ------
    AlignmentError
        If there is no sound in it.
    AudioError
        If it is longer than the model's window.
    """
    inputs = model.prepare([utterance])
    if not np.any(utterance.waveform(model.sample_rate)):
        raise AlignmentError(
            f"utterance {utterance.id!r} holds nothing but zeros",
            expected="a recording of its words",
            cause="a muted channel",
            fix="choose another channel, or leave it out (--on-bad skip)",
        )
    encoded = model.encode(inputs)
    return Listening(inputs, encoded, tuple(prompts(model, encoded)[0]), model.grid)


@torch.no_grad()
def read(
    model: SpeechModel, heard: Listening, spelt: Spelt, heads: Sequence[Head] = (), row: int = 1
) -> tuple[dict[Head, Doubles], Doubles]:
    """Let the decoder read a text that it is given, token by token.

    Parameters
    ----------
    model, heard, spelt
        Who reads, the sound, and the text.
    heads
        Cross-attention heads as (layer, head).
    row
        1: the attention of a token is that of the position where it is read. 0: of the position before, where it is
        predicted.

    Returns
    -------
    dict of head to array
        Attention to the frames of the utterance, which sums to 1 over them [shape=(tokens, frames)].
    array
        Natural log-probability of every token, given the text before it, minus that of the most probable token
        [shape=(tokens,)].
    """
    found: dict[Head, list[Doubles]] = {head: [] for head in heads}
    ratios: list[Doubles] = []
    taps = [Tap(layer, "cross_attention", stack="decoder") for layer in sorted({layer for layer, _ in heads})]
    for tokens, new in _parts(model, heard, spelt):
        with model.record(taps) as record:
            logits = _decode(model, heard, [*heard.prompt, *tokens])[0]
        start = len(heard.prompt) + len(tokens) - new
        scores = logits[start - 1 : start - 1 + new].double()
        chosen = scores.gather(1, torch.tensor(tokens[-new:], device=scores.device)[:, None])[:, 0]
        ratios.append((chosen - scores.amax(1)).cpu().numpy())
        rows = slice(start - 1 + row, start - 1 + row + new)
        for tap in taps:
            every = record[tap][0, :, rows, : heard.n_frames].double().cpu().numpy()
            for layer, head in heads:
                if layer == tap.layer:
                    found[layer, head].append(every[head] / every[head].sum(-1, keepdims=True))
    return {head: np.concatenate(parts) for head, parts in found.items()}, np.concatenate(ratios)


def _parts(model: SpeechModel, heard: Listening, spelt: Spelt) -> Iterator[tuple[list[int], int]]:
    """Yield parts of a text that the decoder has room for, and how many of their tokens are new, the last ones."""
    room = int(model.family.config.max_target_positions) - len(heard.prompt)
    longest = max(spelt.word_of.count(word) for word in set(spelt.word_of))
    if 2 * longest > room:
        raise AlignmentError(
            f"a word of {longest} tokens",
            expected=f"at most {room // 2}, half of what the decoder of {model.id} reads at once",
            cause="a text without spaces between its words",
            fix="put spaces between words or phrases",
        )
    starts = [*np.flatnonzero(spelt.first).tolist(), len(spelt.tokens)]
    word = 0
    while word < len(starts) - 1:
        context = starts[max(0, word - CONTEXT)] if word else 0
        context = max(context, starts[word] - room // 2)
        stop = word + 1
        while stop < len(starts) - 1 and starts[stop + 1] - context <= room:
            stop += 1
        yield list(spelt.tokens[context : starts[stop]]), starts[stop] - starts[word]
        word = stop


def _decode(model: SpeechModel, heard: Listening, tokens: Sequence[int]) -> Tensor:
    module: Any = model.module
    ids = torch.tensor([list(tokens)], device=heard.encoded.device)
    with model.running(heard.inputs):
        return module(encoder_outputs=(heard.encoded,), decoder_input_ids=ids, use_cache=False).logits
