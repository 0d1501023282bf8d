"""Blankout: what changes at a target when a unit of the sound is silenced?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from speechinterp.errors import MixingError
from speechinterp.frames import FrameRule
from speechinterp.mixing.routing import Target, unit_of
from speechinterp.mixing.scene import Scene, check_choice, set_scene
from speechinterp.mixing.tokens import Tokens, words_spelt
from speechinterp.mixing.units import Unit
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.family import Inputs
from speechinterp.models.model import Heard
from speechinterp.segments import Segment

__all__ = ["blankout", "blankout_drop", "silenced_inputs"]

FADE = 0.005


@torch.no_grad()
def blankout(
    model: SpeechModel, utterance: Heard, unit: Unit = "words", *, rule: FrameRule = "centre"
) -> xr.DataArray:
    r"""Silence one unit of the sound after the other, and measure how all others change in every layer.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    unit
        A tier name or segments.
    rule
        Which frames belong to a unit.

    Returns
    -------
    xarray.DataArray
        A map as :func:`value_zeroing` gives it [dims=(layer, target, source)]: shares of the cosine distance
        between the layer's outputs, averaged over the target's frames. ``amount`` is the sum of distances.

    Notes
    -----
    The only one of the maps that changes the sound, at the price of one run of the model for each unit. A
    silenced unit is multiplied by 0, with 5 ms of a raised cosine at its edges so that no click is added. Where
    the model scales the sound to mean 0 and variance 1, this is done before, with the scale of the whole sound,
    so that silencing a loud unit does not make all others louder. Group norm, and the maximum that Whisper's
    spectrogram is cut off below, see the whole sound and pass something of every silence on to all frames.
    Padding and gaps are not silenced and no sources.

    References
    ----------
    Mohebbi, H., Chrupała, G., Zuidema, W., & Alishahi, A. (2023). Homophone disambiguation reveals patterns
    of context mixing in speech transformers. EMNLP.
    """
    scene = set_scene(model, utterance, unit, where="encoder", rule=rule, gaps="drop", tokens=None)
    taps = [Tap(layer + 1, "residual") for layer in range(model.n_layers)]

    def states(inputs: Inputs) -> list[Tensor]:
        with model.record(taps) as record:
            model.encode(inputs)
        return [record[tap][0].double() for tap in taps]

    plain = states(model.prepare([utterance]))
    n = scene.targets.n_units
    scores = torch.zeros(len(taps), n, scene.sources.n_columns, dtype=torch.float64)
    for source, inputs in enumerate(silenced_inputs(model, utterance, scene.sources.segments)):
        for layer, (before, after) in enumerate(zip(plain, states(inputs), strict=True)):
            turned = 1 - torch.nn.functional.cosine_similarity(before, after, dim=-1).cpu()
            scores[layer, :, source] = torch.stack([turned[f].mean() for f in scene.targets.frames[:n]])
    mix = scene.array(list(scores), "blankout", fade_s=FADE).isel(source=slice(n))
    return mix.drop_vars([name for name in ("gap_share", "pad_share") if name in mix.coords])


@torch.no_grad()
def blankout_drop(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    target: Target,
    stack: Literal["encoder", "decoder"] = "encoder",
    remove: Literal["sound", "text", "both"] = "sound",
    against: int | None = None,
    tokens: Tokens = None,
    rule: FrameRule = "centre",
) -> pd.DataFrame:
    """Take away one unit after the other, and measure what the model is then less sure of at a target.

    Parameters
    ----------
    model
        A model with a CTC head, or Whisper.
    utterance, unit, rule
        As in :func:`blankout`.
    target
        The unit at which the output is read: number, label, or segment. For a decoder a token.
    stack
        ``"decoder"`` for Whisper.
    remove
        ``sound`` silences the unit. A decoder has also read what it wrote: ``text`` hides the unit's tokens from all
        later ones, by setting their values to zero in the self-attention of every layer; ``both`` does both.
    against
        For a decoder: the id of another token. `log_drop` is then that of the odds of the two, so that a word that
        only tells which word comes next costs nothing.
    tokens
        For a decoder: what it reads, a text, ids, or None for what it writes itself.

    Returns
    -------
    pandas.DataFrame
        One row a unit that was taken away: `source`, `label`, `start`, `end`, `drop` (in the probability of what
        the model said at the target before, averaged over its frames), `max_drop`, and `log_drop` in nats. All
        other units are the control of the cue; the target's own row says how much its own sound matters.

    Raises
    ------
    MixingError
        If the model writes no text, there is no such target, or a unit to hide is not in the text.

    Notes
    -----
    What a CTC head said is its best symbol at every frame of the target; frames whose best symbol is the blank
    are left out, unless all are.
    """
    check_choice("remove", remove, ("sound", "text", "both") if stack == "decoder" else ("sound",))
    if against is not None and not (stack == "decoder" and 0 <= against < model.family.config.vocab_size):
        raise MixingError(
            f"against={against} in the {stack} of {model.id}",
            expected="the id of a token of the decoder's vocabulary",
            cause="a CTC head, or tokens of another model",
            fix="against=None",
        )
    where: Literal["encoder", "cross"] = "encoder" if stack == "encoder" else "cross"
    if stack == "encoder" and not hasattr(model.module, "lm_head"):
        raise MixingError(
            f"{model.id} has no CTC head",
            expected="a model fine-tuned for recognition, or Whisper with stack='decoder'",
            fix="blankout(...) compares states, and works for every model",
        )
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps="drop", tokens=tokens)
    at = unit_of(target, scene.targets, stack)
    plain = _log_probabilities(model, model.prepare([utterance]), scene)
    rows = scene.targets.frames[at]
    said = plain[rows].argmax(-1)
    if stack == "encoder":
        spoken = said != model.family.config.pad_token_id
        rows, said = (rows[spoken], said[spoken]) if spoken.any() else (rows, said)
    else:
        said = torch.tensor([scene.attrs["tokens"][at + 1]], device=plain.device)
    table = []

    def said_there(logs: Tensor) -> tuple[Tensor, Tensor]:
        found = logs[rows].gather(1, said[:, None])[:, 0]
        return found, found if against is None else found - logs[rows, against]

    before, odds = said_there(plain)
    hidden = _hidden(model, scene) if remove != "sound" else None
    whole = model.prepare([utterance])
    for i, silenced in enumerate(silenced_inputs(model, utterance, scene.sources.segments)):
        inputs = whole if remove == "text" else silenced
        with model.intervene(hidden[i]) if hidden is not None else nullcontext():
            after, odds_after = said_there(_log_probabilities(model, inputs, scene))
        drop, each = before.exp() - after.exp(), scene.sources.segments[i]
        values = float(drop.mean()), float(drop.max()), float((odds - odds_after).mean())
        table.append((i, each.label, each.start, each.end, *values))
    result = pd.DataFrame(table, columns=["source", "label", "start", "end", "drop", "max_drop", "log_drop"])
    result.attrs |= {
        **scene.attrs,
        "method": "blankout",
        "remove": remove,
        "against": "" if against is None else against,
        "target": at,
        "probability": float(before.exp().mean()),
    }
    return result


def _log_probabilities(model: SpeechModel, inputs: Inputs, scene: Scene) -> Tensor:
    tokens = torch.tensor([scene.attrs["tokens"]]) if "tokens" in scene.attrs else None
    return model.logits(inputs, tokens)[0].double().log_softmax(-1)


def _hidden(model: SpeechModel, scene: Scene) -> list[dict[Tap, Callable[[Tensor], Tensor]]]:
    """Return for every unit what hides its tokens from later ones."""
    words = [segment.label for segment in scene.sources.segments]
    spelt = words_spelt([segment.label for segment in scene.targets.segments], words)
    layers = range(len(scene.decomposition.layers))
    result = []
    for unit in range(len(words)):
        seen = torch.tensor([float(word != unit) for word in spelt], device=model.device, dtype=model.dtype)
        keep = seen[:, None, None]
        hide: Callable[[Tensor], Tensor] = partial(torch.mul, keep)
        result.append({Tap(layer, "value", stack="decoder"): hide for layer in layers})
    return result


def silenced_inputs(model: SpeechModel, utterance: Heard, segments: Sequence[Segment]) -> Iterator[Inputs]:
    """Yield the model's input with one segment silenced after the other."""
    plain = model.prepare([utterance])
    wave = utterance if isinstance(utterance, np.ndarray | Tensor) else utterance.waveform(model.sample_rate)
    samples = torch.as_tensor(np.asarray(wave), dtype=torch.float32)
    for segment in segments:
        volume = _volume(segment, len(samples), model.sample_rate)
        if plain.values.ndim == 2:
            scaled = volume.to(plain.values)
            yield Inputs(plain.values * scaled, plain.n_samples, plain.n_frames)
        else:
            yield model.prepare([samples * volume])


def _volume(segment: Segment, n_samples: int, rate: int) -> Tensor:
    """Return 0 inside a segment and 1 outside it, with a raised cosine inside its edges."""
    time = torch.arange(n_samples, dtype=torch.float64) / rate
    inside = torch.minimum(time - segment.start, segment.end - time)
    fade = min(FADE, segment.duration / 2)
    return (0.5 + 0.5 * torch.cos(torch.pi * (inside / fade).clamp(0, 1))).float()
