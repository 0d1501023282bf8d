"""Sounds on their way into a model: of any kind, with gradients, and refused if they cannot be taken."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import shared_model, sound, sounds

from speechinterp.audio import Sound
from speechinterp.corpora import Utterance
from speechinterp.errors import AudioError
from speechinterp.models import Inputs

N = 3000


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


def test_inputs_say_what_is_sound():
    inputs = shared_model("hubert").prepare(sounds(400, 1000))
    assert isinstance(inputs, Inputs)
    assert inputs.values.shape == (2, 1000)
    assert (inputs.n_samples, inputs.n_frames) == ((400, 1000), (1, 2))
    assert not inputs.values[0, 400:].any()
