"""Effects measured on voices whose pitch, formants and rate are known."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import sound

from speechinterp.audio.effects import in_a_room, pitch_shifted, stretched
from speechinterp.errors import AudioError

RATE = 16000


def vowel(seconds=1.0, f0=120.0, poles=(700.0, 1200.0, 2500.0)):
    """Let pulses of a voice ring through resonances of a vowel."""
    from scipy.signal import lfilter

    n = round(seconds * RATE)
    x = np.zeros(n)
    x[np.round(np.arange(0, n - 1, RATE / f0)).astype(int)] = 1
    for f in poles:
        r = np.exp(-np.pi * 80 / RATE)
        x = lfilter([1], [1, -2 * r * np.cos(2 * np.pi * f / RATE), r * r], x)
    return (0.3 * x / np.abs(x).max()).astype(np.float32)


def f0_of(x):
    """Find the best lag of the autocorrelation, to a fraction of a sample."""
    x = x[RATE // 4 : -RATE // 4].astype(float)
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    r = np.fft.irfft(spectrum)[: RATE // 60]
    lag = int(r[RATE // 400 :].argmax()) + RATE // 400
    a, b, c = r[lag - 1 : lag + 2]
    return RATE / (lag + 0.5 * (a - c) / (a - 2 * b + c))


def envelope_peaks(x):
    """Find the resonances by linear prediction."""
    from scipy.linalg import solve_toeplitz

    x = x[RATE // 4 : -RATE // 4].astype(float)
    x = np.append(x[:1], x[1:] - 0.97 * x[:-1]) * np.hanning(len(x))
    r = np.correlate(x, x, "full")[len(x) - 1 : len(x) + 18]
    a = np.r_[1, -solve_toeplitz(r[:18], r[1:19])]
    power = -20 * np.log10(np.abs(np.fft.rfft(a, 4096)))
    tops = [i for i in range(1, 2048) if power[i - 1] < power[i] > power[i + 1]]
    return np.array([i * RATE / 4096 for i in tops if i * RATE / 4096 > 300][:3])


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.25, 1.6])
def test_stretched_speech_keeps_its_pitch_and_level(factor):
    x = vowel()
    y = stretched(x, RATE, factor)
    assert len(y) == round(len(x) * factor)
    assert f0_of(stretched(vowel(2.0), RATE, factor)) == pytest.approx(120, rel=0.01)
    assert np.square(y).mean() == pytest.approx(np.square(x).mean(), rel=0.15)


def test_stretching_moves_events_in_proportion():
    x = vowel()
    x[:6000] = x[10000:] = 0
    for factor in (0.7, 1.4):
        loud = np.flatnonzero(np.abs(stretched(x, RATE, factor)) > 0.02)
        assert loud[[0, -1]] / RATE == pytest.approx(np.array([6000, 10000]) * factor / RATE, abs=0.02)


@pytest.mark.parametrize("semitones", [-5, -2, 2, 5])
def test_pitch_goes_where_it_should_and_formants_stay(semitones):
    x = vowel()
    y = pitch_shifted(x, RATE, semitones)
    assert len(y) == len(x)
    assert 12 * np.log2(f0_of(y) / f0_of(x)) == pytest.approx(semitones, abs=0.3)
    assert envelope_peaks(x) == pytest.approx([700, 1200, 2500], rel=0.06)
    assert envelope_peaks(y) == pytest.approx([700, 1200, 2500], rel=0.1)


def test_strengths_that_change_nothing_return_the_sound_itself():
    x = sound(4000)
    assert stretched(x, RATE, 1) is x
    assert pitch_shifted(x, RATE, 0) is x
    assert in_a_room(x, RATE, 0, np.random.default_rng(0)) is x


def test_a_room_keeps_length_and_level_and_decays_by_60_db_in_its_time():
    click = np.zeros(RATE, np.float32)
    click[0] = 1
    wet = in_a_room(click, RATE, 0.5, np.random.default_rng(0))
    assert len(wet) == RATE
    assert np.square(wet).sum() == pytest.approx(1, rel=1e-4)
    level = [10 * np.log10(np.square(wet[round(t * RATE) :][:800]).mean()) for t in (0.1, 0.35)]
    assert level[0] - level[1] == pytest.approx(30, abs=2)


@pytest.mark.parametrize(
    ("effect", "strength"), [(stretched, 0), (stretched, 80), (pitch_shifted, 440), (pitch_shifted, np.nan)]
)
def test_strengths_in_other_units_are_refused(effect, strength):
    with pytest.raises(AudioError, match="Expected"):
        effect(sound(4000), RATE, strength)
    with pytest.raises(AudioError, match="500"):
        in_a_room(sound(4000), RATE, 500, np.random.default_rng(0))
