"""Greedy decoding: the best path of a CTC head, the best token at every step of a decoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from speechinterp.errors import ModelError, shortlist
from speechinterp.models.family import Inputs

if TYPE_CHECKING:
    from speechinterp.models.model import Heard, SpeechModel

__all__ = [
    "Decoded",
    "best_path",
    "end_token",
    "greedy",
    "prompts",
    "run_decoder",
    "token_limit",
    "transcribe",
]

TOKENS_PER_SECOND = 20
TOKENS_MORE = 20
"""No speech has more tokens than 20 a second and 20 more, but a decoder that talks to itself goes on forever."""


@dataclass(frozen=True)
class Decoded:
    """What a decoder wrote: its tokens after the prompt, without the end, and whether it came to an end."""

    ids: tuple[int, ...]
    ended: bool


def best_path(symbols: Sequence[int], blank: int) -> list[int]:
    """Return a CTC path as a text: of equal symbols in a row one, without blanks."""
    return [s for i, s in enumerate(symbols) if s != blank and (i == 0 or s != symbols[i - 1])]


@torch.no_grad()
def transcribe(model: SpeechModel, heard: Sequence[Heard]) -> list[str]:
    """Write down what is said in each sound; see :meth:`speechinterp.SpeechModel.transcribe`."""
    vocabulary, texts = model.vocabulary, []
    for sound in heard:
        inputs = model.prepare([sound])
        if vocabulary.blank is not None:
            path = model.logits(inputs)[0, : inputs.n_frames[0]].argmax(-1).tolist()
            texts.append(vocabulary.text(best_path(path, vocabulary.blank)))
        else:
            encoded = model.encode(inputs)
            (decoded,) = greedy(model, encoded, prompts(model, encoded), token_limit(model, inputs))
            texts.append(vocabulary.text(decoded.ids))
    return texts


def token_limit(model: SpeechModel, inputs: Inputs) -> int:
    """Return after how many tokens decoding of a batch is cut short, since no speech is that dense."""
    return TOKENS_MORE + TOKENS_PER_SECOND * max(inputs.n_samples) // model.sample_rate


@torch.no_grad()
def prompts(model: SpeechModel, encoded: Tensor, language: str | None = None) -> list[list[int]]:
    """Return the tokens with which the decoder starts to transcribe, for every item of a batch.

    Parameters
    ----------
    model
        A Whisper model.
    encoded
        Output of the encoder, after its last norm [shape=(batch, time, width)].
    language
        Code such as ``"nl"``; None takes the most probable language of each item. Without meaning for models
        that know one language.

    Returns
    -------
    list of list of int
        Start; for multilingual models language and task; and the token against time stamps, if there is one.

    Raises
    ------
    ModelError
        If the model does not know the language.
    """
    settings: Any = model.module.generation_config
    start = int(settings.decoder_start_token_id or model.family.config.decoder_start_token_id)
    plain = [getattr(settings, "no_timestamps_token_id", None)]
    languages: dict[str, int] = getattr(settings, "lang_to_id", None) or {}
    if not languages:
        forced = [token for _, token in getattr(settings, "forced_decoder_ids", None) or []]
        rest = [*forced, *(token for token in plain if token not in forced)]
        return [[start, *(int(token) for token in rest if token is not None)] for _ in encoded]
    if language is not None and f"<|{language}|>" not in languages:
        raise ModelError(
            f"{model.id} does not know the language {language!r}",
            expected=f"one of {shortlist((name.strip('<|>') for name in languages), 100)}",
            fix="language='en', or None to have it detected",
        )
    if language is None:
        known = torch.tensor(sorted(languages.values()), device=encoded.device)
        starts = torch.full((len(encoded), 1), start, device=encoded.device)
        scores = run_decoder(model, encoded, starts).logits[:, -1, known]
        chosen = known[scores.argmax(-1)].tolist()
    else:
        chosen = [languages[f"<|{language}|>"]] * len(encoded)
    task = settings.task_to_id["transcribe"]
    return [[start, spoken, task, *(t for t in plain if t is not None)] for spoken in chosen]


def end_token(model: SpeechModel) -> int:
    """Return the token with which the decoder of a Whisper model ends a text."""
    said: Any = model.module.generation_config
    end = model.family.config.eos_token_id if said.eos_token_id is None else said.eos_token_id
    return int(end[0] if isinstance(end, list) else end)


@torch.no_grad()
def greedy(
    model: SpeechModel, encoded: Tensor, prompt: Sequence[Sequence[int]], max_tokens: int
) -> list[Decoded]:
    """Let the decoder of a Whisper model write, always with the most probable token.

    Parameters
    ----------
    model
        A Whisper model with its language model head.
    encoded
        What it attends to: the encoder's output, or anything in its place [shape=(batch, time, width)].
    prompt
        Start of every item, equally long, as from :func:`prompts`.
    max_tokens
        How many tokens to write at most; the model's own limit goes before.

    Returns
    -------
    list of Decoded
        One an item. Tokens that the checkpoint suppresses (`suppress_tokens`, `begin_suppress_tokens`) are
        never chosen.

    Notes
    -----
    Items that ended leave the batch. Keys and values of earlier tokens are kept.
    """
    settings: Any = model.module.generation_config
    config = model.family.config
    end = end_token(model)
    never = list(settings.suppress_tokens or [])
    not_first = list(getattr(settings, "begin_suppress_tokens", None) or [])
    room = int(getattr(settings, "max_length", None) or config.max_target_positions)
    room = min(room, config.max_target_positions) - len(prompt[0])

    written: list[list[int]] = [[] for _ in encoded]
    ended = [False] * len(encoded)
    active = list(range(len(encoded)))
    tokens, cache = torch.tensor([list(start) for start in prompt], device=encoded.device), None
    for step in range(min(max_tokens, room)):
        output = run_decoder(model, encoded, tokens, cache)
        logits, cache = output.logits[:, -1].float(), output.past_key_values
        logits[:, never + (not_first if step == 0 else [])] = float("-inf")
        best = logits.argmax(-1)
        for item, token in zip(active, best.tolist(), strict=True):
            if token == end:
                ended[item] = True
            else:
                written[item].append(token)
        keep = [i for i, item in enumerate(active) if not ended[item]]
        if not keep:
            break
        if len(keep) < len(active):
            chosen = torch.tensor(keep, device=encoded.device)
            active, best, encoded = [active[i] for i in keep], best[chosen], encoded[chosen]
            cache.batch_select_indices(chosen)
        tokens = best[:, None]
    return [Decoded(tuple(ids), done) for ids, done in zip(written, ended, strict=True)]


def run_decoder(model: SpeechModel, encoded: Tensor, tokens: Tensor, cache: Any = None) -> Any:
    """Run the decoder of a Whisper model on tokens, after those whose keys and values are in the cache.

    Parameters
    ----------
    model
        A Whisper model with its language model head.
    encoded
        What it attends to: the encoder's output, or anything in its place [shape=(batch, time, width)].
    tokens
        [shape=(batch, tokens)].
    cache
        The `past_key_values` of the last call, None at the start.

    Returns
    -------
    Seq2SeqLMOutput
        Of Hugging Face, with `logits` [shape=(batch, tokens, vocabulary)] and `past_key_values`.
    """
    with model.running(Inputs(encoded, (), ())):
        return model.module(
            encoder_outputs=(encoded,), decoder_input_ids=tokens, past_key_values=cache, use_cache=True
        )
