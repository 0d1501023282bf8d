"""Sums: every sum inside a model, read at the units of an utterance, with the share of each of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.mixing.decomposition import AttentionParts, Decomposition, LayerParts, Norm
from speechinterp.mixing.positional import FixedPositional
from speechinterp.mixing.proximity import proximity, signed_shares
from speechinterp.mixing.units import Partition
from speechinterp.models.front import Front
from speechinterp.models.taps import Stack

__all__ = ["Level", "Module", "Stream", "Sum", "neuron_shares"]

Doubles: TypeAlias = npt.NDArray[np.float64]
Module = Literal["positional", "attention", "cross_attention", "mlp"]
ROWS = 256


@dataclass(frozen=True)
class Level:
    """A place of the residual stream: `input`, `residual`, `residual_mid` or `residual_cross` of a layer."""

    stack: Stack
    layer: int
    part: str


@dataclass(frozen=True)
class Sum:
    """One sum: what is at `top` is what was `below` it, plus what a module adds, plus biases.

    Parameters
    ----------
    module
        The module that adds; None where only biases are added.
    top, below
        Where the sum stands, and what it adds to, at the same unit.
    read
        Where the module reads.
    own
        Share of what was below [shape=(target,)].
    bias
        Share of all biases [shape=(target,)].
    mixed
        Share of the module by unit it reads and head [shape=(target, source, head)]; for an MLP, which reads
        its own unit only [shape=(target, 1, 1)].
    signed_own, signed_bias, signed_mixed
        The same, signed.
    residual
        By how much the parts miss the sum, over max(1, largest value).
    """

    module: Module | None
    top: Level
    below: Level
    read: Level
    own: Doubles
    bias: Doubles
    mixed: Doubles
    signed_own: Doubles
    signed_bias: Doubles
    signed_mixed: Doubles
    residual: float

    @property
    def local(self) -> bool:
        """Whether the module reads the unit that it writes to, and no other."""
        return self.module in ("mlp", None)


Pending: TypeAlias = Callable[[Sequence[int]], Sum]


class _Shares:
    """Shares of the parts of one sum, gathered one by one; units that are not asked for stay zero."""

    def __init__(self, n_targets: int, n_sources: int, n_heads: int) -> None:
        self.own, self.bias, self.signed_own, self.signed_bias = (np.zeros(n_targets) for _ in range(4))
        self.mixed, self.signed_mixed = (np.zeros((n_targets, n_sources, n_heads)) for _ in range(2))
        self.residual = 0.0

    def add(self, unit: int, mixed: Tensor, own: Tensor, bias: Tensor, whole: Tensor) -> None:
        """Take the parts of a unit: `mixed` [shape=(source, head, width)], the others [shape=(width,)]."""
        parts = torch.cat([mixed.flatten(0, 1), own[None], bias[None]])
        missed = (parts.sum(0) - whole).abs().max() / whole.abs().max().clamp_min(1)
        self.residual = max(self.residual, float(missed))
        shares, signed = (f(parts.double(), whole.double()).cpu().numpy() for f in (proximity, signed_shares))
        self.mixed[unit], self.signed_mixed[unit] = (
            x[:-2].reshape(mixed.shape[:2]) for x in (shares, signed)
        )
        self.own[unit], self.bias[unit] = shares[-2:]
        self.signed_own[unit], self.signed_bias[unit] = signed[-2:]

    def finished(self, module: Module | None, top: Level, below: Level, read: Level) -> Sum:
        """Return the sum."""
        return Sum(
            module, top, below, read, self.own, self.bias, self.mixed,
            self.signed_own, self.signed_bias, self.signed_mixed, self.residual,
        )  # fmt: skip


@dataclass(frozen=True)
class Stream:
    """A stack taken apart, with the units at which its sums are read.

    Parameters
    ----------
    parts
        Of the stack.
    front
        Of the stack.
    units
        The unit of every frame or token.
    encoder
        For a decoder: the unit of every frame of the encoder.
    encoder_top
        For a decoder: where its attention to the encoder reads.
    """

    parts: Decomposition
    front: Front
    units: Partition
    encoder: Partition | None = None
    encoder_top: Level | None = None

    def sums(self) -> Iterator[tuple[Level, Pending]]:
        """Yield all sums from the top down: where each stands, and a function of the units to compute it at."""
        for here in reversed(self.parts.layers):
            yield self._level(here.index + 1, "residual"), partial(self._mlp, here)
            if here.cross is not None:
                yield self._level(here.index, "residual_cross"), partial(self._cross_attention, here)
            yield self._level(here.index, "residual_mid"), partial(self._attention, here)
        yield self._level(0, "residual"), self._positional if self.front.positional else self._positions

    def _level(self, layer: int, part: str) -> Level:
        return Level(self.parts.stack, layer, part)

    def _mlp(self, here: LayerParts, rows: Sequence[int]) -> Sum:
        """Weigh the MLP's whole output against what it is added to.

        Its output bias stays with it: it offsets the mean of the activations, and split from them both parts
        would be large, opposite, and by the rule of proximity worth nothing.
        """
        shares = _Shares(self.units.n_columns, 1, 1)
        nothing = torch.zeros_like(here.state[0])
        for unit in rows:
            frames = self.units.frames[unit]
            own, added, shift = _through(
                here.mlp_norm, frames, here.mlp_residual[frames], here.mlp_output[frames], nothing
            )
            shares.add(unit, added[None, None], own, shift, here.state[frames].mean(0))
        below = self._level(here.index, "residual_mid" if here.cross is None else "residual_cross")
        return shares.finished("mlp", self._level(here.index + 1, "residual"), below, below)

    def _attention(self, here: LayerParts, rows: Sequence[int]) -> Sum:
        normed = here.attention.total if here.attention.norm is None else here.mlp_residual
        shares = _attended(here.attention, normed, self.units, self.units, rows)
        below = self._level(here.index, "residual")
        return shares.finished("attention", self._level(here.index, "residual_mid"), below, below)

    def _cross_attention(self, here: LayerParts, rows: Sequence[int]) -> Sum:
        assert here.cross is not None
        assert self.encoder is not None
        assert self.encoder_top is not None
        shares = _attended(here.cross, here.cross.total, self.units, self.encoder, rows)
        top, below = (self._level(here.index, f"residual_{name}") for name in ("cross", "mid"))
        return shares.finished("cross_attention", top, below, self.encoder_top)

    def _positions(self, rows: Sequence[int]) -> Sum:
        """Take off the positions that Whisper adds: a bias, since they are the same whatever is heard."""
        assert self.front.positions is not None
        state = self.parts.layers[0].residual
        positions = self.front.positions[: len(state)].to(state.dtype)
        shares = _Shares(self.units.n_columns, 1, 1)
        for unit in rows:
            frames = self.units.frames[unit]
            own, bias = (state - positions)[frames].mean(0), positions[frames].mean(0)
            shares.add(unit, torch.zeros_like(own)[None, None], own, bias, state[frames].mean(0))
        below = self._level(0, "input")
        return shares.finished(None, self._level(0, "residual"), below, below)

    def _positional(self, rows: Sequence[int]) -> Sum:
        units, front = self.units, self.front
        states, whole = self.parts.outer["projection"], self.parts.layers[0].residual
        fixed = FixedPositional.at(front.positional, states)
        norm = None if front.norm is None else Norm.at(front.norm, states + self.parts.outer["positional"])
        scale = torch.ones_like(states[:, :1]) if norm is None else 1 / norm.deviation
        n, width = units.n_columns, states.shape[1]
        mixed = torch.zeros(n, n, width, dtype=states.dtype, device=states.device)
        for source, frames in enumerate(units.frames):
            reached, part = fixed.part(states, frames)
            mixed[:, source].index_add_(0, units.index[reached], part * scale[reached])
        mixed /= units.sizes[:, None, None]
        if norm is not None:
            mixed = norm.module.weight * (mixed - mixed.mean(-1, keepdim=True))
        constant, nothing = fixed.constant(states), torch.zeros_like(states[0])
        shares = _Shares(n, n, 1)
        for unit in rows:
            frames = units.frames[unit]
            own, biases, shift = _through(norm, frames, states[frames], constant[frames], nothing)
            shares.add(unit, mixed[unit, :, None], own, biases + shift, whole[frames].mean(0))
        below = self._level(0, "input")
        return shares.finished("positional", self._level(0, "residual"), below, below)


def _attended(
    attention: AttentionParts, whole: Tensor, units: Partition, sources: Partition, rows: Sequence[int]
) -> _Shares:
    norm, value = attention.norm, attention.value - attention.value_bias
    bias = attention.bias + torch.einsum("hk,hkd->d", attention.value_bias, attention.weight)
    shares = _Shares(units.n_columns, sources.n_columns, value.shape[1])
    for unit in rows:
        frames = units.frames[unit]
        scale = (
            torch.ones_like(value[:1, 0, 0]).expand(len(frames))
            if norm is None
            else 1 / norm.deviation[frames, 0]
        )
        weights = sum(
            torch.einsum("hts,t->sh", attention.weights(some), each)
            for some, each in zip(frames.split(ROWS), scale.split(ROWS), strict=True)
        )
        context = torch.zeros(sources.n_columns, *value.shape[1:], dtype=value.dtype, device=value.device)
        context.index_add_(0, sources.index, weights[..., None] * value / len(frames))  # type: ignore[index]
        mixed = torch.einsum("shk,hkd->shd", context, attention.weight)
        if norm is not None:
            mixed = norm.module.weight * (mixed - mixed.mean(-1, keepdim=True))
        residual = attention.residual[frames]
        own, _, constant = _through(norm, frames, residual, residual, bias)
        shares.add(unit, mixed, own, constant, whole[frames].mean(0))
    return shares


def _through(
    norm: Norm | None, frames: Tensor, own: Tensor, added: Tensor, bias: Tensor
) -> tuple[Tensor, ...]:
    """Average parts over frames, through the norm of a post-norm layer; its β goes to the biases."""
    if norm is None:
        return own.mean(0), added.mean(0), bias
    every = torch.stack([own, added, bias.expand_as(own)], 1)
    own, added, bias = norm.linear(every, frames).mean(0)
    return own, added, bias + norm.bias


def neuron_shares(here: LayerParts, frames: Tensor) -> tuple[Doubles, Doubles]:
    """Return the shares and signed shares of a layer's neurons in its output, averaged over some frames.

    Returns
    -------
    shares, signed
        Of every neuron and last of all biases; the residual has the rest [shape=(neurons + 1,)].
    """
    weight, bias = here.block.mlp_output.weight, here.block.mlp_output.bias
    norm, hidden, own = here.mlp_norm, here.mlp_hidden[frames], here.mlp_residual[frames]
    residual, _, constant = _through(norm, frames, own, own, bias)
    scale = torch.ones_like(hidden[:, :1]) if norm is None else 1 / norm.deviation[frames]
    neurons = (hidden * scale).mean(0)[:, None] * weight.T
    if norm is not None:
        neurons = norm.module.weight * (neurons - neurons.mean(-1, keepdim=True))
    parts = torch.cat([neurons, constant[None], residual[None]]).double()
    whole = here.state[frames].mean(0).double()
    shares, signed = (f(parts, whole)[:-1].cpu().numpy() for f in (proximity, signed_shares))
    return shares, signed
