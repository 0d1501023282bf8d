"""Intensity, pitch and formants of sounds whose own are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from speechinterp.audio import TRACKS, energy, formants, pitch, track

RATE = 16000


def vowel(f0: float, *resonances: float, seconds: float = 0.5) -> np.ndarray:
    """Pulses that fall by 6 dB an octave, as voice does at the lips, through resonators 80 Hz wide."""
    sound = np.zeros(round(seconds * RATE))
    sound[np.round(np.arange(0, seconds, 1 / f0)[1:] * RATE).astype(int)] = 1.0
    sound = lfilter([1.0], [1, -0.97], sound)
    for frequency in resonances:
        radius = np.exp(-np.pi * 80 / RATE)
        sound = lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], sound)
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("level", [0.1, 0.5])
def test_the_intensity_of_a_tone_is_half_its_squared_amplitude(level: float) -> None:
    tone = (level * np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE)).astype(np.float32)
    times, values = energy(tone, RATE)
    np.testing.assert_allclose(values, 10 * np.log10(level**2 / 2), atol=0.01)
    np.testing.assert_allclose(times[:2], [0.0125, 0.0225])
    assert energy(np.zeros(10, np.float32), RATE)[1].tolist() == [-100.0]


@pytest.mark.parametrize("f0", [100.0, 220.0])
def test_pitch_is_that_of_the_pulses_and_noise_has_none(f0: float) -> None:
    times, values = pitch(vowel(f0, 500, 1500, 2500), RATE)
    inside = (times > 0.1) & (times < 0.4)
    np.testing.assert_allclose(values[inside], f0, rtol=0.02)
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert np.isnan(pitch(noise, RATE)[1]).mean() > 0.6


@pytest.mark.parametrize("resonances", [(300, 2200, 2900), (700, 1200, 2500)])
def test_formants_are_the_resonances_to_half_a_harmonic(resonances: tuple[float, ...]) -> None:
    times, values = formants(vowel(110, *resonances, 3600, 4500), RATE)
    inside = (times > 0.1) & (times < 0.4)
    np.testing.assert_allclose(np.nanmedian(values[inside], axis=0), resonances, atol=55)


def test_silence_has_no_formants() -> None:
    assert np.isnan(formants(np.zeros(RATE, np.float32), RATE)[1]).all()


def test_tracks_have_names() -> None:
    sound = vowel(120, 500, 1500, 2500)
    for name in TRACKS:
        times, values = track(name, sound, RATE)
        assert times.shape == values.shape
    np.testing.assert_array_equal(track("f2", sound, RATE)[1], formants(sound, RATE)[1][:, 1])
