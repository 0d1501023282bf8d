"""Padding never changes a result: a batch gives what each utterance gives alone."""

from __future__ import annotations

import pytest
import torch
from tiny import FAMILIES, READ_WAVEFORMS, WITH_LOGITS, shared_model, sounds, tiny_model

from speechinterp.models import Tap, wav2vec2

# one frame more, one frame exactly, a sample short of the next frame, equal, far apart, same frames
LENGTHS = [(3600, 3920), (400, 6000), (719, 400, 6000), (5000, 5000), (1000, 14000, 7777), (4000, 4100)]


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", FAMILIES)
def test_states_of_a_batch_equal_one_by_one(name, lengths):
    model, waves = shared_model(name), sounds(*lengths)
    for wave, together in zip(waves, model.states(waves), strict=True):
        torch.testing.assert_close(together, model.states([wave])[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", WITH_LOGITS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
def test_logits_of_a_batch_equal_one_by_one(name, lengths):
    model, waves = shared_model(name), sounds(*lengths)
    with torch.no_grad():
        together = model.logits(model.prepare(waves))
        for i, wave in enumerate(waves):
            alone = model.logits(model.prepare([wave]))[0]
            torch.testing.assert_close(together[i, : len(alone)], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["wav2vec2", "hubert-batch-norm", "data2vec-ctc"])
def test_without_the_repair_a_batch_changes_results(name, monkeypatch):
    model, waves = shared_model(name), sounds(3000, 9000)
    alone = model.states(waves[:1])[0]
    monkeypatch.setattr(wav2vec2, "exact_padding", lambda *_: torch.no_grad())
    assert (model.states(waves)[0] - alone).abs().max() > 1e-3


@pytest.mark.parametrize("name", READ_WAVEFORMS)
def test_every_part_of_a_batch_equals_one_by_one(name):
    model, waves = shared_model(name), sounds(3000, 6100)
    inner = [part for part in model.parts() if part not in model.family.outer_sites("encoder")]
    taps = [Tap(layer, part) for part in inner for layer in (0, 2)]
    inputs = model.prepare(waves)
    with torch.no_grad():
        with model.record(taps) as together:
            model.encode(inputs)
        for i, wave in enumerate(waves):
            n = inputs.n_frames[i]
            with model.record(taps) as alone:
                model.encode(model.prepare([wave]))
            for tap in taps:
                found, expected = together[tap][i], alone[tap][0]
                if tap.part in ("attention", "position_bias"):
                    found = found[:, :n, :n]
                torch.testing.assert_close(found[: len(expected)], expected, rtol=0, atol=1e-5)
    attention = together[Tap(0, "attention")][0]
    assert not attention[..., inputs.n_frames[0] :].any()


def test_no_gradient_reaches_the_padding():
    model = shared_model("wav2vec2")
    inputs = model.prepare(sounds(3000, 6100))
    inputs.values.requires_grad_()
    model.encode(inputs)[0, : inputs.n_frames[0]].square().sum().backward()
    gradient = inputs.values.grad
    assert gradient[0, :3000].any()
    assert not gradient[0, 3000:].any()
    assert not gradient[1].any()


def test_the_group_norm_is_given_back():
    model = tiny_model("wav2vec2")
    norm = model.module.feature_extractor.conv_layers[0].layer_norm
    inputs = model.prepare(sounds(3000, 6100))

    def fail(value):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), model.intervene({Tap(1, "value"): fail}):
        model.encode(inputs)
    assert "forward" not in norm.__dict__
    mine = norm.__dict__["forward"] = type(norm).forward.__get__(norm)
    model.encode(inputs)
    assert norm.__dict__["forward"] is mine
