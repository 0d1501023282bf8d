"""Attention, rollout, attention-norm, GlobEnc and ALTI against the whole tensor of transformed vectors."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from mixing import reference
from mixing.common import N_SAMPLES, TOKENS, UNITS, columns, exact_model, wave
from tiny import shared_model, tiny_module

import speechinterp as si
from speechinterp.errors import MixingError
from speechinterp.models import SpeechModel, Tap


@pytest.fixture(autouse=True)
def without_gradients():
    with torch.no_grad():
        yield


SOME = ("wav2vec2", "data2vec-ctc", "hubert-pre-class", "wavlm", "whisper")


def whole(model):
    """Return for every layer its modules, weights, and the tensor of vectors with the states around it."""
    names = ("residual", "attention_output", "mlp_output")
    taps = {(i, name): Tap(i, name) for i in range(model.n_layers) for name in names}
    bias = (
        [Tap(i, "position_bias") for i in range(model.n_layers)] if "position_bias" in model.parts() else []
    )
    with model.record([*taps.values(), *bias]) as record:
        model.encode(model.prepare([wave()]))
    for i, layer in enumerate(reference.encoder_layers(model.module)):
        x = record[taps[i, "residual"]][0]
        first = layer.layer_norm if hasattr(layer, "layer_norm") else layer.self_attn_layer_norm
        read = first(x) if model.pre_norm else x
        attention = reference.attention_of(layer)
        weights = reference.attention_weights(attention, read, record[bias[i]][0] if bias else None)
        vectors = reference.transformed_vectors(attention, read, weights)
        total = x + record[taps[i, "attention_output"]][0]
        np.testing.assert_allclose(x + vectors.sum((0, 2)) + attention.out_proj.bias, total, atol=1e-9)
        norms = []
        if not model.pre_norm:
            middle = layer.layer_norm(total)
            second = middle + record[taps[i, "mlp_output"]][0]
            norms = [(layer.layer_norm, total), (layer.final_layer_norm, second)]
        yield weights, vectors, x, total, norms


def through(norms, part, i):
    for norm, sums in norms:
        part = reference.norm_part(norm, part, sums[i])
    return part


def lengths(vectors, x, norms, groups, *, residual, n=None):
    """Add the vectors of every group, and the residual to a target's own; return their lengths [target][group]."""
    n = n or vectors.shape[1]
    result = torch.zeros(n, len(groups), dtype=torch.float64)
    for i in range(n):
        for j, group in enumerate(groups):
            part = vectors[:, i, group].sum((0, 1)) + (x[i] if residual and i in group else 0)
            result[i, j] = through(norms, part, i).norm()
    return result


def every(n):
    return [[j] for j in range(n)]


@pytest.mark.parametrize("family", SOME)
@pytest.mark.parametrize(("residual", "norm"), [(True, True), (False, False)])
def test_attention_norm_of_frames_equals_the_whole_tensor(family, residual, norm):
    model = exact_model(family)
    n = model.frames(wave()).n_frames
    mix = si.mixing.attention_norm(model, wave(), "frames", residual=residual, norm=norm)
    for layer, (_, vectors, x, _, norms) in enumerate(whole(model)):
        padding = list(range(n, len(x)))
        groups = every(n) + ([padding] if padding else [])
        rows = lengths(vectors, x, norms[:1] if norm else [], groups, residual=residual, n=n)
        np.testing.assert_allclose(mix[layer].values, rows / rows.sum(-1, keepdim=True), rtol=1e-6)
        np.testing.assert_allclose(mix.amount[layer], rows.sum(-1), rtol=1e-6)
    assert mix.attrs["parts_sum_residual"] < 1e-12


@pytest.mark.parametrize("family", ["wav2vec2", "wavlm-pre-class"])
def test_units_are_added_before_their_length_is_taken(family):
    model = exact_model(family)
    mix = si.mixing.attention_norm(model, wave(), UNITS, gaps="merge")
    singly = si.mixing.attention_norm(model, wave(), UNITS, gaps="merge", pool="sum")
    for layer, (_, vectors, x, _, norms) in enumerate(whole(model)):
        groups = columns(model, len(x))
        rows = reference.pooled(
            lengths(vectors, x, norms[:1], groups, residual=True), groups[:3], len(groups)
        )
        np.testing.assert_allclose(mix[layer].values, rows, rtol=1e-6)
        frames = lengths(vectors, x, norms[:1], every(len(x)), residual=True)
        frames = torch.stack([frames[:, group].sum(-1) for group in groups], -1)
        rows = reference.pooled(frames, groups[:3], len(groups))
        np.testing.assert_allclose(singly[layer].values, rows, rtol=1e-6)
    assert abs(mix - singly).max() > 1e-3


