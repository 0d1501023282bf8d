"""Whisper: an encoder of log-mel spectrograms of a fixed window, and a decoder of text."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from speechinterp.errors import ModelError
from speechinterp.frames import FrameGrid
from speechinterp.models.family import Family, Inputs
from speechinterp.models.taps import Attention, Block, Site, Stack

__all__ = ["WhisperFamily"]


class WhisperFamily(Family):
    """Whisper models.

    Notes
    -----
    The encoder always sees its whole window (30 s for the released models): what the utterance does not fill
    is silence, and it is attended to. The log-mel spectrogram is computed here in torch, so that gradients
    reach the waveform; `speechinterp check` compares it with the Hugging Face feature extractor's.
    """

    model_types: ClassVar[tuple[str, ...]] = ("whisper",)
    pre_norm = True
    pads_are_attended = True

    def __init__(self, module: nn.Module, preprocessor: dict[str, Any]) -> None:
        from transformers.audio_utils import mel_filter_bank

        super().__init__(module, preprocessor)
        self.encoder: Any = getattr(self.base, "encoder", None)
        self.decoder: Any = getattr(self.base, "decoder", None)
        if self.encoder is None:
            raise ModelError(
                f"{type(module).__name__} has no encoder",
                expected="WhisperModel, WhisperForConditionalGeneration or WhisperForAudioClassification",
                fix="load the whole model",
            )
        self.has_decoder = self.decoder is not None
        self.rate: int = preprocessor.get("sampling_rate", 16000)
        self.window: int = preprocessor.get("n_fft", 400)
        self.mel_hop: int = preprocessor.get("hop_length", 160)
        convolutions = [self.encoder.conv1, self.encoder.conv2]
        self.grid = FrameGrid.of_convolutions(
            self.rate,
            [
                (self.window, self.mel_hop, self.window // 2),
                *((c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions),
            ],
        )
        self.max_samples = self.config.max_source_positions * self.grid.hop
        self.filters = torch.tensor(
            mel_filter_bank(
                num_frequency_bins=1 + self.window // 2,
                num_mel_filters=self.config.num_mel_bins,
                min_frequency=0.0,
                max_frequency=8000.0,
                sampling_rate=self.rate,
                norm="slaney",
                mel_scale="slaney",
            ).astype(np.float32)
        )

    def batch_limit(self, seconds: float) -> int:
        """Return 2 on a processor, where that is fastest, and 4 elsewhere: every utterance costs a whole window."""
        return 2 if next(self.module.parameters()).device.type == "cpu" else 4

    def settings(self) -> dict[str, Any]:
        """Return how the input is prepared."""
        return {"window_seconds": self.config.max_source_positions * self.grid.hop / self.rate}

    def n_frames(self, n_samples: int) -> int:
        """Return the frames whose centre lies in the utterance; the others see padding only or mostly."""
        return min(-(-n_samples // self.grid.hop), self.config.max_source_positions)

    def prepare(self, waveforms: list[Tensor]) -> Tensor:
        """Return log-mel spectrograms of the whole window [shape=(batch, mels, frames)]."""
        assert self.max_samples is not None
        window = torch.stack([nn.functional.pad(x, (0, self.max_samples - len(x))) for x in waveforms])
        taper = torch.hann_window(self.window, device=window.device)
        spectrum = torch.stft(window, self.window, self.mel_hop, window=taper, return_complex=True)
        power = (spectrum.real.square() + spectrum.imag.square())[..., :-1]
        log_mel = torch.clamp(self.filters.to(window.device).T @ power, min=1e-10).log10()
        log_mel = torch.maximum(log_mel, log_mel.amax((1, 2), keepdim=True) - 8.0)
        return (log_mel + 4.0) / 4.0

    def blocks(self, stack: Stack) -> list[Block]:
        """Return the transformer layers of a stack."""
        owner = self.encoder if stack == "encoder" else self.decoder
        return [] if owner is None else [_block(layer) for layer in owner.layers]

    def outer_sites(self, stack: Stack) -> dict[str, Site]:
        """Return the sites of the convolutional front end and of the last norm."""
        if stack == "decoder":
            return {"normed": Site(self.decoder.layer_norm, "output")} if self.has_decoder else {}
        positions = self.encoder.embed_positions.weight
        front = Site(
            self.encoder.layers[0],
            "input",
            lambda tensor, base: tensor - positions,
            lambda tensor, base, new: new + positions,
        )
        return {"cnn": front, "normed": Site(self.encoder.layer_norm, "output")}

    def final_norm(self, state: Tensor) -> Tensor:
        """Apply the encoder's norm after the last layer."""
        return self.encoder.layer_norm(state)

    def read_out(self, state: Tensor, stack: Stack) -> Tensor:
        """Apply the decoder's last norm and the tied embeddings to raw decoder states."""
        if stack == "encoder" or not hasattr(self.module, "proj_out"):
            return super().read_out(state, stack)
        head: Any = self.module.proj_out
        return head(self.decoder.layer_norm(state))

    def encode(self, inputs: Inputs) -> Tensor:
        """Run the encoder."""
        return self.encoder(inputs.values).last_hidden_state

    def logits(self, inputs: Inputs, tokens: Tensor | None) -> Tensor:
        """Run the model with its decoder on `tokens`, or with its classification head."""
        if not self.has_decoder:
            return self.module(inputs.values).logits
        if tokens is None:
            raise ModelError(
                "no tokens for the decoder",
                expected="token ids [shape=(batch, tokens)], the start token first",
                fix="pass tokens=",
            )
        tokens = tokens.to(inputs.values.device)
        return self.module(inputs.values, decoder_input_ids=tokens, use_cache=False).logits


def _block(layer: Any) -> Block:
    def attention(a: Any) -> Attention:
        return Attention(a, a.q_proj, a.k_proj, a.v_proj, a.out_proj, a.num_heads)

    crosses = hasattr(layer, "encoder_attn")
    return Block(
        module=layer,
        first=layer.self_attn_layer_norm,
        attention=attention(layer.self_attn),
        attention_norm=layer.self_attn_layer_norm,
        neurons=lambda x: layer.activation_fn(layer.fc1(x)),
        mlp_output=layer.fc2,
        mlp_norm=layer.final_layer_norm,
        cross=attention(layer.encoder_attn) if crosses else None,
        cross_norm=layer.encoder_attn_layer_norm if crosses else None,
    )
