"""Acoustic features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechinterp.audio import log_mel, mfcc
from speechinterp.errors import AudioError

RATE, HOP, WINDOW = 16000, 160, 400
NOISE = np.random.default_rng(1).standard_normal(RATE).astype(np.float32) * 0.1


@settings(deadline=None, max_examples=20)
@given(st.integers(WINDOW, 4000))
def test_there_are_as_many_frames_as_whole_windows(n: int) -> None:
    frames = (n - WINDOW) // HOP + 1
    assert log_mel(NOISE[:n], RATE).shape == (frames, 80)
    assert mfcc(NOISE[:n], RATE).shape == (frames, 39)


@pytest.mark.parametrize("features", [lambda x: log_mel(x, RATE), lambda x: mfcc(x, RATE)[:, :13]])
def test_a_frame_sees_its_own_samples_and_no_others(features) -> None:
    whole = features(NOISE[:4000])
    for i in (0, 7, len(whole) - 1):
        start, stop = i * HOP, i * HOP + WINDOW
        np.testing.assert_allclose(features(NOISE[start:stop])[0], whole[i], atol=1e-4)
        elsewhere = NOISE[:4000].copy()
        elsewhere[:start] = 5
        elsewhere[stop:] = 5
        np.testing.assert_allclose(features(elsewhere)[i], whole[i], atol=1e-4)
        for inside in (start + 5, stop - 5):
            click = NOISE[:4000].copy()
            click[inside] += 100
            assert not np.allclose(features(click)[i], whole[i], atol=1e-3)


def test_log_mel_is_the_logarithm_of_power() -> None:
    quiet, loud = log_mel(NOISE, RATE), log_mel(NOISE * 10, RATE)
    np.testing.assert_allclose(loud - quiet, np.log(100), atol=1e-3)


def test_silence_is_finite() -> None:
    silence = np.zeros(1600, dtype=np.float32)
    np.testing.assert_allclose(log_mel(silence, RATE), np.log(1e-10), rtol=1e-5)
    assert np.isfinite(mfcc(silence, RATE)).all()


def test_a_tone_lights_up_its_own_band() -> None:
    low, high = (
        log_mel(np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32), RATE).mean(0).argmax()
        for hertz in (200, 4000)
    )
    assert low < 10
    assert 50 < high < 70


def test_deltas_are_the_slope() -> None:
    growing = NOISE * np.exp(np.arange(RATE) / RATE).astype(np.float32)
    features = mfcc(growing, RATE)
    energy, slope, curve = features[:, 0], features[:, 13], features[:, 26]
    per_frame = np.polyfit(np.arange(len(energy)), energy, 1)[0]
    assert slope[10:-10].mean() == pytest.approx(per_frame, rel=0.15)
    assert abs(curve[10:-10].mean()) < abs(per_frame)


@pytest.mark.parametrize("frames", [1, 2, 5, 8, 9])
def test_deltas_of_short_sounds(frames: int) -> None:
    features = mfcc(NOISE[: WINDOW + (frames - 1) * HOP], RATE)
    assert features.shape == (frames, 39)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    if frames == 1:
        np.testing.assert_allclose(features[:, 13:], 0, atol=1e-4)


def test_less_than_a_window_is_refused() -> None:
    with pytest.raises(AudioError, match=r"399 samples \(0.0249 s\)"):
        log_mel(NOISE[:399], RATE)
