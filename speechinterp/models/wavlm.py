"""WavLM: wav2vec 2.0 with a gated relative position bias in a fused attention."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from speechinterp.models.taps import Attention, Block, Site
from speechinterp.models.wav2vec2 import Wav2Vec2Family

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

    def position_bias(self, layer: int) -> Site:
        """Return the site of the gated relative position bias [shape=(batch, head, target, source)]."""
        module = self.base.encoder.layers[layer].attention
        point = self._bias_points[layer]
        return Site(point, "output", within=partial(unfused, module, point))


@contextmanager
def unfused(module: Any, bias_point: nn.Module) -> Iterator[None]:
    """Let an attention run through its projection modules, so that taps on them fire."""
    name = "torch_multi_head_self_attention"
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

    before = module.__dict__.get(name)
    module.__dict__[name] = through_modules
    try:
        yield
    finally:
        if before is None:
            del module.__dict__[name]
        else:
            module.__dict__[name] = before
