"""Noise: its spectrum, its level, its ratio to a sound."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import sound

from speechinterp.audio.noise import at_snr, long_term_spectrum, phase_randomised, shaped_noise
from speechinterp.errors import AudioError


@pytest.mark.parametrize("n", [801, 1600])
def test_phase_randomised_noise_has_the_same_magnitudes_and_another_waveform(n):
    x = sound(n)
    noise = phase_randomised(x, np.random.default_rng(0))
    assert np.abs(np.fft.rfft(noise)) == pytest.approx(np.abs(np.fft.rfft(x)), abs=1e-4)
    assert np.square(noise).mean() == pytest.approx(np.square(x).mean(), rel=1e-5)
    assert abs(np.corrcoef(x, noise)[0, 1]) < 0.15


def test_shaped_noise_has_the_spectrum_it_is_shaped_by():
    random = np.random.default_rng(1)
    white = random.standard_normal(32000)
    coloured = np.convolve(white, [1, 0.9, 0.7, 0.4, 0.2], "same").astype(np.float32)
    wanted = long_term_spectrum(coloured)
    noise = shaped_noise(wanted, 32000, random)
    found = long_term_spectrum(noise)
    assert 10 * np.log10(found[2:-2] / wanted[2:-2]) == pytest.approx(np.zeros(253), abs=3)
    assert np.square(noise).mean() == pytest.approx(np.square(coloured).mean(), rel=0.05)
    assert len(shaped_noise(wanted, 100, random)) == 100


def test_white_noise_has_a_flat_spectrum_of_its_power():
    found = long_term_spectrum(np.random.default_rng(2).standard_normal(200000).astype(np.float32))
    assert found[1:-1] == pytest.approx(np.ones(255), abs=0.3)


@pytest.mark.parametrize("snr", [-5, 0, 20])
def test_the_ratio_is_exact(snr):
    x = sound(4000)
    noise = at_snr(x, snr, np.random.default_rng(0)) - x
    assert 10 * np.log10(np.square(x).mean() / np.square(noise).mean()) == pytest.approx(snr, abs=0.01)


def test_a_silent_sound_has_no_ratio():
    with pytest.raises(AudioError, match="silent"):
        at_snr(np.zeros(100, np.float32), 10, np.random.default_rng(0))
