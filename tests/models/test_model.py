"""SpeechModel: sounds in, states out, and nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import FAMILIES, shared_model, sound, sounds, tiny_model, tiny_module

from speechinterp.audio import Sound
from speechinterp.corpora import Utterance
from speechinterp.errors import AudioError, ModelError
from speechinterp.models import Inputs, SpeechModel, Tap

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


def test_states_take_what_is_at_hand():
    model = shared_model("hubert")
    wave = sound(N)
    utterance = Utterance("a", Sound(wave, 16000))
    locked = wave.copy()
    locked.flags.writeable = False
    turned = wave[::-1].copy()[::-1]
    every = model.states([wave, torch.tensor(wave), utterance, locked, turned, wave.astype(np.float64)])
    for state in every:
        torch.testing.assert_close(state, every[0], rtol=0, atol=0)
    at_32_khz = Utterance("b", Sound(np.repeat(wave, 2), 32000))
    assert model.states([at_32_khz])[0].shape == every[0].shape


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


@pytest.mark.parametrize(
    ("wave", "said"),
    [
        (sound(399), r"waveform 1 is 24.9 ms long \(399 samples\).*25.0 ms \(400 samples\).*on-bad skip"),
        (sound(0), r"0.0 ms long"),
        (np.zeros((2, N), np.float32), r"shape \(2, 3000\).*one channel"),
        (np.full(N, np.nan, np.float32), "NaN or infinite"),
        (torch.full((N,), torch.inf), "NaN or infinite"),
        (np.zeros(N, np.int16), "type int16.*floating point.*32768"),
        (torch.zeros(N, dtype=torch.int32), "type torch.int32"),
    ],
)
def test_sounds_that_a_model_cannot_take(wave, said):
    with pytest.raises(AudioError, match=said):
        shared_model("hubert").prepare([sound(N), wave])


def test_an_utterance_is_named():
    with pytest.raises(AudioError, match=r"utterance 'dr1/x' is 0.6 ms long"):
        shared_model("hubert").states([Utterance("dr1/x", Sound(sound(10), 16000))])


def test_whispers_window():
    model = shared_model("whisper")
    with pytest.raises(AudioError, match=r"1.00 s long.*at most the window.*1.00 s.*cut it at pauses"):
        model.prepare([sound(16001)])
    with pytest.raises(AudioError, match=r"0.1 ms \(1 samples\)"):
        model.prepare([sound(0)])
    assert model.states([sound(16000)])[0].shape[1] == 50


def test_silence_has_states():
    for name in ("wav2vec2", "whisper"):
        assert torch.isfinite(shared_model(name).states([np.zeros(N, np.float32)])[0]).all()


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_gradients_reach_the_waveform(name):
    model = shared_model(name)
    wave = torch.tensor(sound(N), dtype=torch.float32)
    direction = torch.tensor(sound(N, 5)) * 0.1

    def score(x):
        return model.family.prepare([x])[0].square().sum()

    leaf = wave.clone().requires_grad_()
    inputs = model.prepare([leaf])
    (gradient,) = torch.autograd.grad(inputs.values.square().sum(), leaf, retain_graph=True)
    step = 1e-2
    expected = (score(wave + step * direction) - score(wave - step * direction)) / (2 * step)
    # a normalised sound has the same square sum whatever is added
    torch.testing.assert_close((gradient * direction).sum(), expected, rtol=0.03, atol=0.1)
    (gradient,) = torch.autograd.grad(model.encode(inputs).square().sum(), leaf)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


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


def test_the_exact_self_of_a_coarse_model():
    coarse = SpeechModel(tiny_module("hubert").bfloat16(), "me", {"do_normalize": False}, "abc")
    exact = coarse.exact()
    assert (exact.dtype, exact.id, exact.revision) == (torch.float32, "me", "abc")
    assert exact.describe()["normalize"] is False
    assert coarse.dtype == torch.bfloat16
    assert exact.exact() is exact
    twin = coarse.random_twin(3)
    assert twin.dtype == torch.bfloat16
    assert twin.exact().weights_hash == exact.random_twin(3).weights_hash


def test_what_needs_a_head():
    encoder, decoder = shared_model("hubert"), shared_model("whisper")
    with pytest.raises(ModelError, match=r"HubertModel.*has no head.*not fine-tuned"):
        encoder.logits(encoder.prepare([sound(N)]))
    with pytest.raises(ModelError, match=r"no tokens for the decoder.*tokens="):
        decoder.logits(decoder.prepare([sound(N)]))


@pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "wavlm", "whisper"])
def test_the_random_twin(name):
    model = tiny_model(name)
    state = torch.random.get_rng_state()
    twin, again, other = (model.random_twin(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert twin.weights_hash == again.weights_hash
    assert len({model.weights_hash, twin.weights_hash, other.weights_hash}) == 3
    shapes = [{key: t.shape for key, t in m.module.state_dict().items()} for m in (model, twin)]
    assert shapes[0] == shapes[1]
    assert type(twin.module) is type(model.module)
    assert not twin.module.training
    assert (twin.baseline, twin.seed, twin.grid) == ("random-init", 1, model.grid)
    assert twin.describe() == model.describe() | {
        "baseline": "random-init",
        "init_seed": 1,
        "weights_sha256": twin.weights_hash,
    }
    assert not torch.allclose(twin.states([sound(N)])[0], model.states([sound(N)])[0])


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


def test_inputs_say_what_is_sound():
    inputs = shared_model("hubert").prepare(sounds(400, 1000))
    assert isinstance(inputs, Inputs)
    assert inputs.values.shape == (2, 1000)
    assert (inputs.n_samples, inputs.n_frames) == ((400, 1000), (1, 2))
    assert not inputs.values[0, 400:].any()