def test_attention_norm_by_head():
    model = exact_model("wav2vec2")
    mix = si.mixing.attention_norm(model, wave(), UNITS, gaps="merge", heads=True)
    assert mix.dims == ("layer", "head", "target", "source")
    for layer, (_, vectors, x, _, norms) in enumerate(whole(model)):
        groups = columns(model, len(x))
        for head in range(4):
            alone = lengths(vectors[head : head + 1], x, norms[:1], groups, residual=False)
            np.testing.assert_allclose(
                mix[layer, head], reference.pooled(alone, groups[:3], len(groups)), rtol=1e-6
            )


@pytest.mark.parametrize("family", SOME)
def test_attention_of_units(family):
    model = exact_model(family)
    kept = si.mixing.attention(model, wave(), UNITS, heads=True, gaps="merge")
    mean = si.mixing.attention(model, wave(), UNITS, pool="mean", gaps="merge")
    for layer, (weights, *_) in enumerate(whole(model)):
        groups = columns(model, weights.shape[-1])
        mass = torch.stack([weights[..., group].sum(-1) for group in groups], -1)
        for head in range(4):
            np.testing.assert_allclose(
                kept[layer, head], reference.pooled(mass[head], groups[:3], len(groups)), rtol=1e-6
            )
        each = torch.stack([weights[..., group].mean(-1) for group in groups], -1).mean(0)
        np.testing.assert_allclose(mean[layer], reference.pooled(each, groups[:3], len(groups)), rtol=1e-6)


@pytest.mark.parametrize("family", ["wav2vec2-pre-ctc", "hubert", "whisper"])
def test_attention_equals_what_eager_hugging_face_models_return(family):
    module = tiny_module(family, attn_implementation="eager")
    model = SpeechModel(module, family)
    inputs = model.prepare([wave()])
    base = copy.deepcopy(getattr(model.family, "encoder", model.family.base))
    with torch.no_grad():
        returned = base(inputs.values, output_attentions=True).attentions
    mix = si.mixing.attention(shared_model(family), wave(), "frames", heads=True)
    n = mix.sizes["target"]
    for layer, expected in enumerate(returned):
        np.testing.assert_allclose(mix[layer, :, :, :n], expected[0, :, :n, :n], atol=1e-6)


@pytest.mark.parametrize("family", ["wav2vec2", "whisper"])
def test_rollouts_of_frames_and_of_units(family):
    model = exact_model(family)
    attention, globenc, alti = [], [], []
    for weights, vectors, x, total, norms in whole(model):
        n = len(x)
        attention.append(weights.mean(0))
        rows = lengths(vectors, x, norms, every(n), residual=True)
        globenc.append(rows / rows.sum(-1, keepdim=True))
        shares = []
        for i in range(n):
            output = norms[0][0](total[i]) if norms else total[i]
            parts = [
                through(norms[:1], vectors[:, i, j].sum(0) + (x[i] if i == j else 0), i) for j in range(n)
            ]
            shares.append(reference.alti_row(parts, output))
        alti.append(torch.stack(shares))
    groups = columns(model, n)
    maps = {"rollout": [0.5 * torch.eye(n) + 0.5 * a for a in attention], "globenc": globenc, "alti": alti}

    def in_units(each):
        sums = torch.stack([each[:, group].sum(-1) for group in groups], -1)
        return reference.pooled(sums, groups, len(groups))

    for name, layers in maps.items():
        measure = getattr(si.mixing, name)
        after, before = (
            measure(model, wave(), UNITS, gaps="merge", pooled=pooled) for pooled in ("after", "before")
        )
        units = reference.rollout([in_units(each) for each in layers])
        for layer, rolled in enumerate(reference.rollout(layers)):
            np.testing.assert_allclose(after[layer], in_units(rolled)[:3], rtol=1e-6, err_msg=name)
            np.testing.assert_allclose(before[layer], units[layer][:3], rtol=1e-6, err_msg=name)
        assert name != "rollout" or not np.allclose(after, before, rtol=1e-5)
        if name != "rollout":
            alone = measure(model, wave(), UNITS, gaps="merge", rolled=False)
            np.testing.assert_allclose(alone[1], in_units(layers[1])[:3], rtol=1e-6)


