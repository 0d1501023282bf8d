"""Relevance after Chefer: attention weighted by its gradient, accumulated over layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import xarray as xr
from torch import Tensor

from speechinterp.errors import MixingError
from speechinterp.frames import FrameRule
from speechinterp.mixing.decomposition import AttentionParts, LayerParts, decompose
from speechinterp.mixing.memory import Plan
from speechinterp.mixing.scene import Gaps, Scene, Where, set_scene
from speechinterp.mixing.tokens import Tokens
from speechinterp.mixing.units import Unit
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.model import Heard

__all__ = ["chefer"]


def chefer(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    where: Where = "encoder",
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
    tokens: Tokens = None,
    chunk: int | None = None,
) -> xr.DataArray:
    r"""Return the relevance of every source for what the model says at a target.

    Parameters
    ----------
    model
        A model with a CTC head (``where="encoder"``) or a decoder (``cross`` or ``decoder``).
    utterance, unit, rule, gaps, tokens, chunk
        As in :func:`value_zeroing`.
    where
        ``encoder``: frames for the symbols of a CTC head. ``cross``: frames for the tokens of a decoder, through
        encoder, decoder and cross-attention. ``decoder``: earlier tokens for tokens.

    Returns
    -------
    xarray.DataArray
        As :func:`value_zeroing` gives it; layer l holds the relevance accumulated up to layer l, and the last
        layer's is the measure of the paper.

    Raises
    ------
    MixingError
        If the model has no output for each target.

    Notes
    -----
    What is explained is the log-probability of the best symbol, added over the frames of a target; of a decoder,
    that of the next token. With :math:`\bar A = \mathbb{E}_h[(\nabla A \odot A)^+]`,
    :math:`R \leftarrow R + \bar A R` from :math:`R = I`; within a stack, R - I is given, since I is no result of
    attention. Cross-attention adds :math:`\bar R_{tt}^\top \bar A \bar R_{ss}`, in which :math:`\bar R` is I plus
    R - I with rows scaled to sum 1. The gradient of a weight is
    :math:`\partial s / \partial \alpha^h_{ij} = \langle \partial s / \partial c^h_i, v^h_j \rangle` with c the head's
    context, so that it needs no attention weights inside the model.

    References
    ----------
    Chefer, H., Gur, S., & Wolf, L. (2021). Generic attention-model explainability for interpreting bi-modal and
    encoder-decoder transformers. ICCV, 397-406.
    """
    scene = set_scene(model, utterance, unit, where=where, rule=rule, gaps=gaps, tokens=tokens)
    if where == "encoder" and not (hasattr(model.module, "lm_head") and not model.family.has_decoder):
        raise MixingError(
            f"relevance in the encoder of {model.id} ({type(model.module).__name__}), which says nothing at a frame",
            expected="a model with a CTC head, or where='cross' for one with a decoder",
            cause="a pre-trained encoder, a classifier, or Whisper",
            fix="load a fine-tuned checkpoint, choose where='cross', or use a measure without gradients",
        )
    attention = scene.decomposition.layers[0].attention
    plan = scene.plan(6 * attention.modules.n_heads * len(scene.sources.index), chunk)
    below = decompose(model, utterance).layers if where == "cross" else ()
    blocks = _blocks(scene, below)
    rows: list[list[Tensor]] = []
    for gradients in _gradients(model, utterance, scene, list(blocks)):
        with torch.no_grad():
            weighted = {tap: _weighted(blocks[tap], gradient, plan) for tap, gradient in gradients.items()}
            rows.append(_accumulated(scene, weighted, len(rows), len(below)))
    layers = range(len(scene.decomposition.layers))
    scores = [scene.sources.sum_columns(torch.stack([row[layer] for row in rows])) for layer in layers]
    return scene.array(scores, "chefer", plan, heads=0, pool="sum", explained="log-probability")


def _blocks(scene: Scene, below: Sequence[LayerParts]) -> dict[Tap, AttentionParts]:
    """Return the attention blocks that relevance runs through, by the tap of their contexts."""
    stack = scene.decomposition.stack
    blocks = {Tap(x.index, "context", stack=stack): x.attention for x in scene.decomposition.layers}
    if scene.where == "cross":
        crosses = [(x.index, x.cross) for x in scene.decomposition.layers]
        blocks |= {Tap(i, "cross_context", stack=stack): x for i, x in crosses if x is not None}
        blocks |= {Tap(x.index, "context"): x.attention for x in below}
    return blocks


def _gradients(
    model: SpeechModel, utterance: Heard, scene: Scene, taps: list[Tap]
) -> Iterator[dict[Tap, Tensor]]:
    """Yield for every target the gradients of what is said there with respect to all contexts."""
    with torch.enable_grad():
        inputs = model.prepare([utterance])
        inputs.values.requires_grad_()
        tokens = (
            torch.tensor(scene.attrs["tokens"], device=model.device) if scene.where != "encoder" else None
        )
        with model.record(taps) as record:
            logits = model.logits(inputs, None if tokens is None else tokens[None])[0]
        contexts = [record[tap] for tap in taps]
        said = logits.log_softmax(-1)
        if tokens is None:
            best = said.amax(-1)
            outputs = [best[frames].sum() for frames in scene.targets.frames[: scene.targets.n_units]]
        else:
            chosen = torch.cat([tokens[1:], said[-1:].argmax(-1)])
            outputs = list(said[torch.arange(len(said)), chosen])
        for output in outputs:
            found = torch.autograd.grad(output, contexts, retain_graph=True, allow_unused=True)
            yield {
                tap: torch.zeros_like(context[0]) if gradient is None else gradient[0]
                for tap, context, gradient in zip(taps, contexts, found, strict=True)
            }


def _weighted(attention: AttentionParts, gradient: Tensor, plan: Plan) -> Tensor:
    """Return the mean over heads of the positive part of weight times gradient [shape=(target, source)]."""
    values = attention.value.permute(1, 2, 0)
    blocks = []
    for rows in torch.arange(len(gradient)).split(plan.chunk):
        slopes = gradient[rows].transpose(0, 1) @ values
        blocks.append(attention.weights(rows).mul_(slopes).clamp_min_(0).mean(0))
    return torch.cat(blocks)


def _accumulated(scene: Scene, weighted: dict[Tap, Tensor], target: int, n_below: int) -> list[Tensor]:
    """Return the relevance of all sources for one target up to every layer [shape=(sources,)]."""
    stack = scene.decomposition.stack
    own = [weighted[Tap(x.index, "context", stack=stack)] for x in scene.decomposition.layers]
    if scene.where != "cross":
        start = own[0].new_zeros(len(own[0]))
        members = scene.targets.frames[target]
        start[members] = 1 / len(members)
        return [_through(own[: layer + 1], start) - start for layer in range(len(own))]
    below = [weighted[Tap(index, "context")] for index in range(n_below)]
    among = torch.eye(len(own[0])).to(own[0])
    across = own[0].new_zeros(len(own[0]), len(below[0]))
    result = []
    for layer, mixing in enumerate(own):
        among, across = among + mixing @ among, across + mixing @ across
        crossed = weighted[Tap(layer, "cross_context", stack=stack)]
        across = across + _normalised_through(below, _normalised(among).T @ crossed)
        result.append(across[target])
    return result


def _through(layers: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Multiply rows by R = (I + A_l) ... (I + A_0), without making R."""
    for mixing in reversed(layers):
        rows = rows + rows @ mixing
    return rows


def _normalised(relevance: Tensor) -> Tensor:
    """Return I + (R - I) with rows of R - I scaled to sum 1; rows of zeros stay so."""
    identity = torch.eye(len(relevance)).to(relevance)
    rest = relevance - identity
    total = rest.sum(-1, keepdim=True)
    return identity + torch.where(total > 0, rest / total, 0.0)


def _normalised_through(layers: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Multiply rows by the normalised R of :func:`_normalised`, without making R."""
    ones = torch.ones(len(layers[0])).to(rows)
    total = ones
    for mixing in layers:
        total = total + mixing @ total
    total = total - ones
    scaled = torch.where(total > 0, rows / total, 0.0)
    return rows + _through(layers, scaled) - scaled
