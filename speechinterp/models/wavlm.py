"""WavLM: wav2vec 2.0 with a gated relative position bias in a fused attention."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from speechinterp.models.family import Inputs
from speechinterp.models.taps import Attention, Block, Site
from speechinterp.models.wav2vec2 import Wav2Vec2Family, replaced

__all__ = ["WavLMFamily"]


class WavLMFamily(Wav2Vec2Family):
    """WavLM models.

    Notes
    -----
    Their attention hands weights, not modules, to one fused function, so that hooks on its projections would
    never fire. While a tap inside the attention is in use, the fused call is replaced by the same
    computation through the projections; afterwards the module is as before.
    """

    model_types: ClassVar[tuple[str, ...]] = ("wavlm",)

    def __init__(self, module: nn.Module, preprocessor: dict[str, Any]) -> None:
        super().__init__(module, preprocessor)
        self._bias_points = [nn.Identity() for _ in self.base.encoder.layers]

    def block(self, layer: Any) -> Block:
        """Return the modules of one transformer layer."""
        block = super().block(layer)
        index = list(self.base.encoder.layers).index(layer)
        within = partial(unfused, layer.attention, self._bias_points[index])
        return replace(block, attention=replace(block.attention, within=within))

    def encode(self, inputs: Inputs) -> Tensor:
        """Run the encoder."""
        with quietly():
            return super().encode(inputs)

    def logits(self, inputs: Inputs, tokens: Tensor | None) -> Tensor:
        """Run the model with its CTC or classification head."""
        with quietly():
            return super().logits(inputs, tokens)

    def position_bias(self, layer: int) -> Site:
        """Return the site of the gated relative position bias [shape=(batch, head, target, source)]."""
        module = self.base.encoder.layers[layer].attention
        point = self._bias_points[layer]
        return Site(point, "output", within=partial(unfused, module, point))


@contextmanager
def quietly() -> Iterator[None]:
    """Leave out torch's warning that a boolean mask stands beside a bias of numbers: it adds them as meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")
        yield


@contextmanager
def unfused(module: Any, bias_point: nn.Module) -> Iterator[None]:
    """Let an attention run through its projection modules, so that taps on them fire."""
    attention = Attention(
        module, module.q_proj, module.k_proj, module.v_proj, module.out_proj, module.num_heads
    )

    def through_modules(states: Tensor, mask: Tensor | None, bias: Tensor) -> tuple[Tensor, Tensor]:
        query, key, value = (
            projection(states).unflatten(-1, (module.num_heads, -1))
            for projection in (attention.query, attention.key, attention.value)
        )
        bias = bias_point(bias.unflatten(0, (-1, module.num_heads)))
        weights = attention.weights(query, key, bias, None if mask is None else mask.bool()[:, None, None])
        context = torch.einsum("bhts,bshd->bthd", weights, value).flatten(-2)
        return attention.output(context), weights

    with replaced(module, "torch_multi_head_self_attention", through_modules):
        yield
