"""wav2vec 2.0, HuBERT and data2vec-audio: a convolutional front end, then a transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from speechinterp.errors import ModelError
from speechinterp.frames import FrameGrid
from speechinterp.models.family import Family, Inputs
from speechinterp.models.taps import Attention, Block, Site, Stack

__all__ = ["Wav2Vec2Family"]


class Wav2Vec2Family(Family):
    """Models that read the waveform, with frames of 20 ms (hop 320, receptive field 400 samples)."""

    model_types: ClassVar[tuple[str, ...]] = ("wav2vec2", "hubert", "data2vec-audio")

    def __init__(self, module: nn.Module, preprocessor: dict[str, Any]) -> None:
        super().__init__(module, preprocessor)
        config = self.config
        if getattr(config, "add_adapter", False):
            raise ModelError(
                "this model has convolutional adapter layers above its encoder (add_adapter)",
                expected="a model whose output has the frames of its encoder",
                fix="load the model it was made from",
            )
        if getattr(config, "adapter_attn_dim", None) is not None:
            raise ModelError(
                f"this model has a language adapter in every layer (adapter_attn_dim={config.adapter_attn_dim})",
                expected="layers that are the sum of attention and MLP",
                cause="a multilingual MMS checkpoint for recognition",
                fix="load the encoder it was made from (facebook/mms-300m, facebook/mms-1b)",
            )
        self.rate: int = preprocessor.get("sampling_rate", 16000)
        self.normalize: bool = preprocessor.get("do_normalize", True)
        self.grid = FrameGrid.of_convolutions(
            self.rate, [(k, s, 0) for k, s in zip(config.conv_kernel, config.conv_stride, strict=True)]
        )
        self.min_samples = self.grid.receptive_field
        self.pre_norm = getattr(config, "do_stable_layer_norm", False)

    def settings(self) -> dict[str, Any]:
        """Return how the input is prepared."""
        return {"normalize": self.normalize}

    def n_frames(self, n_samples: int) -> int:
        """Return floor((n - receptive field) / hop) + 1, the frames that lie wholly in the sound."""
        return max(0, (n_samples - self.grid.receptive_field) // self.grid.hop + 1)

    def prepare(self, waveforms: list[Tensor]) -> Tensor:
        """Return the waveforms, each with mean 0 and variance 1 if the model was trained so, padded with zeros."""
        if self.normalize:
            waveforms = [(x - x.mean()) / torch.sqrt(x.var(correction=0) + 1e-7) for x in waveforms]
        return self.padded(waveforms)

    def blocks(self, stack: Stack) -> list[Block]:
        """Return the transformer layers of the encoder."""
        return [] if stack == "decoder" else self._blocks

    @cached_property
    def _blocks(self) -> list[Block]:
        return [self.block(layer) for layer in self.base.encoder.layers]

    def block(self, layer: Any) -> Block:
        """Return the modules of one transformer layer."""
        a, mlp = layer.attention, layer.feed_forward
        attention = Attention(a, a.q_proj, a.k_proj, a.v_proj, a.out_proj, a.num_heads)
        return Block(
            module=layer,
            first=layer.layer_norm if self.pre_norm else a,
            attention=attention,
            attention_norm=layer.layer_norm,
            neurons=lambda x: mlp.intermediate_act_fn(mlp.intermediate_dense(x)),
            mlp_output=mlp.output_dense,
            mlp_norm=layer.final_layer_norm,
        )

    def outer_sites(self, stack: Stack) -> dict[str, Site]:
        """Return the sites of the front end, the positional convolution and the last norm."""
        if stack == "decoder":
            return {}
        encoder = self.base.encoder
        last = encoder.layer_norm if self.pre_norm else encoder.layers[-1]

        def turned(tensor: Tensor, base: Tensor | None) -> Tensor:
            return tensor.transpose(1, 2)

        def turned_back(tensor: Tensor, base: Tensor | None, new: Tensor) -> Tensor:
            return new.transpose(1, 2)

        def copied(tensor: Tensor, base: Tensor | None, new: Tensor) -> Tensor:
            return new.clone()  # the encoder zeroes its padding in place

        return {
            "cnn": Site(self.base.feature_extractor, "output", turned, turned_back),
            "projection": Site(self.base.feature_projection, "output", write=copied),
            "positional": Site(encoder.pos_conv_embed, "output"),
            "normed": Site(last, "output"),
        }

    def final_norm(self, state: Tensor) -> Tensor:
        """Apply the encoder's norm after the last layer, which only pre-norm models have."""
        return self.base.encoder.layer_norm(state) if self.pre_norm else state

    def read_out(self, state: Tensor, stack: Stack) -> Tensor:
        """Apply the last norm and the CTC head to raw encoder states."""
        if stack == "decoder" or not hasattr(self.module, "lm_head"):
            return super().read_out(state, stack)
        head: Any = self.module.lm_head
        return head(self.final_norm(state))

    def encode(self, inputs: Inputs) -> Tensor:
        """Run the encoder."""
        with exact_padding(self.base, inputs, self.grid):
            return self.base(inputs.values, attention_mask=sample_mask(inputs)).last_hidden_state

    def logits(self, inputs: Inputs, tokens: Tensor | None) -> Tensor:
        """Run the model with its CTC or classification head."""
        with exact_padding(self.base, inputs, self.grid):
            return self.module(inputs.values, attention_mask=sample_mask(inputs)).logits


