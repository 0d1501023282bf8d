"""Decomposition: every layer of one utterance as the parts that its residual stream is the sum of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from speechinterp.errors import MixingError
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.model import Heard
from speechinterp.models.taps import Attention, Block, Stack

__all__ = ["AttentionParts", "Decomposition", "LayerParts", "Norm", "decompose"]


@dataclass(frozen=True)
class Norm:
    """A layer norm at the states it normalised, where it is affine: part by part, with the scale held fixed.

    Parameters
    ----------
    module
        The norm.
    deviation
        Standard deviation that it divided by at every frame [shape=(frames, 1)].

    Notes
    -----
    LN(s) = γ ⊙ (s - mean s) / σ + β. With σ of the whole sum, L(p) = γ ⊙ (p - mean p) / σ is linear in
    a part p, and the parts of s give Σ L(p) = LN(s) - β exactly.
    """

    module: Any
    deviation: Tensor

    @classmethod
    def at(cls, module: nn.Module, sums: Tensor) -> Norm:
        """Return the norm at the states `sums` [shape=(frames, width)]."""
        variance = sums.var(-1, correction=0, keepdim=True)
        return cls(module, torch.sqrt(variance + module.eps))  # type: ignore[operator]

    @property
    def bias(self) -> Tensor:
        """β [shape=(width,)]."""
        return self.module.bias

    def linear(self, parts: Tensor, targets: slice | Tensor = slice(None)) -> Tensor:
        """Return L(p) for the parts of some frames [shape=(frames, ..., width)]."""
        deviation = self.deviation[targets]
        deviation = deviation.view(len(deviation), *[1] * (parts.ndim - 1))
        return self.module.weight * (parts - parts.mean(-1, keepdim=True)) / deviation


@dataclass(frozen=True)
class AttentionParts:
    """One attention block of one layer: what it read, what it wrote, and into which sum.

    Parameters
    ----------
    modules
        Its modules.
    query
        [shape=(target, head, head_dim)].
    key, value
        With their biases [shape=(source, head, head_dim)].
    residual
        What the output is added to [shape=(target, width)].
    output
        What is added: all heads and the output bias [shape=(target, width)].
    norm
        The norm that the sum goes through in a post-norm layer; None in a pre-norm layer.
    position_bias
        What is added to the scores before the softmax [shape=(head, target, source)], or None.
    causal
        Whether a target attends to itself and earlier positions only.
    """

    modules: Attention
    query: Tensor
    key: Tensor
    value: Tensor
    residual: Tensor
    output: Tensor
    norm: Norm | None
    position_bias: Tensor | None = None
    causal: bool = False

    @property
    def total(self) -> Tensor:
        """Residual + output, before the norm of a post-norm layer [shape=(target, width)]."""
        return self.residual + self.output

    @property
    def weight(self) -> Tensor:
        """Output weights of every head [shape=(head, head_dim, width)]."""
        heads = self.modules.n_heads
        return self.modules.output.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)

    @property
    def bias(self) -> Tensor:
        """Output bias [shape=(width,)]."""
        return self.modules.output.bias

    @property
    def value_bias(self) -> Tensor:
        """The part of every value that does not depend on its source [shape=(head, head_dim)]."""
        return self.modules.value.bias.unflatten(0, (self.modules.n_heads, -1))

    def weights(self, targets: slice | Tensor = slice(None)) -> Tensor:
        """Return the attention weights of some targets, computed when asked for [shape=(head, target, source)]."""
        query = self.query[targets]
        bias = None if self.position_bias is None else self.position_bias[:, targets][None]
        mask = None
        if self.causal:
            positions = torch.arange(len(self.query), device=query.device)[targets]
            mask = torch.arange(len(self.key), device=query.device) <= positions[:, None]
        return self.modules.weights(query[None], self.key[None], bias, mask)[0]


@dataclass(frozen=True)
class LayerParts:
    """One transformer layer: its attention blocks and its MLP.

    Parameters
    ----------
    index
        From 0.
    block
        Its modules.
    pre_norm
        Whether each block normalises what it reads, and not what it adds to.
    attention
        Self-attention.
    cross
        Attention to the encoder, in a decoder.
    mlp_output
        What the MLP adds [shape=(frames, width)].
    state
        Output of the layer [shape=(frames, width)].
    """

    index: int
    block: Block
    pre_norm: bool
    attention: AttentionParts
    cross: AttentionParts | None
    mlp_output: Tensor
    state: Tensor

    @property
    def residual(self) -> Tensor:
        """Input of the layer [shape=(frames, width)]."""
        return self.attention.residual

    @cached_property
    def mlp_residual(self) -> Tensor:
        """What the MLP's output is added to [shape=(frames, width)]."""
        before = (self.cross or self.attention).total
        return before if self.pre_norm else self.block.attention_norm(before)

    @property
    def mlp_input(self) -> Tensor:
        """What the MLP reads [shape=(frames, width)]."""
        return self.block.mlp_norm(self.mlp_residual) if self.pre_norm else self.mlp_residual

    @property
    def mlp_hidden(self) -> Tensor:
        """Activations of the MLP's neurons [shape=(frames, neurons)]."""
        return self.block.neurons(self.mlp_input)

    @cached_property
    def mlp_norm(self) -> Norm | None:
        """The norm that residual + MLP goes through in a post-norm layer."""
        return None if self.pre_norm else Norm.at(self.block.mlp_norm, self.mlp_residual + self.mlp_output)

    def finish(
        self, total: Tensor, targets: slice | Tensor = slice(None), *, after: str = "attention"
    ) -> Tensor:
        """Return the layer's output for another sum of residual and attention.

        Parameters
        ----------
        total
            In the place of ``attention.total``, or of ``cross.total`` with ``after="cross"``
            [shape=(frames, width)].
        targets
            Which frames these are; only a decoder's need to be known, for its attention to the encoder.
        after
            ``"attention"`` or ``"cross"``.
        """
        block = self.block
        if after == "attention" and self.cross is not None:
            assert block.cross_norm is not None
            total = total + self._crossed(block.cross_norm(total))
        if self.pre_norm:
            return total + block.mlp_output(block.neurons(block.mlp_norm(total)))
        middle = block.attention_norm(total)
        return block.mlp_norm(middle + block.mlp_output(block.neurons(middle)))

    def _crossed(self, states: Tensor) -> Tensor:
        """Return what attention to the encoder gives for other normalised states [shape=(frames, width)]."""
        cross = self.cross
        assert cross is not None
        query = cross.modules.query(states).unflatten(-1, (cross.modules.n_heads, -1))
        weights = cross.modules.weights(query[None], cross.key[None], None, None)[0]
        context = torch.einsum("hts,shk->thk", weights, cross.value)
        return cross.modules.output(context.flatten(1))


