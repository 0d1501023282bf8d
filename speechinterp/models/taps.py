"""Taps: named places inside a model, the same for every family, to read and to intervene."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from speechinterp.errors import TapError, shortlist

__all__ = ["Attention", "Block", "Recording", "Site", "Stack", "Tap", "block_sites"]

Stack = Literal["encoder", "decoder"]


@dataclass(frozen=True)
class Tap:
    """A place inside a model.

    Parameters
    ----------
    layer
        Transformer layer, from 0; None for places outside the layers (`cnn`, `projection`, `positional`,
        `normed`). ``Tap(n_layers, "residual")`` is what the last layer gives.
    part
        ==================  ===================================================  =============================
        part                what                                                 shape
        ==================  ===================================================  =============================
        residual            input of the layer                                   (batch, time, width)
        query, key, value   projections, before any scaling                      (batch, time, head, head_dim)
        attention           weights, recomputed from query and key (read only)   (batch, head, target, source)
        context             weighted values of a head                            (batch, time, head, head_dim)
        head_output         its contribution to the residual stream              (batch, time, head, width)
        attention_output    sum of the heads and the output bias                 (batch, time, width)
        residual_mid        residual + attention_output                          (batch, time, width)
        mlp_hidden          activations of the MLP's neurons                     (batch, time, hidden)
        mlp_output          output of the MLP                                    (batch, time, width)
        position_bias       WavLM's gated relative position bias                 (batch, head, target, source)
        cnn                 output of the convolutional front end                (batch, time, channels)
        projection          its projection to the model's width                  (batch, time, width)
        positional          output of the positional convolution                 (batch, time, width)
        normed              output of the stack's last norm                      (batch, time, width)
        ==================  ===================================================  =============================

        A decoder that attends to an encoder also has ``cross_query``, ``cross_key``, ``cross_value``,
        ``cross_attention``, ``cross_context``, ``cross_head_output``, ``cross_attention_output`` and
        ``residual_cross`` (residual_mid + cross_attention_output). In a post-norm layer `residual_mid` is the
        sum before the norm.
    head
        One head of a part that has heads; None for all.
    stack
        ``"encoder"`` or ``"decoder"``.
    """

    layer: int | None
    part: str
    head: int | None = None
    stack: Stack = "encoder"

    def __str__(self) -> str:
        head = "" if self.head is None else f", head={self.head}"
        stack = "" if self.stack == "encoder" else f", stack={self.stack!r}"
        return f"Tap({self.layer}, {self.part!r}{head}{stack})"


Read = Callable[[Tensor, "Tensor | None"], Tensor]
Write = Callable[[Tensor, "Tensor | None", Tensor], Tensor]


@dataclass(frozen=True)
class Site:
    """Where a tap attaches: a module's input or output, and how the part is read from and written to it.

    `read` gets the module's tensor and the input of `base` (None without one) and gives the part;
    `write` also gets the new part and gives the module's new tensor. `within` is entered around the hooks.
    `base` is a module that runs just before, or the module itself.
    """

    module: nn.Module
    side: Literal["input", "output"]
    read: Read = lambda tensor, base: tensor
    write: Write = lambda tensor, base, new: new
    base: nn.Module | None = None
    within: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True)
class Attention:
    """The modules of one attention block."""

    module: nn.Module
    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    n_heads: int
    within: Callable[[], AbstractContextManager[Any]] = nullcontext

    def weights(self, query: Tensor, key: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
        """Return softmax(q kᵀ / √d + bias) [shape=(batch, head, target, source)], `mask` True where attended."""
        scores = torch.einsum("bthd,bshd->bhts", query, key) * query.shape[-1] ** -0.5
        scores = scores if bias is None else scores + bias
        scores = scores if mask is None else scores.masked_fill(~mask, float("-inf"))
        return scores.softmax(-1)


@dataclass(frozen=True)
class Block:
    """The modules of one transformer layer.

    `first` is the one that reads the layer's input; `neurons` gives the MLP's hidden activations for its input.
    """

    module: nn.Module
    first: nn.Module
    attention: Attention
    attention_norm: nn.Module
    neurons: Callable[[Tensor], Tensor]
    mlp_output: nn.Linear
    mlp_norm: nn.Module
    cross: Attention | None = None
    cross_norm: nn.Module | None = None


def block_sites(block: Block) -> dict[str, Site]:
    """Return the sites of one transformer layer by part."""
    sites = {
        "residual": Site(block.module, "input"),
        "mlp_hidden": Site(block.mlp_output, "input"),
        "mlp_output": Site(block.mlp_output, "output"),
        **_attention_sites(block.attention, "", "residual_mid", block.first),
    }
    if block.cross is not None and block.cross_norm is not None:
        sites |= _attention_sites(block.cross, "cross_", "residual_cross", block.cross_norm)
    return sites


def _attention_sites(attention: Attention, prefix: str, sum_name: str, before: nn.Module) -> dict[str, Site]:
    heads, output, within = attention.n_heads, attention.output, attention.within

    def split(tensor: Tensor, base: Tensor | None) -> Tensor:
        return tensor.unflatten(-1, (heads, -1))

    def join(tensor: Tensor, base: Tensor | None, new: Tensor) -> Tensor:
        return new.flatten(-2)

    def contributions(tensor: Tensor, base: Tensor | None) -> Tensor:
        assert base is not None
        weight = output.weight.unflatten(1, (heads, -1))
        return torch.einsum("bthk,dhk->bthd", split(base, None), weight)

    def exchanged(tensor: Tensor, base: Tensor | None, new: Tensor) -> Tensor:
        return tensor + (new - contributions(tensor, base)).sum(2)

    def added(tensor: Tensor, base: Tensor | None) -> Tensor:
        assert base is not None
        return base + tensor

    def without(tensor: Tensor, base: Tensor | None, new: Tensor) -> Tensor:
        assert base is not None
        return new - base

    return {
        f"{prefix}query": Site(attention.query, "output", split, join, within=within),
        f"{prefix}key": Site(attention.key, "output", split, join, within=within),
        f"{prefix}value": Site(attention.value, "output", split, join, within=within),
        f"{prefix}context": Site(output, "input", split, join, within=within),
        f"{prefix}head_output": Site(output, "output", contributions, exchanged, base=output, within=within),
        f"{prefix}attention_output": Site(output, "output", within=within),
        sum_name: Site(output, "output", added, without, base=before, within=within),
    }


@dataclass(eq=False)
class Recording:
    """What the taps of a ``with model.record(taps)`` block saw in the last run inside it.

    ``recording[tap]`` gives the tensor; its first axis is the batch.
    """

    values: dict[Tap, Tensor] = field(default_factory=dict)
    derived: dict[Tap, Callable[[], Tensor]] = field(default_factory=dict)
    n_frames: tuple[int, ...] = ()

    def __getitem__(self, tap: Tap) -> Tensor:
        if tap in self.derived:
            return self.derived[tap]()
        if tap not in self.values:
            raise TapError(
                f"{tap} was not recorded; recorded: {shortlist({**self.values, **self.derived}) or 'nothing yet'}",
                expected="a tap given to model.record, after a run inside the block",
                fix="name it in model.record([...]) and run the model inside the block",
            )
        return self.values[tap]
