"""Value Zeroing against a whole layer for every unit and layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixing import reference
from mixing.common import TOKENS, UNITS, columns, exact_model, wave
from tiny import FAMILIES, shared_model

import speechinterp as si
from speechinterp.errors import MixingError, TapError
from speechinterp.mixing.zeroing import cosine_distance
from speechinterp.models import Tap


def value_module(layer):
    return reference.attention_of(layer).v_proj


def taken_apart(layer):
    """Give WavLM's layer an attention that goes through its modules, and leave the others."""
    attention = reference.attention_of(layer)
    if not hasattr(attention, "torch_multi_head_self_attention"):
        return

    def plain(states, mask, bias):
        scores = [
            reference.attention_weights(
                attention, each, bias.view(len(states), attention.num_heads, *bias.shape[1:])[i]
            )
            for i, each in enumerate(states)
        ]
        value = attention.v_proj(states)
        width = value.shape[-1] // attention.num_heads
        parts = [
            torch.stack([w[h] @ value[i, :, h * width : (h + 1) * width] for h in range(attention.num_heads)])
            for i, w in enumerate(scores)
        ]
        context = torch.stack([part.permute(1, 0, 2).flatten(1) for part in parts])
        return attention.out_proj(context), None

    attention.torch_multi_head_self_attention = plain


@torch.no_grad()
def slow(model, groups, **options):
    layers = reference.encoder_layers(model.module)
    with reference.layer_calls(layers) as calls:
        model.encode(model.prepare([wave()]))
    for layer in layers:
        taken_apart(layer)
    try:
        return reference.value_zeroing(layers, calls, value_module, groups, **options)
    finally:
        for layer in layers:
            reference.attention_of(layer).__dict__.pop("torch_multi_head_self_attention", None)


@pytest.mark.parametrize("family", FAMILIES)
def test_units_equal_a_whole_layer_for_each(family):
    model = exact_model(family)
    n_total = model.encode(model.prepare([wave()])).shape[1]
    groups = columns(model, n_total)
    expected = slow(model, groups)
    mix = si.mixing.value_zeroing(model, wave(), UNITS, gaps="merge")
    assert mix.dims == ("layer", "target", "source")
    for layer, distances in enumerate(expected):
        rows = reference.pooled(distances, groups[: len(UNITS)], len(groups))
        np.testing.assert_allclose(mix[layer].values, rows, atol=1e-9)
        raw = torch.stack([distances[i] for i in groups[0]]).mean(0).sum()
        np.testing.assert_allclose(mix.amount[layer, 0], raw, rtol=1e-6)
    assert mix.attrs["parts_sum_residual"] < 1e-12


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm", "whisper"])
def test_float32_is_within_the_promised_tolerance(family):
    fine = si.mixing.value_zeroing(exact_model(family), wave(), UNITS)
    coarse = si.mixing.value_zeroing(shared_model(family), wave(), UNITS)
    np.testing.assert_allclose(coarse.values, fine.values, atol=1e-5)
    assert coarse.attrs["parts_sum_residual"] < 1e-5


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-pre-class", "whisper"])
def test_one_head_at_a_time(family):
    model = exact_model(family)
    groups = columns(model, model.encode(model.prepare([wave()])).shape[1])
    mix = si.mixing.value_zeroing(model, wave(), UNITS, heads=True, gaps="merge")
    for head in (0, 3):
        for layer, distances in enumerate(slow(model, groups, head=head, n_heads=4)):
            rows = reference.pooled(distances, groups[: len(UNITS)], len(groups))
            np.testing.assert_allclose(mix[layer, head].values, rows, atol=1e-8)


def test_frames_equal_a_whole_layer_for_each():
    model = exact_model("hubert-pre-class")
    n = model.frames(wave()).n_frames
    mix = si.mixing.value_zeroing(model, wave(), "frames")
    for layer, distances in enumerate(slow(model, [[i] for i in range(n)])):
        np.testing.assert_allclose(mix[layer].values, distances / distances.sum(-1, keepdim=True), atol=1e-8)


