"""What the package needs to know of a model family; one file a family fills it in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from speechinterp.errors import ModelError
from speechinterp.frames import FrameGrid
from speechinterp.models.taps import Block, Site, Stack

__all__ = ["Family", "Inputs"]

BATCH_SECONDS = {"cpu": 4.0, "cuda": 32.0}
"""Seconds of sound to run at once: a processor is fastest with one sentence, or a few clips of a word."""


@dataclass(frozen=True)
class Inputs:
    """A batch as the model takes it.

    Parameters
    ----------
    values
        Padded waveforms [shape=(batch, samples)] or log-mel spectrograms [shape=(batch, mels, frames)].
    n_samples
        Length of each utterance's waveform, in samples.
    n_frames
        Number of encoder frames of each that stem from the utterance and not from padding.
    """

    values: Tensor
    n_samples: tuple[int, ...]
    n_frames: tuple[int, ...]


class Family(ABC):
    """One family of models around a Hugging Face module.

    Parameters
    ----------
    module
        The whole module, with or without a head.
    preprocessor
        The content of `preprocessor_config.json`; empty where there is none.
    """

    model_types: ClassVar[tuple[str, ...]]
    grid: FrameGrid
    min_samples: int = 1
    max_samples: int | None = None
    pre_norm: bool
    has_decoder: bool = False
    pads_are_attended: bool = False

    def __init__(self, module: nn.Module, preprocessor: dict[str, Any]) -> None:
        self.module = module
        self.config: Any = module.config
        self.base: Any = getattr(module, getattr(module, "base_model_prefix", ""), module)

    @abstractmethod
    def n_frames(self, n_samples: int) -> int:
        """Return the number of encoder frames that an utterance of `n_samples` samples has."""

    @abstractmethod
    def prepare(self, waveforms: list[Tensor]) -> Tensor:
        """Return the padded input of the model for these waveforms, with gradients."""

    @abstractmethod
    def blocks(self, stack: Stack) -> list[Block]:
        """Return the transformer layers of a stack."""

    @abstractmethod
    def outer_sites(self, stack: Stack) -> dict[str, Site]:
        """Return the sites outside the layers, by part; `normed` among them."""

    @abstractmethod
    def encode(self, inputs: Inputs) -> Tensor:
        """Run the encoder; padding changes nothing in the frames of the utterances [shape=(batch, time, width)]."""

    @abstractmethod
    def logits(self, inputs: Inputs, tokens: Tensor | None) -> Tensor:
        """Run the whole model."""

    def position_bias(self, layer: int) -> Site | None:
        """Return the site of what is added to the attention scores before the softmax, if anything is."""
        return None

    def final_norm(self, state: Tensor) -> Tensor:
        """Turn the raw state of the last encoder layer into what the head reads."""
        return state

    def read_out(self, state: Tensor, stack: Stack) -> Tensor:
        """Turn raw states of any layer into logits, as if they were those of the stack's last layer."""
        raise ModelError(
            f"no head of this {type(self.module).__name__} reads every position of its {stack}",
            expected="a CTC head for the encoder, or a language model head for the decoder",
            cause="a pre-trained encoder or a classifier; or the encoder of Whisper, which only its decoder reads",
            fix="stack='decoder' for Whisper; or load a model that was fine-tuned for recognition",
        )

    def batch_limit(self, seconds: float) -> int:
        """Return how many utterances to run at once if the longest has this many seconds."""
        device = next(self.module.parameters()).device.type
        return max(1, int(BATCH_SECONDS.get(device, 4.0) // max(seconds, 0.1)))

    def settings(self) -> dict[str, Any]:
        """Return how the input is prepared, for the record of a result."""
        return {}

    @staticmethod
    def padded(waveforms: list[Tensor]) -> Tensor:
        """Return waveforms with zeros up to the longest [shape=(batch, samples)]."""
        return torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