def test_alti_adds_the_vectors_of_a_unit_before_their_proximity():
    model = exact_model("wav2vec2")
    mix = si.mixing.alti(model, wave(), UNITS, gaps="merge", pool="vectors", rolled=False)
    for layer, (_, vectors, x, total, norms) in enumerate(whole(model)):
        groups = columns(model, len(x))
        rows = []
        for i in range(len(x)):
            parts = [
                through(norms[:1], vectors[:, i, group].sum((0, 1)) + (x[i] if i in group else 0), i)
                for group in groups
            ]
            rows.append(reference.alti_row(parts, norms[0][0](total[i])))
        np.testing.assert_allclose(
            mix[layer], reference.pooled(torch.stack(rows), groups[:3], len(groups)), rtol=1e-6
        )


def test_cross_attention_has_no_residual_among_its_sources():
    model = exact_model("whisper")
    mix = si.mixing.alti(model, wave(), UNITS, where="cross", tokens=TOKENS, rolled=False)
    assert ((mix.residual_share > 0) & (mix.residual_share < 1)).all()
    norms = si.mixing.attention_norm(model, wave(), UNITS, where="cross", tokens=TOKENS)
    without = si.mixing.attention_norm(model, wave(), UNITS, where="cross", tokens=TOKENS, residual=False)
    np.testing.assert_array_equal(norms.values, without.values)
    for measure in (si.mixing.rollout, si.mixing.globenc, si.mixing.alti):
        with pytest.raises(MixingError, match="of cross-attention"):
            measure(model, wave(), UNITS, where="cross", tokens=TOKENS)


@pytest.mark.parametrize("where", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("name", ["attention", "attention_norm", "value_zeroing", "alti"])
def test_chunks_change_nothing_and_rows_sum_to_one(name, where):
    options = {"where": where, "tokens": TOKENS} | ({"rolled": False} if name == "alti" else {})
    measure = getattr(si.mixing, name)
    whole, pieces = (measure(shared_model("whisper"), wave(), UNITS, **options, chunk=n) for n in (None, 2))
    np.testing.assert_allclose(pieces.values, whole.values, atol=1e-6)
    np.testing.assert_allclose(whole.sum("source").values, 1, atol=1e-9)


def test_gaps_are_left_out_and_their_share_is_told():
    model = shared_model("whisper")
    merged = si.mixing.attention(model, wave(), UNITS, gaps="merge")
    dropped = si.mixing.attention(model, wave(), UNITS)
    assert list(merged.source_label.values) == ["a", "b", "c", "gap", "pad"]
    assert list(dropped.source_label.values) == ["a", "b", "c", "pad"]
    np.testing.assert_allclose(dropped.gap_share, merged[..., 3])
    np.testing.assert_allclose(dropped.pad_share, merged[..., 4])
    kept = merged.isel(source=[0, 1, 2, 4]).values
    np.testing.assert_allclose(dropped.values, kept / kept.sum(-1, keepdims=True))
    np.testing.assert_array_equal(dropped.source_start.values, [*(s.start for s in UNITS), np.nan])
    np.testing.assert_array_equal(dropped.target_end.values, [s.end for s in UNITS])
    assert dropped.attrs["duration_s"] == N_SAMPLES / 16000


def test_a_map_survives_netcdf_with_its_record(tmp_path):
    import xarray as xr

    mix = si.mixing.attention_norm(shared_model("wav2vec2"), wave(), UNITS)
    mix.to_netcdf(tmp_path / "mix.nc", engine="scipy")
    again = xr.load_dataarray(tmp_path / "mix.nc")
    xr.testing.assert_equal(again, mix)
    assert again.attrs["weights_sha256"] == shared_model("wav2vec2").weights_hash
    assert {"method", "unit", "rule", "pool", "version", "chunk", "memory_mb", "model"} <= set(again.attrs)


def test_the_record_follows_a_change_of_weights():
    model = exact_model("wav2vec2")
    before = si.mixing.attention(model, wave(), UNITS).attrs["weights_sha256"]
    with torch.no_grad():
        model.module.encoder.layers[0].attention.q_proj.weight.mul_(2)
    after = si.mixing.attention(model, wave(), UNITS).attrs["weights_sha256"]
    assert before != after == model.weights_hash
