"""Norms of what every source adds to a target: attention-norm, and GlobEnc, which rolls it out over layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import xarray as xr
from torch import Tensor

from speechinterp.frames import FrameRule
from speechinterp.mixing.contexts import ColumnVectors, column_contexts, given
from speechinterp.mixing.decomposition import AttentionParts, Norm
from speechinterp.mixing.scene import Gaps, Residual, Scene, Where, check_choice, set_scene
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Partition, Unit, every_frame
from speechinterp.mixing.weights import Pooled, divided, in_units, refuse_cross, roll_out
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["attention_norm", "globenc"]

SourcePool = Literal["vectors", "sum", "mean"]


@torch.no_grad()
def attention_norm(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    heads: bool = False,
    residual: bool = True,
    norm: bool = True,
    pool: SourcePool = "vectors",
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Measure mixing by the length of the vector that every source adds.

    Parameters
    ----------
    model, utterance, unit, where, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    heads
        Whether to keep heads apart; without `residual` only.
    residual
        Whether the target's own residual is part of what it draws from itself. In cross-attention it comes from
        no source and stays out.
    norm
        Whether vectors go through the norm that a post-norm layer applies to their sum. Pre-norm layers have none
        there.
    pool
        ``vectors`` adds the vectors of a source's frames and takes the length of the sum; ``sum`` and ``mean``
        take the lengths of single frames first.

    Returns
    -------
    xarray.DataArray
        As :func:`value_zeroing` gives it.

    Notes
    -----
    :math:`\bigl\lVert L_i\bigl(\sum_{j \in J} \sum_h \alpha^h_{ij} v^h_j W_O^h + [i \in J]\, x_i\bigr)\bigr\rVert`,
    with L the norm in affine form, :math:`L_i(p) = \gamma \odot (p - \bar p) / \sigma_i`. Values include their
    bias; the biases of output and norm belong to no source. For sources of one frame the squared length is
    :math:`\alpha_{ij}^\top G_j \alpha_{ij}` with the Gram matrix :math:`G_j` of a source's vectors over heads, so that
    no tensor of targets x sources x width is made. This is exact.

    References
    ----------
    Kobayashi, G., Kuribayashi, T., Yokoi, S., & Inui, K. (2020). Attention is not only a weight. EMNLP, 7057-7075.
    Kobayashi, G., et al. (2021). Incorporating residual and normalization layers into analysis of masked
    language models. EMNLP, 4547-4568.
    """
    check_choice("pool", pool, ("vectors", "sum", "mean"))
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    plan = scene.plan(_floats(scene, pool, heads), chunk)
    sources = scene.sources if pool == "vectors" else every_frame(scene.sources)
    scores = []
    for step in scene.steps:
        norms = [step.attention.norm] if norm else []
        lengths = _Lengths(
            step.attention, norms, sources, residual and where != "cross" and not heads, scene.residual
        )
        measure = lengths.by_head if heads else lengths.of
        found = torch.cat([measure(rows) for rows in scene.chunks(plan)], dim=-2)
        found = found if pool == "vectors" else divided(scene.sources.sum_columns(found), scene.sources, pool)
        scores.append(scene.targets.mean_rows(found, scene.rows)[..., : scene.targets.n_units, :])
    return scene.array(
        scores, "attention_norm", plan, heads=int(heads), pool=pool, residual=int(residual and not heads),
        through_norm=int(norm and not model.pre_norm),
    )  # fmt: skip


