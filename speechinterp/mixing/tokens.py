"""Tokens: what a decoder reads while its attention is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

from speechinterp.errors import MixingError, ModelError
from speechinterp.models import SpeechModel
from speechinterp.models.decoding import greedy, prompts, token_limit
from speechinterp.models.model import Heard

__all__ = ["Tokens", "tokens_of", "words_spelt"]

Tokens = str | Sequence[int] | None


def tokens_of(model: SpeechModel, utterance: Heard, tokens: Tokens) -> tuple[Tensor, list[str]]:
    """Return the token ids of a decoder's input, and what each stands for.

    Parameters
    ----------
    model
        A model with a decoder.
    utterance
        The sound.
    tokens
        A text that is put after the prompt, ids with their start token, or None for what the model itself
        writes, always with its most probable token.

    Raises
    ------
    MixingError
        If the model has no decoder, or the ids are not the vocabulary's.
    ModelError
        If it came without a tokenizer.
    """
    if not model.family.has_decoder:
        raise MixingError(
            f"{model.id} has no decoder",
            expected="an encoder-decoder model, such as Whisper",
            cause="a model that has only an encoder",
            fix="where='encoder'",
        )
    if tokens is None or isinstance(tokens, str):
        inputs = model.prepare([utterance])
        with torch.no_grad():
            encoded = model.encode(inputs)
            (prompt,) = prompts(model, encoded)
            if tokens is None:
                (written,) = greedy(model, encoded, [prompt], token_limit(model, inputs))
                text = list(written.ids)
            else:
                text = model.vocabulary.ids(" " + tokens.strip())
        ids = [*prompt, *text]
    else:
        ids = [int(token) for token in tokens]
    size = int(model.family.config.vocab_size)
    longest = int(model.family.config.max_target_positions)
    if not ids or min(ids) < 0 or max(ids) >= size or len(ids) > longest:
        raise MixingError(
            f"{len(ids)} tokens {ids[:10]}",
            expected=f"1 to {longest} ids from 0 to {size - 1}, the start token first",
            cause="tokens of another model, or a long text",
            fix="tokens=None (what the model writes), or a text",
        )
    try:
        symbols = model.vocabulary
        labels = [symbols.tokenizer.decode([i]) for i in ids]
    except ModelError:
        labels = [str(i) for i in ids]
    return torch.tensor(ids, device=model.device), labels


def words_spelt(tokens: Sequence[str], labels: Sequence[str]) -> list[int | None]:
    """Say which word every token spells.

    Parameters
    ----------
    tokens
        What each token stands for; special ones look like ``<|this|>``.
    labels
        The words in order.

    Returns
    -------
    list
        For every token the number of its word, or None for special tokens and words without a label.

    Raises
    ------
    MixingError
        If a label is not in the text.
    """
    spoken = ["" if token.startswith("<|") else token for token in tokens]
    ends = [len("".join(spoken[: place + 1])) for place in range(len(spoken))]
    spelt: list[tuple[range, int]] = []
    wanted = [_letters(label) for label in labels]
    for written in re.finditer(r"\S+", "".join(spoken)):
        if len(spelt) < len(wanted) and _letters(written.group()) == wanted[len(spelt)]:
            spelt.append((range(*written.span()), len(spelt)))
    if len(spelt) < len(wanted):
        raise MixingError(
            f"the word {labels[len(spelt)]!r} is not in the text {''.join(spoken).strip()!r}",
            expected="a text with all labels of the tier, in order",
            cause="the model wrote something else, or the tier has other spellings than the transcript",
            fix="tokens=utterance.transcript",
        )

    def word(place: int) -> int | None:
        letters = range(ends[place] - len(spoken[place].lstrip()), ends[place])
        return next((number for span, number in spelt if set(letters) & set(span)), None)

    return [word(place) for place in range(len(tokens))]


def _letters(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())
