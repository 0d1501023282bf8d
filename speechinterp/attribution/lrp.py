"""AttnLRP: relevance handed back layer by layer, from the logits to the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from speechinterp.attribution.lrp_rules import CATEGORIES, Rules
from speechinterp.attribution.slopes import Targets, frozen, relevance_array
from speechinterp.attribution.spaces import (
    Features,
    LogMel,
    Space,
    SpaceName,
    Waveform,
    Within,
    repeated,
    space_of,
)
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.model import Heard
from speechinterp.models.targets import bind

__all__ = ["attn_lrp"]


def attn_lrp(
    model: SpeechModel,
    utterance: Heard,
    target: Targets,
    space: SpaceName | None = None,
    *,
    gamma: float = 0.25,
) -> xr.DataArray:
    r"""Return relevance by layer-wise relevance propagation with rules for attention.

    Parameters
    ----------
    model, utterance
        As in :func:`saliency`.
    target
        What is explained, read from the model's head: words, tokens, classes, and contrasts of them. Relevance starts
        with :math:`z_k \, \partial s / \partial z_k` at the logits z.
    space
        ``waveform`` for models that read it (relevance of the normalised waveform, sample by sample), ``log-mel`` for
        Whisper, or ``features``. None takes what the model reads.
    gamma
        How much convolutions favour what goes the way of their sum; 0 for none.

    Returns
    -------
    xarray.DataArray
        As :func:`saliency` gives it. Coordinates of every target: ``relevance_start``, what there was at the logits,
        and where it ended other than in the input: ``relevance_bias`` (biases and positions), ``relevance_tokens``
        (a decoder's own tokens), ``relevance_softmax`` (what softmaxes did not hand on). ``conservation_gap`` is the
        start less the sum of all ends, input included; ``conservation_gap_relative``, an attribute, the largest over
        the sum of their absolute values.

    Raises
    ------
    AttributionError
        If the model has a decoder, the space is none in which relevance ends, or the target is not read from a head.
    TargetError
        If the target is not there.

    Notes
    -----
    The rules, which :class:`~speechinterp.attribution.lrp_rules.Rules` lists, take the place of gradients while the
    model runs; the module is not touched. The account of all ends shows that no operation lacks a rule.

    References
    ----------
    Achtibat, R., Hatefi, S. M. V., Dreyer, M., Jain, A., Wiegand, T., Lapuschkin, S., & Samek, W. (2024). AttnLRP:
    Attention-aware layer-wise relevance propagation for transformers. ICML.

    Bach, S., Binder, A., Montavon, G., Klauschen, F., Müller, K.-R., & Samek, W. (2015). On pixel-wise explanations
    for non-linear classifier decisions by layer-wise relevance propagation. PLOS ONE, 10(7), e0130140.
    """
    if model.family.has_decoder:
        raise AttributionError(
            f"relevance propagation through the decoder of {model.id}",
            expected="a CTC or classification head",
            cause="the rules do not yet account for all relevance in a decoder: a part of it would be lost unseen",
            fix="integrated_gradients in the space log-mel",
        )
    bound = bind(target, model, utterance)
    if not all(part.head for part in bound.parts):
        raise AttributionError(
            f"the target {', '.join(bound.names)} is read inside the model",
            expected="a target that a head says: words, tokens, symbols, classes, or a contrast of them",
            cause="hidden units, probes and exemplars have no logits at which relevance starts",
            fix="input_x_gradient or integrated_gradients",
        )
    name = space or (LogMel.name if hasattr(model.family, "filters") else Waveform.name)
    opened = _opened(space_of(bound, utterance, name))
    rules = rules_of(model, gamma)
    leaf = opened.point[None].detach().requires_grad_()
    relevance, accounts = [], []
    with torch.enable_grad(), frozen(model), through_modules(model):
        scores = opened.scores(leaf, within=lambda: rules)
        for i, score in enumerate(scores[0]):
            rules.forget()
            (gradient,) = torch.autograd.grad(score, leaf, retain_graph=i + 1 < scores.shape[1])
            relevance.append((gradient * leaf.detach())[0].double())
            accounts.append(dict(rules.kept))
    total = torch.stack(relevance)
    if not bool(total.isfinite().all()):
        raise AttributionError(
            "relevance that is not finite",
            expected="finite numbers",
            cause="weights that are NaN, or a number format too coarse",
            fix="load the model with dtype='float32'",
        )
    ends = {each: torch.tensor([a[each] for a in accounts], dtype=torch.float64) for each in CATEGORIES}
    start = torch.tensor([a["head"] for a in accounts], dtype=torch.float64)
    inside = total.flatten(1).sum(1).cpu()
    gap = start - inside - sum(ends.values(), start=torch.zeros_like(start))
    size = sum((end.abs() for end in ends.values()), start=inside.abs() + start.abs()).clamp_min(1e-12)
    return relevance_array(
        opened,
        utterance,
        total,
        "attn_lrp",
        {
            "value_full": scores[0],
            "relevance_start": start,
            **{f"relevance_{each}": end for each, end in ends.items()},
            "conservation_gap": gap,
        },
        gamma=gamma,
        conservation_gap_relative=float((gap.abs() / size).max()),
    )


class _Input(Waveform):
    """The waveform as the model is given it, normalised if it was trained so, on the axis of the samples."""

    def of(self, sound: Tensor) -> Tensor:
        """Return the input of the model."""
        return self.model.prepare([sound]).values[0]

    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score inputs of the model."""
        return self.bound.scores_of(repeated(self.model, self.sound, points), within)


def _opened(space: Space) -> Space:
    """Return the space in which relevance ends."""
    if isinstance(space, LogMel | Features):
        return space
    if isinstance(space, Waveform) and not hasattr(space.model.family, "filters"):
        return _Input(space.bound, space.sound)
    raise AttributionError(
        f"relevance propagation to the {space.name} of {space.model.id}",
        expected="log-mel or features for Whisper; waveform or features for models that read the waveform",
        cause="there are no rules for spectra: a magnitude is no sum of parts",
        fix="space=None for what the model reads",
    )


def rules_of(model: SpeechModel, gamma: float) -> Rules:
    """Return the rules for a model: where its relevance starts, and where its tokens come in."""
    module: Any = model.module
    heads = [
        getattr(module, name).weight
        for name in ("lm_head", "proj_out", "classifier")
        if hasattr(module, name)
    ]
    decoder = getattr(model.family, "decoder", None)
    return Rules(heads, None if decoder is None else decoder.embed_tokens.weight, gamma)


@contextmanager
def through_modules(model: SpeechModel) -> Iterator[None]:
    """Let attention that is one fused function run step by step, so that rules reach inside."""
    fused = getattr(model.family.config, "model_type", "") == "wavlm"
    taps = [Tap(layer, "value") for layer in range(model.n_layers)] if fused else []
    if not taps:
        yield
        return
    with model.record(taps):
        yield