@torch.no_grad()
def globenc(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    pool: SourcePool = "sum",
    pooled: Pooled = "after",
    rolled: bool = True,
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Return GlobEnc: attention-norm with both residuals and both norms, rolled out over layers.

    Parameters
    ----------
    model, utterance, unit, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    where
        ``encoder`` or ``decoder``.
    pool
        ``sum`` or ``mean`` over a source's frames; ``vectors``, only with ``pooled="before"`` or without a rollout,
        adds vectors first.
    pooled
        As in :func:`rollout`.
    rolled
        Whether to roll out over layers; otherwise every layer stands for itself.

    Returns
    -------
    xarray.DataArray
        As :func:`value_zeroing` gives it.

    Notes
    -----
    The score of a layer is :math:`\lVert L^2_i(L^1_i(\sum_h \alpha^h_{ij} v^h_j W_O^h + [i = j]\, x_i)) \rVert`, with
    rows scaled to sum 1, and :math:`R^l = N^l R^{l-1}`. The MLP's output is left out, while its residual and
    norm are in. A pre-norm layer has neither norm on its residual stream.

    References
    ----------
    Modarressi, A., Fayyaz, M., Yaghoobzadeh, Y., & Pilehvar, M. T. (2022). GlobEnc: quantifying global token
    attribution by incorporating the whole encoder layer in transformers. NAACL, 258-271.
    """
    check_choice(
        "pool", pool, ("vectors", "sum", "mean") if pooled == "before" or not rolled else ("sum", "mean")
    )
    check_choice("pooled", pooled, ("after", "before"))
    refuse_cross(where, "globenc")
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    everything = torch.arange(len(scene.sources.index))
    plan = scene.plan(_floats(scene, pool), chunk, n_targets=len(everything))
    sources = scene.sources if pool == "vectors" else every_frame(scene.sources)
    maps = []
    for step in scene.steps:
        lengths = _Lengths(
            step.attention, [step.attention.norm, step.layer.mlp_norm], sources, True, scene.residual
        )
        found = torch.cat([lengths.of(rows) for rows in scene.chunks(plan, everything)])
        found = found / found.sum(-1, keepdim=True)
        if pool == "vectors":
            found = scene.sources.mean_rows(found)
        elif pooled == "before" or not rolled:
            found = in_units(found, scene.sources, pool)
        maps.append(found)
    scores = roll_out(maps, scene, pool, pooled) if rolled else [m[: scene.targets.n_units] for m in maps]
    return scene.array(scores, "globenc", plan, heads=0, pool=pool, pooled=pooled, rolled=int(rolled))


def _floats(scene: Scene, pool: str, by_head: bool = False) -> int:
    """Return how many numbers a target frame takes at most."""
    attention = scene.decomposition.layers[0].attention
    n, heads, width = len(scene.sources.index), attention.modules.n_heads, attention.residual.shape[-1]
    several = int((scene.sources.sizes > 1).sum()) if pool == "vectors" else 0
    return (
        6 * heads * n
        + 3 * (several + 1) * width
        + (3 * scene.sources.n_columns * heads * width if by_head else 0)
    )


@dataclass
class _Lengths:
    """Lengths of the vectors of one attention block after given norms.

    Notes
    -----
    A norm in affine form is linear but for the scale of its target. So the linear part is applied once to what
    sources give and to residuals, and every length is then multiplied by its target's scale.
    """

    attention: AttentionParts
    norms: Sequence[Norm | None]
    sources: Partition
    residual: bool
    check: Residual

    def __post_init__(self) -> None:
        sizes = self.sources.sizes
        self.single, self.several = (sizes == 1).nonzero().flatten(), (sizes != 1).nonzero().flatten()
        if len(self.single):
            self.frames = torch.cat([self.sources.frames[column] for column in self.single.tolist()])
            blocks = [self._folded(given(self.attention, frames)) for frames in self.frames.split(64)]
            self.grams = torch.cat([block @ block.transpose(1, 2) for block in blocks])

    def of(self, rows: Tensor) -> Tensor:
        """Return the lengths of all columns [shape=(rows, columns)]."""
        attention, weights = self.attention, self.attention.weights(rows)
        context = (weights @ attention.value.transpose(0, 1)).transpose(0, 1)
        self.check.note(attention.modules.output(context.flatten(1)), attention.output[rows])
        lengths = weights.new_empty(len(rows), self.sources.n_columns)
        here, own = torch.arange(len(rows)), self.sources.index[rows] if self.residual else None
        if len(self.single):
            each = weights[:, :, self.frames].permute(2, 1, 0)
            squares = torch.matmul(each, self.grams).mul_(each).sum(-1)
            lengths[:, self.single] = squares.clamp_min_(0).sqrt_().T
        if len(self.several):
            columns = [self.sources.frames[column] for column in self.several.tolist()]
            contexts = column_contexts(weights, attention, columns)
            lengths[:, self.several] = self._folded(
                contexts.flatten(2) @ attention.weight.flatten(0, 1)
            ).norm(dim=-1)
        if own is not None:
            whole = self._own(weights, rows) + attention.residual[rows]
            lengths[here, own] = self._folded(whole).norm(dim=-1)
        return lengths * self._scale(rows)

    def by_head(self, rows: Tensor) -> Tensor:
        """Return the lengths of all columns for every head [shape=(head, rows, columns)]."""
        vectors = ColumnVectors(self.attention, self.sources).by_head(rows)
        self.check.note(vectors.sum((1, 2)) + self.attention.bias, self.attention.output[rows])
        return self._folded(vectors).norm(dim=-1).permute(2, 0, 1) * self._scale(rows)

    def _scale(self, rows: Tensor) -> Tensor:
        scale = torch.ones(len(rows), 1).to(self.attention.residual)
        for norm in filter(None, self.norms):
            scale = scale / norm.deviation[rows]
        return scale

    def _folded(self, vectors: Tensor) -> Tensor:
        """Apply the linear part of all norms."""
        for norm in filter(None, self.norms):
            vectors = norm.module.weight * (vectors - vectors.mean(-1, keepdim=True))
        return vectors

    def _own(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return what every target's own column gives it [shape=(rows, width)]."""
        inside = self.sources.index == self.sources.index[rows].unsqueeze(1)
        context = torch.einsum("hrs,shk->rhk", weights * inside, self.attention.value)
        return context.flatten(1) @ self.attention.weight.flatten(0, 1)
