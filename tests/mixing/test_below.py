"""What mixes below the first layer, against the modules of the front end run by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixing import reference
from mixing.common import N_SAMPLES, UNITS, columns, exact_model, wave

import speechinterp as si


def pooled_distances(before, changed, groups):
    distances = [[reference.cosine_distance(a, b) for a, b in zip(before, c, strict=True)] for c in changed]
    return reference.pooled(torch.tensor(distances, dtype=torch.float64).T, groups[:3], len(groups))


@torch.no_grad()
@pytest.mark.parametrize(
    "family", ["wav2vec2", "hubert-pre-class", "hubert-batch-norm", "data2vec-ctc", "wavlm"]
)
def test_front_end_and_positional_convolution(family):
    model = exact_model(family)
    base = model.family.base
    values = model.prepare([wave()]).values

    def frames(x):
        projected = base.feature_projection(base.feature_extractor(x).transpose(1, 2))
        return projected[0][0] if isinstance(projected, tuple) else projected[0]

    def placed(x, positions):
        total = x + base.encoder.pos_conv_embed(positions[None])[0]
        return total if model.pre_norm else base.encoder.layer_norm(total)

    sound = frames(values)
    groups = columns(model, len(sound))
    times = np.arange(N_SAMPLES) / 16000
    inside = [(s.start <= times) & (times < s.end) for s in UNITS]
    inside.append(~np.any(inside, axis=0))
    silenced = [frames(values * torch.tensor(~part)) for part in inside]
    mix = si.mixing.front_end(model, wave(), UNITS, gaps="merge")
    assert list(mix.node.values) == ["cnn", "positional"]
    np.testing.assert_allclose(mix.sel(node="cnn"), pooled_distances(sound, silenced, groups), atol=1e-9)

    unplaced = []
    for group in groups:
        unknown = sound.clone()
        unknown[group] = 0
        unplaced.append(placed(sound, unknown))
    expected = pooled_distances(placed(sound, sound), unplaced, groups)
    np.testing.assert_allclose(mix.sel(node="positional"), expected, atol=1e-9)


def test_a_layer_norm_front_end_mixes_neighbours_only():
    mix = si.mixing.front_end(exact_model("wav2vec2-pre-ctc"), wave(), UNITS, gaps="merge").sel(node="cnn")
    raw = mix * mix.amount
    assert float(raw[0, 2]) < 1e-12 < float(raw[0, 1])  # c starts 60 ms after a ends; b at its end


def test_a_group_norm_mixes_everything():
    mix = si.mixing.front_end(exact_model("wav2vec2"), wave(), UNITS, gaps="merge").sel(node="cnn")
    assert (mix * mix.amount > 1e-9).all()


def test_whisper_has_a_front_end_and_no_positional_convolution():
    model = exact_model("whisper")
    mix = si.mixing.front_end(model, wave(), UNITS)
    assert list(mix.node.values) == ["cnn"]
    assert list(mix.source_label.values) == ["a", "b", "c", "pad"]
    np.testing.assert_array_equal(mix.isel(source=-1), 0.0)
    assert (np.argmax(mix.values[0], -1) == [0, 1, 2]).all()