@dataclass(frozen=True)
class Decomposition:
    """All layers of a stack for one utterance.

    Parameters
    ----------
    stack
        ``"encoder"`` or ``"decoder"``.
    layers
        From the first to the last.
    outer
        Parts outside the layers: `cnn`, `projection`, `positional`, `normed`, as far as the stack has them
        [shape=(frames, channels or width)].
    n_frames
        Frames of the encoder that stem from the utterance; what comes after them is Whisper's padding.
    """

    stack: Stack
    layers: tuple[LayerParts, ...]
    outer: Mapping[str, Tensor]
    n_frames: int


@torch.no_grad()
def decompose(
    model: SpeechModel, utterance: Heard, stack: Stack = "encoder", tokens: Tensor | None = None
) -> Decomposition:
    """Run a model once and take its layers apart.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    stack
        ``"encoder"`` or ``"decoder"``.
    tokens
        For a decoder: token ids, the start token first [shape=(tokens,)].

    Raises
    ------
    MixingError
        If the model has no decoder, or there are no tokens for it.
    TapError
        If a part is never reached.
    """
    family = model.family
    blocks = family.blocks(stack)
    if not blocks or (stack == "decoder" and tokens is None):
        raise MixingError(
            f"{model.id} has no {stack}" if not blocks else "no tokens for the decoder",
            expected="an encoder-decoder model (Whisper) and the ids of its tokens",
            cause="a model that has only an encoder",
            fix="stack='encoder'",
        )
    names = ["residual", "query", "key", "value", "attention_output", "mlp_output"]
    if blocks[0].cross is not None:
        names += [f"cross_{name}" for name in ("query", "key", "value", "attention_output")]
    if stack == "encoder" and family.position_bias(0) is not None:
        names.append("position_bias")
    taps = [Tap(index, name, stack=stack) for index in range(len(blocks)) for name in names]
    outer = {name: Tap(None, name, stack=stack) for name in family.outer_sites(stack)}
    last = Tap(len(blocks), "residual", stack=stack)
    inputs = model.prepare([utterance])
    with model.record([*taps, *outer.values(), last]) as record:
        if stack == "encoder":
            model.encode(inputs)
        else:
            assert tokens is not None
            model.logits(inputs, tokens[None])

    def part(index: int, name: str) -> Tensor:
        return record[Tap(index, name, stack=stack)][0]

    def layer(index: int) -> LayerParts:
        block, residual, output = blocks[index], part(index, "residual"), part(index, "attention_output")
        attention = AttentionParts(
            block.attention,
            part(index, "query"),
            part(index, "key"),
            part(index, "value"),
            residual,
            output,
            None if family.pre_norm else Norm.at(block.attention_norm, residual + output),
            part(index, "position_bias") if "position_bias" in names else None,
            causal=stack == "decoder",
        )
        cross = None
        if block.cross is not None:
            cross = AttentionParts(
                block.cross,
                part(index, "cross_query"),
                part(index, "cross_key"),
                part(index, "cross_value"),
                attention.total,
                part(index, "cross_attention_output"),
                None,
            )
        state = part(index + 1, "residual")
        return LayerParts(index, block, family.pre_norm, attention, cross, part(index, "mlp_output"), state)

    return Decomposition(
        stack,
        tuple(layer(index) for index in range(len(blocks))),
        {name: record[tap][0] for name, tap in outer.items()},
        inputs.n_frames[0],
    )
