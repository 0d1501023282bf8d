"""Chefer relevance against gradients with respect to the weights inside eager models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixing.common import TOKENS, UNITS, columns, exact_model, wave
from tiny import shared_model

import speechinterp as si
from speechinterp.errors import MixingError


def weighted(output, attentions):
    gradients = torch.autograd.grad(output, attentions, retain_graph=True)
    return [(g * a).clamp_min(0).mean(1)[0].detach() for g, a in zip(gradients, attentions, strict=True)]


def normalised(relevance):
    rest = relevance - torch.eye(len(relevance))
    total = rest.sum(-1, keepdim=True)
    return torch.eye(len(relevance)) + torch.where(total > 0, rest / total, 0.0)


@pytest.mark.parametrize("family", ["wav2vec2-pre-ctc", "data2vec-ctc"])
def test_relevance_for_ctc_symbols(family):
    eager = exact_model(family, attn_implementation="eager")
    output = eager.module(eager.prepare([wave()]).values, output_attentions=True)
    best = output.logits[0].log_softmax(-1).amax(-1)
    groups = columns(eager, len(best))
    mix = si.mixing.chefer(exact_model(family), wave(), UNITS, gaps="merge")
    for target in range(len(UNITS)):
        relevance = torch.eye(len(best), dtype=torch.float64)
        for layer, each in enumerate(weighted(best[groups[target]].sum(), output.attentions)):
            relevance = relevance + each @ relevance
            row = (relevance - torch.eye(len(best)))[groups[target]].mean(0)
            expected = torch.stack([row[group].sum() for group in groups])
            np.testing.assert_allclose(mix[layer, target], expected / expected.sum(), rtol=1e-6)
            np.testing.assert_allclose(mix.amount[layer, target], expected.sum(), rtol=1e-6)


def test_relevance_for_the_tokens_of_a_decoder():
    eager = exact_model("whisper", attn_implementation="eager")
    tokens = torch.tensor([TOKENS])
    output = eager.module(eager.prepare([wave()]).values, decoder_input_ids=tokens, output_attentions=True)
    said = output.logits[0].log_softmax(-1)
    chosen = [*TOKENS[1:], int(said[-1].argmax())]
    groups = columns(eager, 50)
    across = si.mixing.chefer(
        exact_model("whisper"), wave(), UNITS, where="cross", tokens=TOKENS, gaps="merge"
    )
    among = si.mixing.chefer(exact_model("whisper"), wave(), where="decoder", tokens=TOKENS)
    for t, token in enumerate(chosen):
        kinds = (output.encoder_attentions, output.decoder_attentions, output.cross_attentions)
        encoder, own, cross = (weighted(said[t, token], list(kind)) for kind in kinds)
        sounds, texts = torch.eye(50, dtype=torch.float64), torch.eye(len(TOKENS), dtype=torch.float64)
        both = torch.zeros(len(TOKENS), 50, dtype=torch.float64)
        for each in encoder:
            sounds = sounds + each @ sounds
        for layer, (self_, crossed) in enumerate(zip(own, cross, strict=True)):
            texts, both = texts + self_ @ texts, both + self_ @ both
            row = (texts - torch.eye(len(TOKENS)))[t]
            if row.sum() > 1e-12:
                np.testing.assert_allclose(among[layer, t], row / row.sum(), rtol=1e-6, atol=1e-9)
            both = both + normalised(texts).T @ crossed @ normalised(sounds)
            expected = torch.stack([both[t, group].sum() for group in groups])
            np.testing.assert_allclose(across[layer, t], expected / expected.sum(), rtol=1e-6)


@pytest.mark.parametrize("family", ["hubert", "wavlm-pre-class", "whisper"])
def test_models_that_say_nothing_at_a_frame_are_refused(family):
    with pytest.raises(MixingError, match="says nothing at a frame"):
        si.mixing.chefer(shared_model(family), wave(), UNITS)


def test_frozen_weights_and_chunks_change_nothing():
    model = exact_model("wav2vec2-pre-ctc")
    before = si.mixing.chefer(model, wave(), UNITS)
    model.module.requires_grad_(False)
    with torch.no_grad():
        after = si.mixing.chefer(model, wave(), UNITS, chunk=2)
    np.testing.assert_allclose(after.values, before.values, atol=1e-12)
    assert all(p.grad is None for p in model.module.parameters())
