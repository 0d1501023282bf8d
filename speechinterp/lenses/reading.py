"""Reading: one run of the model that gives every layer's states and the model's own output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speechinterp.errors import ModelError
from speechinterp.models import Inputs, SpeechModel, Tap
from speechinterp.models.taps import Stack

__all__ = ["Reading", "read_decoder", "read_encoder", "require_ctc", "require_decoder"]


@dataclass(frozen=True)
class Reading:
    """The residual stream of one utterance, and what the model itself makes of it.

    Parameters
    ----------
    states
        Raw, layer by layer [shape=(layers + 1, steps, width)].
    logits
        The model's own output [shape=(steps, vocabulary)].
    stack
        Which stack was read.
    """

    states: Tensor
    logits: Tensor
    stack: Stack

    def through_head(self, model: SpeechModel, states: Tensor | None = None) -> Iterator[Tensor]:
        """Yield the logits of one layer after the other, or of other states in their place."""
        for layer in self.states if states is None else states:
            yield model.read_out(layer[None], self.stack)[0]

    @torch.no_grad()
    def residual(self, model: SpeechModel) -> float:
        """Return the largest difference between the lens at the top and the model's own output; 0 if all is well."""
        return float((model.read_out(self.states[-1:], self.stack)[0] - self.logits).abs().max())


@torch.no_grad()
def read_encoder(model: SpeechModel, inputs: Inputs) -> list[Reading]:
    """Run a CTC model once, and return a reading of each utterance without its padding."""
    taps = [Tap(layer, "residual") for layer in range(model.n_states)]
    with model.record(taps) as record:
        logits = model.logits(inputs)
    return [
        Reading(torch.stack([record[tap][i, :n] for tap in taps]), logits[i, :n], "encoder")
        for i, n in enumerate(inputs.n_frames)
    ]


@torch.no_grad()
def read_decoder(model: SpeechModel, inputs: Inputs, tokens: Sequence[int], n_prompt: int) -> Reading:
    """Run a decoder on the tokens of one utterance, and return a reading of what it says after the prompt.

    Parameters
    ----------
    model
        A Whisper model.
    inputs
        One utterance.
    tokens
        Prompt and text; step t of the reading is what the decoder says after ``tokens[:n_prompt + t]``.
    n_prompt
        How many of them are the prompt.
    """
    n_layers = len(model.family.blocks("decoder"))
    taps = [Tap(layer, "residual", stack="decoder") for layer in range(n_layers + 1)]
    with model.record(taps) as record:
        logits = model.logits(inputs, torch.tensor([list(tokens)]))
    steps = slice(n_prompt - 1, None)
    return Reading(torch.stack([record[tap][0, steps] for tap in taps]), logits[0, steps], "decoder")


def require_ctc(model: SpeechModel) -> None:
    """Raise ModelError for a model without a CTC head."""
    if model.vocabulary.blank is None:
        raise ModelError(
            f"{model.id} has no CTC head",
            expected="a CTC model for this lens",
            cause="Whisper, whose encoder is read by a decoder",
            fix="si.lenses.decoder or si.lenses.logit (--kind decoder, --kind logit)",
        )


def require_decoder(model: SpeechModel) -> None:
    """Raise ModelError for a model without a decoder."""
    if model.vocabulary.kind != "pieces":
        raise ModelError(
            f"{model.id} has no decoder",
            expected="a Whisper model for this lens",
            cause="a CTC model, whose head reads the encoder directly",
            fix="si.lenses.ctc (--kind ctc)",
        )
