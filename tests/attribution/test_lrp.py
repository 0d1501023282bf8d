"""AttnLRP: relevance is accounted for to the last bias, in every family; rules against loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import sound, tiny_model
from tiny_vocabulary import reading_model
from torch import nn

from speechinterp import Tap, Utterance, attribution, targets
from speechinterp.attribution.lrp_rules import Rules
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError

N = 6400
HEADS = (
    "wav2vec2-pre-ctc",
    "data2vec-ctc",
    "hubert-pre-class",
    "wavlm-pre-class",
    "whisper-class",
)


def heard(transcript) -> Utterance:
    return Utterance("u", Sound(sound(N), 16000), transcript=transcript)


def case(name):
    if "class" in name:
        return tiny_model(name), heard(None), targets.label("all", scale="logit")
    return reading_model(name), heard("a note"), targets.ctc()


@pytest.mark.parametrize("gamma", [0.0, 0.25])
@pytest.mark.parametrize("name", HEADS)
def test_all_relevance_is_accounted_for(name, gamma):
    model, utterance, target = case(name)
    found = attribution.attn_lrp(model, utterance, target, gamma=gamma)
    assert found.attrs["conservation_gap_relative"] < 1e-4
    assert float(abs(found).max()) > 0
    with torch.no_grad():
        assert np.allclose(
            found.value_full,
            target.bind(model, utterance).scores(torch.from_numpy(sound(N))[None])[0],
            atol=1e-4,
        )


@pytest.mark.parametrize("name", ["hubert-pre-class", "whisper-class"])
def test_all_relevance_is_accounted_for_from_the_features_on(name):
    model, utterance, target = case(name)
    found = attribution.attn_lrp(model, utterance, target, "features")
    assert found.attrs["conservation_gap_relative"] < 1e-4
    assert found.dims == ("target", "time", "channel")


def test_a_missing_rule_would_show(monkeypatch):
    model, utterance, target = case("hubert-pre-class")
    monkeypatch.setattr(Rules, "gelu", lambda self, func, x, *a, **k: func(x, *a, **k))
    assert attribution.attn_lrp(model, utterance, target).attrs["conservation_gap_relative"] > 1e-3


def test_the_module_is_not_touched():
    model, utterance, target = case("whisper-class")
    x = model.prepare([sound(N)])
    before = model.encode(x)
    attribution.attn_lrp(model, utterance, target)
    assert torch.equal(model.encode(x), before)


def relevance_of_linear(x, weight, out, relevance, gamma):
    """Share the relevance of every output by the contributions to it, one by one."""
    found = np.zeros_like(x)
    for j in range(len(out)):
        parts = np.array([x[i] * weight[j, i] for i in range(len(x))])
        favoured = np.array([p * (1 + gamma) if p * out[j] > 0 else p for p in parts])
        found += favoured / favoured.sum() * relevance[j] * (parts.sum() / out[j])
    return found


@pytest.mark.parametrize("gamma", [0.0, 0.25, 2.0])
def test_the_rule_of_convolutions_is_a_loop_over_contributions(gamma):
    torch.manual_seed(1)
    conv = nn.Conv1d(3, 4, 5, bias=False).double()
    x = torch.randn(1, 3, 5, dtype=torch.float64, requires_grad=True)
    rules = Rules([], gamma=gamma)
    rules.forget()
    with rules:
        y = conv(x)
    upper = torch.randn(4, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((y[0, :, 0] * upper).sum(), x)
    flat = x.detach().numpy().ravel()
    out = conv.weight.detach().numpy().reshape(4, -1) @ flat
    assert np.allclose(y.detach().numpy()[0, :, 0], out)
    expected = relevance_of_linear(
        flat, conv.weight.detach().numpy().reshape(4, -1), out, out * upper.numpy(), gamma
    )
    assert np.allclose((gradient * x.detach()).numpy().ravel(), expected)


def test_products_share_half_and_softmax_is_its_expansion():
    torch.manual_seed(2)
    q, k, v = (torch.randn(1, 1, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    rules = Rules([])
    rules.forget()
    with rules:
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    upper = torch.randn_like(out)
    gq, gk, gv = torch.autograd.grad((out * upper).sum(), [q, k, v])
    total = float((out * upper).sum().detach())
    assert float((gv * v.detach()).sum()) == pytest.approx(total / 2)
    scores = (q @ k.transpose(-1, -2) / 3**0.5).detach()
    weights = scores.softmax(-1)
    to_weights = weights * (upper @ v.detach().transpose(-1, -2)) / 2
    to_scores = scores * (to_weights - weights * to_weights.sum(-1, keepdim=True))
    assert float((gq * q.detach()).sum()) == pytest.approx(float(to_scores.sum()) / 2)
    assert float((gk * k.detach()).sum()) == pytest.approx(float(to_scores.sum()) / 2)
    assert rules.kept["softmax"] == pytest.approx(float(to_weights.sum() - to_scores.sum()))


def test_norms_and_gelu_hand_on_all_they_get():
    torch.manual_seed(3)
    for module in (nn.LayerNorm(6).double(), nn.GroupNorm(2, 4).double(), nn.GELU()):
        if hasattr(module, "bias"):
            nn.init.zeros_(module.bias)
        x = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
        rules = Rules([])
        rules.forget()
        with rules:
            y = module(x)
        assert torch.allclose(y, module(x))
        upper = torch.randn_like(y)
        (gradient,) = torch.autograd.grad((y * upper).sum(), x)
        assert float((gradient * x).sum().detach()) == pytest.approx(float((y * upper).sum().detach()))


def test_a_decoder_is_refused():
    with pytest.raises(AttributionError, match="through the decoder of"):
        attribution.attn_lrp(reading_model("whisper"), heard("w7 w9"), targets.token())


def test_what_relevance_cannot_reach_is_refused():
    model, utterance, target = case("whisper-class")
    for space in ("waveform", "spectrogram"):
        with pytest.raises(AttributionError, match="relevance propagation to the"):
            attribution.attn_lrp(model, utterance, target, space)
    with pytest.raises(AttributionError, match="read inside the model"):
        attribution.attn_lrp(model, utterance, targets.hidden(Tap(1, "residual"), 0))