@torch.no_grad()
def decoder_calls(model):
    layers = model.module.model.decoder.layers
    with reference.layer_calls(layers) as calls:
        model.logits(model.prepare([wave()]), torch.tensor([TOKENS]))
    return layers, calls


@torch.no_grad()
def test_decoder_and_cross_attention_equal_a_whole_layer_for_each():
    model = exact_model("whisper")
    layers, calls = decoder_calls(model)
    tokens = [[i] for i in range(len(TOKENS))]
    own = reference.value_zeroing(layers, calls, lambda layer: layer.self_attn.v_proj, tokens)
    mix = si.mixing.value_zeroing(model, wave(), where="decoder", tokens=TOKENS)
    for layer, distances in enumerate(own):
        np.testing.assert_allclose(mix[layer].values, distances / distances.sum(-1, keepdim=True), atol=1e-9)
    assert (np.triu(mix[0].values, 1) == 0).all()

    groups = columns(model, 50)
    across = reference.value_zeroing(layers, calls, lambda layer: layer.encoder_attn.v_proj, groups)
    mix = si.mixing.value_zeroing(model, wave(), UNITS, where="cross", tokens=TOKENS, gaps="merge")
    assert list(mix.source_label.values) == ["a", "b", "c", "gap", "pad"]
    for layer, distances in enumerate(across):
        np.testing.assert_allclose(mix[layer].values, distances / distances.sum(-1, keepdim=True), atol=1e-9)


def test_chunks_change_nothing():
    model = shared_model("whisper")
    whole = si.mixing.value_zeroing(model, wave(), UNITS)
    pieces = si.mixing.value_zeroing(model, wave(), UNITS, chunk=3)
    np.testing.assert_allclose(pieces.values, whole.values, atol=1e-6)
    assert (pieces.attrs["chunk"], pieces.attrs["memory_mb"]) < (
        whole.attrs["chunk"],
        whole.attrs["memory_mb"],
    )


def test_a_value_tap_that_never_fires_is_an_error(monkeypatch):
    model = exact_model("wav2vec2")
    attention = model.module.encoder.layers[1].attention
    monkeypatch.setattr(attention, "forward", lambda hidden_states, **kwargs: (hidden_states, None))
    with pytest.raises(TapError, match=r"never reached.*Tap\(1, 'value'\)"):
        si.mixing.value_zeroing(model, wave(), UNITS)


def test_values_that_are_zero_leave_rows_undefined_and_say_so():
    model = exact_model("wav2vec2")
    attention = model.module.encoder.layers[0].attention
    with model.intervene({Tap(0, "value"): torch.zeros_like}):
        mix = si.mixing.value_zeroing(model, wave(), UNITS)
    assert attention.v_proj.weight.any()
    assert np.isnan(mix[0].values).all()
    assert np.isfinite(mix[1:].values).all()
    assert mix.attrs["undefined_rows"] == len(UNITS)


def test_the_distance_is_precise_where_vectors_hardly_differ():
    a = torch.randn(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = a + 1e-5 * torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = 1 - torch.nn.functional.cosine_similarity(a, b, dim=0)
    assert float(cosine_distance(a.float(), b.float())) == pytest.approx(float(exact), rel=1e-2)
    naive = 1 - torch.nn.functional.cosine_similarity(a.float(), b.float(), dim=0)
    assert float(naive) != pytest.approx(float(exact), rel=1e-2)


def test_unknown_arguments():
    with pytest.raises(MixingError, match="where 'middle'"):
        si.mixing.value_zeroing(shared_model("wav2vec2"), wave(), UNITS, where="middle")
    with pytest.raises(MixingError, match="has no decoder"):
        si.mixing.value_zeroing(shared_model("wav2vec2"), wave(), UNITS, where="cross")
    with pytest.raises(MixingError, match="chunk=0"):
        si.mixing.value_zeroing(shared_model("wav2vec2"), wave(), UNITS, chunk=0)
