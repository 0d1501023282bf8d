"""SpeechModel: sounds in, states out, and nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import FAMILIES, shared_model, sound, sounds, tiny_model, tiny_module

from speechinterp.audio import Sound
from speechinterp.corpora import Utterance
from speechinterp.models import SpeechModel, Tap

N = 3000


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_in_training_runs_as_in_evaluation_and_stays_in_training(name):
    model = tiny_model(name)
    inputs = model.prepare(sounds(N, 2000))
    plain, states = model.encode(inputs), model.states([sound(N)])[0]
    module = model.module.train()
    frozen = next(m for m in module.modules() if isinstance(m, torch.nn.LayerNorm)).eval()
    modes = [m.training for m in module.modules()]
    assert torch.equal(model.encode(inputs), plain)
    assert torch.equal(model.states([sound(N)])[0], states)
    with pytest.raises(ZeroDivisionError), model.intervene({Tap(0, "value"): lambda x: 1 / 0}):
        model.encode(inputs)
    assert [m.training for m in module.modules()] == modes
    assert not frozen.training


def test_convolutions_are_exact_on_a_gpu_too():
    model, seen = shared_model("hubert"), []

    def look(value):
        seen.append(torch.backends.cudnn.allow_tf32)
        return value

    before = torch.backends.cudnn.allow_tf32
    with model.intervene({Tap(0, "value"): look}):
        model.encode(model.prepare([sound(N)]))
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32 == before


def test_states_can_be_trained_on():
    state = shared_model("hubert").states([sound(N)])[0]
    probe = torch.nn.Linear(32, 2)
    probe(state).sum().backward()
    assert probe.weight.grad is not None
    assert not state.requires_grad


def test_frames_of_a_sound():
    model = shared_model("hubert")
    grids = [
        model.frames(heard) for heard in (N, np.int64(N), sound(N), Utterance("a", Sound(sound(N), 16000)))
    ]
    assert grids == [grids[0]] * 4
    assert grids[0].n_frames == 9
    assert model.grid.n_frames is None


def test_silence_has_states():
    for name in ("wav2vec2", "whisper"):
        assert torch.isfinite(shared_model(name).states([np.zeros(N, np.float32)])[0]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_other_number_formats(name):
    exact = tiny_model(name)
    expected = exact.states([sound(N)])[0]

    def likeness(state):
        return torch.corrcoef(torch.stack([state[-1].flatten(), expected[-1].flatten()]))[0, 1]

    fine = SpeechModel(tiny_module(name).double())
    torch.testing.assert_close(fine.states([sound(N)])[0], expected, rtol=0, atol=1e-4)
    coarse = SpeechModel(tiny_module(name).bfloat16(), "me", {"do_normalize": True})
    assert coarse.dtype == torch.bfloat16
    assert coarse.states([sound(N)])[0].dtype == torch.float32
    assert likeness(coarse.states([sound(N)])[0]) > 0.5  # random weights forgive little
    with torch.autocast("cpu", torch.bfloat16):
        assert likeness(exact.states([sound(N)])[0]) > 0.5
    with torch.inference_mode():
        assert torch.equal(exact.states([sound(N)])[0], expected)


def test_the_hash_tells_weights_apart():
    model = tiny_model("hubert")
    before = model.weights_hash
    assert before == tiny_model("hubert").weights_hash
    with torch.no_grad():
        next(model.module.parameters()).view(-1)[0] += 1e-6
    assert model.weights_hash != before
    assert SpeechModel(tiny_module("hubert").to(torch.bfloat16)).weights_hash != before


def test_a_model_describes_itself():
    model = SpeechModel(tiny_module("hubert-pre-class"), "me/model", {"do_normalize": True}, "abc")
    found = model.describe()
    assert len(found.pop("weights_sha256")) == 64
    assert found == {
        "model": "me/model",
        "revision": "abc",
        "baseline": "none",
        "init_seed": None,
        "class": "HubertForSequenceClassification",
        "dtype": "float32",
        "norm": "pre",
        "grid": {"sample_rate": 16000, "hop": 320, "receptive_field": 400, "offset": 0},
        "normalize": True,
    }
    assert repr(model) == "SpeechModel('me/model', HubertForSequenceClassification, 3 layers, pre-norm)"
    assert (model.n_layers, model.n_states, model.width, model.device.type) == (3, 4, 32, "cpu")


def test_batches_are_bounded():
    model = shared_model("hubert")
    limits = [model.batch_limit(seconds) for seconds in (0.0, 0.5, 3.0, 100.0)]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == 1
    assert shared_model("whisper").batch_limit(0.1) == shared_model("whisper").batch_limit(100.0) == 2
