"""Attention weights as a measure of mixing, layer by layer and rolled out over layers."""

from __future__ import annotations

from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from speechinterp.errors import MixingError
from speechinterp.frames import FrameRule
from speechinterp.mixing.scene import Gaps, Scene, Step, Where, check_choice, set_scene
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Partition, Unit
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["Pooled", "attention", "divided", "roll_out", "rollout"]

Pooled = Literal["after", "before"]


@torch.no_grad()
def attention(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    heads: bool = False,
    pool: Literal["sum", "mean"] = "sum",
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Return attention weights, pooled to units.

    Parameters
    ----------
    model, utterance, unit, where, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    heads
        Whether to keep heads apart, instead of averaging them.
    pool
        Over the frames of a source: ``sum`` keeps the mass, so that long units get more; ``mean`` divides by
        their number, and rows are then scaled to sum 1 again. Over the frames of a target it is always the mean.

    Returns
    -------
    xarray.DataArray
        As :func:`value_zeroing` gives it.

    Notes
    -----
    :math:`\alpha^h_{ij} = \mathrm{softmax}_j(q^h_i \cdot k^h_j / \sqrt{d} + b^h_{ij})`, recomputed from queries and
    keys, so that it does not depend on how the model computes its attention.

    References
    ----------
    Vaswani, A., et al. (2017). Attention is all you need. NeurIPS.
    """
    check_choice("pool", pool, ("sum", "mean"))
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    n_heads = scene.decomposition.layers[0].attention.modules.n_heads
    plan = scene.plan(3 * n_heads * len(scene.sources.index), chunk)
    scores = []
    for step in scene.steps:
        rows = [scene.sources.sum_columns(_checked_weights(scene, step, rows)) for rows in scene.chunks(plan)]
        pooled = divided(scene.targets.mean_rows(torch.cat(rows, dim=-2), scene.rows), scene.sources, pool)
        pooled = pooled if heads else pooled.mean(0)
        scores.append(pooled[..., : scene.targets.n_units, :])
    return scene.array(scores, "attention", plan, heads=int(heads), pool=pool)


@torch.no_grad()
def rollout(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    pool: Literal["sum", "mean"] = "sum",
    pooled: Pooled = "after",
    residual: float = 0.5,
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Return attention rolled out over layers: how much of every source reaches a target up to a layer.

    Parameters
    ----------
    model, utterance, unit, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    where
        ``encoder`` or ``decoder``.
    pool
        As in :func:`attention`.
    pooled
        ``after``: frames are rolled out and the result is pooled; ``before``: the attention of every layer is
        pooled, and units, gaps and padding are rolled out. The two differ.
    residual
        Weight of the residual stream.

    Returns
    -------
    xarray.DataArray
        As :func:`value_zeroing` gives it, with sources that are frames of the encoder's input.

    Notes
    -----
    :math:`R^l = (r I + (1 - r) \bar\alpha^l) R^{l-1}`, with :math:`\bar\alpha` the mean over heads,
    :math:`R^{-1} = I` and r the weight of the residual.

    References
    ----------
    Abnar, S., & Zuidema, W. (2020). Quantifying attention flow in transformers. ACL, 4190-4197.
    """
    check_choice("pool", pool, ("sum", "mean"))
    check_choice("pooled", pooled, ("after", "before"))
    refuse_cross(where, "rollout")
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    n = len(scene.sources.index)
    plan = scene.plan(3 * scene.decomposition.layers[0].attention.modules.n_heads * n, chunk, n_targets=n)
    maps = []
    for step in scene.steps:
        rows = [_checked_weights(scene, step, rows).mean(0) for rows in scene.chunks(plan, torch.arange(n))]
        mixing = torch.cat(rows)
        mixing = in_units(mixing, scene.sources, pool) if pooled == "before" else mixing
        maps.append(residual * torch.eye(len(mixing)).to(mixing) + (1 - residual) * mixing)
    scores = roll_out(maps, scene, pool, pooled)
    return scene.array(scores, "rollout", plan, heads=0, pool=pool, pooled=pooled, residual=residual)


def roll_out(maps: list[Tensor], scene: Scene, pool: str, pooled: Pooled) -> list[Tensor]:
    """Multiply the maps of all layers up to each, and return the rows and columns of units.

    Parameters
    ----------
    maps
        Of every layer, with rows that sum to 1, over frames (`pooled` ``after``) or columns (``before``).
    scene
        What they are of.
    pool, pooled
        As in :func:`rollout`.
    """
    reached = torch.eye(len(maps[0])).to(maps[0])
    scores = []
    for mixing in maps:
        reached = mixing @ reached
        units = in_units(reached, scene.sources, pool) if pooled == "after" else reached
        scores.append(units[: scene.targets.n_units])
    return scores


def _checked_weights(scene: Scene, step: Step, rows: Tensor) -> Tensor:
    """Return the weights of some targets, after a check that they give the attention's output."""
    attention = step.attention
    weights = attention.weights(rows)
    context = (weights @ attention.value.transpose(0, 1)).transpose(0, 1)
    scene.residual.note(attention.modules.output(context.flatten(1)), attention.output[rows])
    return weights


def in_units(mixing: Tensor, columns: Partition, pool: str) -> Tensor:
    """Pool a map of frames to columns on both sides, with rows that sum to 1 [shape=(columns, columns)]."""
    units = divided(columns.mean_rows(columns.sum_columns(mixing)), columns, pool)
    return units / units.sum(-1, keepdim=True)


def divided(scores: Tensor, columns: Partition, pool: str) -> Tensor:
    """Turn sums over the frames of sources into means, if `pool` says so."""
    return scores / columns.sizes.to(scores.device) if pool == "mean" else scores


def refuse_cross(where: str, method: str) -> None:
    """Raise MixingError for a rollout of attention between two different sequences."""
    if where == "cross":
        raise MixingError(
            f"{method} of cross-attention",
            expected="where='encoder' or where='decoder'",
            cause="a rollout multiplies layers, whose targets must be the sources of the next",
            fix="attention, attention_norm, alti(rolled=False) or value_zeroing of one layer at a time, or chefer",
        )
