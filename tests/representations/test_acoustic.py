"""Acoustic baselines go the same way as models."""

import numpy as np
import pytest
from echo import RATE, noise_corpus
from tiny import sound

from speechinterp import extract
from speechinterp.audio import log_mel, mfcc
from speechinterp.errors import AudioError
from speechinterp.representations import AcousticFeatures

KINDS = {"mfcc": (mfcc, 39), "logmel": (log_mel, 80)}


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_audio_room_on_their_grid(kind):
    function, width = KINDS[kind]
    features, waves = AcousticFeatures(kind), [sound(400), sound(8123), sound(16000)]
    for wave, state in zip(waves, features.states(waves), strict=True):
        assert np.array_equal(state[0].numpy(), function(wave, RATE))
        assert state.shape == (features.n_states, features.frames(wave).n_frames, features.width)
    assert features.width == width
    assert features.frames(8123).times[:2].tolist() == [0.0125, 0.0225]
    assert features.exact() is features


@pytest.mark.parametrize("kind", KINDS)
def test_extraction_gives_one_layer_and_says_what_it_is(kind):
    corpus = noise_corpus(3, 0.4)
    reps = extract(AcousticFeatures(kind), corpus)
    assert (reps.layers, reps.meta["baseline"], reps.meta["model"]) == ((0,), kind, kind)
    utterance = corpus[0]
    phone = utterance.tier("phones")[0]
    grid = AcousticFeatures(kind).frames(utterance)
    frames = grid.frames_in(phone.start, phone.end)
    expected = KINDS[kind][0](utterance.waveform(RATE), RATE)[frames.start : frames.stop].mean(0)
    assert np.allclose(reps.layer(0)[0], expected, rtol=1e-5, atol=1e-5)


def test_an_utterance_and_its_waveform_are_the_same():
    utterance = noise_corpus(1)[0]
    features, wave = AcousticFeatures("mfcc"), utterance.waveform(RATE)
    assert features.frames(utterance) == features.frames(wave) == features.frames(len(wave))
    assert np.array_equal(features.states([utterance])[0], features.states([wave])[0])


def test_sound_shorter_than_a_window_is_refused():
    with pytest.raises(AudioError, match=r"utterance 'a' is 24\.9 ms long.*25 ms.*--on-bad skip"):
        AcousticFeatures("mfcc").check_sound("utterance 'a'", sound(399))
    with pytest.raises(AudioError, match="the sound is"):
        AcousticFeatures("logmel").states([sound(10)])
    assert AcousticFeatures("mfcc").frames(399).n_frames == 0


def test_an_unknown_kind_is_refused():
    with pytest.raises(AudioError, match=r"'plp'.*mfcc, logmel"):
        AcousticFeatures("plp")
