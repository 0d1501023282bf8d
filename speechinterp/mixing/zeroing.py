"""Value Zeroing: how much does the output of a layer turn when a unit's values are set to zero?"""

from __future__ import annotations

import torch
import xarray as xr
from torch import Tensor

from speechinterp.frames import FrameRule
from speechinterp.mixing.contexts import ColumnVectors
from speechinterp.mixing.scene import Gaps, Scene, Step, Where, set_scene
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Unit
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["cosine_distance", "value_zeroing"]


@torch.no_grad()
def value_zeroing(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    heads: bool = False,
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Measure context mixing by Value Zeroing.

    Parameters
    ----------
    model
        The model.
    utterance
        An utterance, or a waveform at the model's sample rate.
    unit
        A tier name (``"words"``, ``"phones"``, ...), ``"frames"``, or a list of segments.
    where
        ``encoder``, ``decoder`` or ``cross``: tokens that attend to frames.
    heads
        Whether to zero one head at a time, instead of all.
    rule
        Which frames belong to a unit, see :meth:`speechinterp.FrameGrid.frames_in`.
    gaps
        Frames of the sound that are in no unit: ``drop`` leaves them out of the rows and reports the share
        they had; ``merge`` makes them a source ``"gap"``.
    tokens
        What a decoder reads: a text, ids with the start token first, or None for what the model writes.
    chunk
        Target frames to work on at once; None chooses a number that keeps memory small.

    Returns
    -------
    xarray.DataArray
        Shares [dims=(layer, target, source), or with head after layer]; every row sums to 1. Layer l is the
        transformer layer that reads state l. Coordinates: label, start and end (seconds) of targets and sources;
        `amount`, the sum of the row before it was divided; `pad_share` and `gap_share`. In Whisper's encoder
        and cross-attention the last source is ``"pad"``, all frames after the sound.

    Raises
    ------
    AnnotationError
        If the units do not fit the sound.
    MixingError
        If there is one unit alone, no such attention, or not enough memory.
    TapError
        If the values of a layer are never reached.

    Notes
    -----
    The score of target i and source J is the cosine distance :math:`1 - \cos(x_i, x_i^{\neg J})` of the layer's
    output and what it would be were :math:`v^h_j = 0` for all frames j of J, averaged over the target's frames,
    then divided by the sum of its row. Since values enter linearly, the zeroed attention is
    :math:`o_i - \sum_h W_O^h \sum_{j \in J} \alpha^h_{ij} v^h_j`; only norm and MLP of the target frames are
    computed again. This is exact, and not an approximation.

    References
    ----------
    Mohebbi, H., Zuidema, W., Chrupała, G., & Alishahi, A. (2023). Quantifying context mixing in transformers.
    EACL, 3378-3400.

    Examples
    --------
    >>> mix = si.mixing.value_zeroing(model, utterance, unit="words")  # doctest: +SKIP
    >>> mix.sel(layer=3).sum("source")  # doctest: +SKIP
    """
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    first = scene.decomposition.layers[0]
    width = first.state.shape[-1] + first.block.mlp_output.in_features // 2
    plan = scene.plan(
        scene.sources.n_columns * 6 * width + first.attention.modules.n_heads * len(scene.sources.index),
        chunk,
    )
    scores = []
    for step in scene.steps:
        columns = ColumnVectors(step.attention, scene.sources)
        layer = [_turned(step, columns, rows, scene, heads) for rows in scene.chunks(plan)]
        pooled = scene.targets.mean_rows(torch.cat(layer, dim=-2), scene.rows)
        scores.append(pooled[..., : scene.targets.n_units, :])
    return scene.array(scores, "value_zeroing", plan, heads=int(heads), pool="joint", distance="cosine")


def _turned(step: Step, columns: ColumnVectors, rows: Tensor, scene: Scene, heads: bool) -> Tensor:
    """Return by how much every column turns the output of some targets [shape=(rows, columns) or with head first]."""
    attention, whole = step.attention, step.attention.output[rows]
    total, state = attention.residual[rows] + whole, step.layer.state[rows]
    scene.residual.note(step.layer.finish(total, after=step.after), state)
    vectors = columns.by_head(rows) if heads else columns.of(rows)
    scene.residual.note((vectors.sum(2) if heads else vectors).sum(1) + attention.bias, whole)

    def distances(vectors: Tensor) -> Tensor:
        if not attention.causal:
            return cosine_distance(
                state.unsqueeze(1), step.layer.finish(total.unsqueeze(1) - vectors, after=step.after)
            )
        row, column = vectors.any(-1).nonzero(as_tuple=True)
        turned = step.layer.finish(total[row] - vectors[row, column], after=step.after)
        result = vectors.new_zeros(vectors.shape[:2])
        result[row, column] = cosine_distance(state[row], turned)
        return result

    return torch.stack([distances(v) for v in vectors.unbind(2)]) if heads else distances(vectors)


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - cos(a, b) along the last axis, to full precision also for vectors that hardly differ.

    Notes
    -----
    Computed as half the squared distance of the two unit vectors.
    """
    difference = torch.nn.functional.normalize(a, dim=-1) - torch.nn.functional.normalize(b, dim=-1)
    return difference.square().sum(-1) / 2