def sample_mask(inputs: Inputs) -> Tensor | None:
    """Return which samples are sound and not padding [shape=(batch, samples)]; None if all are."""
    if len(set(inputs.n_samples)) == 1:
        return None
    lengths = torch.tensor(inputs.n_samples, device=inputs.values.device)
    return (torch.arange(inputs.values.shape[1], device=lengths.device) < lengths[:, None]).long()


@contextmanager
def exact_padding(base: Any, inputs: Inputs, grid: FrameGrid) -> Iterator[None]:
    """Make a padded batch give what every utterance gives alone.

    Convolutions without padding never reach from sound into padding, and attention is masked. Three things
    remain: a group norm takes its statistics over time, so it is computed over the sound only; and where
    something stands between the masking and the positional convolution, or between stacked ones, the
    padding is set back to the zeros that a lone utterance is padded with.
    """
    if len(set(inputs.n_samples)) == 1:
        yield
        return
    with ExitStack() as stack:
        first = base.feature_extractor.conv_layers[0]
        norm = getattr(first, "layer_norm", None)
        if isinstance(norm, nn.GroupNorm):
            kernel, stride = first.conv.kernel_size[0], first.conv.stride[0]
            lengths = [(n - kernel) // stride + 1 for n in inputs.n_samples]
            stack.enter_context(group_norm_over_sound(norm, lengths))
        positional = base.encoder.pos_conv_embed
        between = [getattr(positional, "batch_norm", None), *getattr(positional, "layers", [])]
        for module in between:
            if module is not None:
                stack.callback(module.register_forward_hook(silence_padding(inputs.n_frames)).remove)
        yield


@contextmanager
def group_norm_over_sound(norm: nn.GroupNorm, lengths: list[int]) -> Iterator[None]:
    """Let a group norm see only the first `lengths[i]` frames of item i; the rest becomes zero."""

    def forward(x: Tensor) -> Tensor:
        rows = []
        for row, length in zip(x, lengths, strict=True):
            sound = nn.functional.group_norm(
                row[None, :, :length], norm.num_groups, norm.weight, norm.bias, norm.eps
            )
            rows.append(nn.functional.pad(sound, (0, x.shape[-1] - length)))
        return torch.cat(rows)

    with replaced(norm, "forward", forward):
        yield


@contextmanager
def replaced(module: nn.Module, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Put a function in the place of a module's method, for the length of a block."""
    before = module.__dict__.get(name)
    module.__dict__[name] = function
    try:
        yield
    finally:
        if before is None:
            del module.__dict__[name]
        else:
            module.__dict__[name] = before


def silence_padding(lengths: tuple[int, ...]) -> Any:
    """Return a hook that zeroes the frames after each utterance's last [shape=(batch, channels, time)]."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        limits = torch.tensor(lengths, device=output.device)[:, None, None]
        return output * (torch.arange(output.shape[-1], device=output.device) < limits)

    return hook
