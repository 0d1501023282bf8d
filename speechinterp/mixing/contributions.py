"""ALTI: how much nearer does the vector of a source bring a target to what it becomes?"""

from __future__ import annotations

import torch
import xarray as xr
from torch import Tensor

from speechinterp.frames import FrameRule
from speechinterp.mixing.contexts import ColumnVectors
from speechinterp.mixing.norms import SourcePool
from speechinterp.mixing.proximity import proximity
from speechinterp.mixing.scene import Gaps, Residual, Step, Where, check_choice, set_scene
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Unit, every_frame
from speechinterp.mixing.weights import Pooled, in_units, refuse_cross, roll_out
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["alti"]


@torch.no_grad()
def alti(
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
    r"""Return ALTI: shares by proximity, rolled out over layers.

    Parameters
    ----------
    model, utterance, unit, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    where
        ``encoder`` or ``decoder``; ``cross`` without a rollout, where the share of the target's own residual is in
        the coordinate `residual_share`.
    pool
        ``sum`` or ``mean`` of the shares of a source's frames; ``vectors``, only with ``pooled="before"`` or without a
        rollout, adds the vectors of a source's frames before their proximity is taken.
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
    With :math:`T_i(x_j) = L_i(\sum_h \alpha^h_{ij} v^h_j W_O^h + [i = j]\, x_i)` and :math:`y_i` the output of the
    attention block, after its norm in a post-norm layer,
    :math:`C_{ij} \propto \max(0, \lVert y_i \rVert_1 - \lVert y_i - T_i(x_j) \rVert_1)`, rows scaled to sum 1, and
    :math:`R^l = C^l R^{l-1}`. See :func:`proximity` for a row in which nothing comes nearer.

    References
    ----------
    Ferrando, J., Gállego, G. I., & Costa-jussà, M. R. (2022). Measuring the mixing of contextual information in
    the transformer. EMNLP, 8698-8714.
    """
    check_choice(
        "pool", pool, ("vectors", "sum", "mean") if pooled == "before" or not rolled else ("sum", "mean")
    )
    check_choice("pooled", pooled, ("after", "before"))
    if rolled:
        refuse_cross(where, "alti")
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    everything = torch.arange(len(scene.targets.index))
    first = scene.decomposition.layers[0]
    sources = scene.sources if pool == "vectors" else every_frame(scene.sources)
    per_target = 4 * sources.n_columns * first.state.shape[-1]
    per_target += 3 * first.attention.modules.n_heads * len(scene.sources.index)
    plan = scene.plan(per_target, chunk, n_targets=len(everything))
    maps, residuals = [], []
    for step in scene.steps:
        columns = ColumnVectors(step.attention, sources)
        found = torch.cat(
            [_shares(step, columns, rows, scene.residual) for rows in scene.chunks(plan, everything)]
        )
        if where == "cross":
            residuals.append(found[:, -1])
            found = found[:, :-1]
        found = scene.targets.mean_rows(found) if pool == "vectors" else found
        if where == "cross" and pool != "vectors":
            found = scene.sources.sum_columns(found)
            found = found / scene.sources.sizes if pool == "mean" else found
        elif pool != "vectors" and (pooled == "before" or not rolled):
            found = in_units(found, scene.sources, pool)
        maps.append(found)
    scores = roll_out(maps, scene, pool, pooled) if rolled else [m[: scene.targets.n_units] for m in maps]
    result = scene.array(scores, "alti", plan, heads=0, pool=pool, pooled=pooled, rolled=int(rolled))
    if residuals:
        result = result.assign_coords(
            residual_share=(("layer", "target"), torch.stack(residuals).cpu().numpy())
        )
    return result


def _shares(step: Step, columns: ColumnVectors, rows: Tensor, check: Residual) -> Tensor:
    """Return the shares of every column [shape=(rows, columns)]; in cross-attention also of the residual, last."""
    attention, cross = step.attention, step.after == "cross"
    parts = columns.of(rows, own=not cross)
    whole, bias = attention.total[rows], attention.bias
    if cross:
        parts = torch.cat([parts, attention.residual[rows].unsqueeze(1)], dim=1)
    if attention.norm is not None:
        parts = attention.norm.linear(parts, rows)
        bias = attention.norm.linear(bias.expand(len(rows), -1), rows) + attention.norm.bias
        whole = attention.norm.module(whole)
    check.note(parts.sum(1) + bias, whole)
    return proximity(parts, whole)
