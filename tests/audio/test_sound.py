"""Sounds in memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechinterp.audio import Sound
from speechinterp.errors import AudioError


def sine(rate: int, seconds: float = 1.0, hertz: float = 200.0) -> Sound:
    return Sound(np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate), rate)


def test_samples_are_kept_as_float32() -> None:
    sound = Sound(np.array([0.0, 0.5, -1.0]), 8000)
    assert sound.samples.dtype == np.float32
    assert sound.samples.tolist() == [0.0, 0.5, -1.0]
    assert sound.duration == 3 / 8000
    assert len(sound) == 3


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((10, 2)), 16000, "several channels"),
        (np.zeros(0), 16000, "without samples"),
        (np.zeros(4, dtype=np.int16), 16000, "samples / 32768"),
        (np.array([0.0, np.nan, np.inf]), 16000, "2 of 3 samples"),
        (np.zeros(4), 0, "positive whole number"),
        (np.zeros(4), -16000, "positive whole number"),
        (np.zeros(4), 22050.5, "positive whole number"),
    ],
)
def test_what_is_no_sound_is_refused(samples: np.ndarray, rate: int, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        Sound(samples, rate)


def test_resampling_to_the_same_rate_is_the_same_object() -> None:
    sound = sine(16000)
    assert sound.resampled(16000) is sound


@pytest.mark.parametrize(("old", "new"), [(44100, 16000), (8000, 16000), (20000, 16000)])
def test_resampling_keeps_pitch_phase_and_duration(old: int, new: int) -> None:
    resampled = sine(old).resampled(new)
    assert resampled.sample_rate == new
    assert len(resampled) == new
    inside = slice(new // 10, -new // 10)
    np.testing.assert_allclose(resampled.samples[inside], sine(new).samples[inside], atol=1e-3)


def test_what_the_new_rate_cannot_hold_is_filtered_out() -> None:
    resampled = sine(44100, hertz=10000).resampled(16000)
    assert np.abs(resampled.samples[1600:-1600]).max() < 1e-3


def test_resampling_to_no_rate_is_refused() -> None:
    with pytest.raises(AudioError, match="sample rate of 0"):
        sine(16000).resampled(0)


@given(st.integers(1, 99), st.sampled_from([8000, 16000, 22050, 44100]))
def test_a_cut_at_whole_samples_is_exact(first: int, rate: int) -> None:
    sound = Sound(np.arange(100, dtype=np.float32), rate)
    assert sound.cut(0, first / rate).samples.tolist() == list(range(first))
    assert sound.cut(first / rate, 100 / rate).samples.tolist() == list(range(first, 100))


def test_neighbouring_cuts_share_no_sample_and_lose_none() -> None:
    sound = Sound(np.arange(16000, dtype=np.float32), 16000)
    boundaries = [0, 0.11112, 0.33331, 0.5, 1.0]
    parts = [sound.cut(a, b).samples for a, b in pairwise(boundaries)]
    np.testing.assert_array_equal(np.concatenate(parts), sound.samples)


def test_half_a_sample_rounds_up() -> None:
    sound = Sound(np.arange(10, dtype=np.float32), 1000)
    assert sound.cut(0.0005, 0.0025).samples.tolist() == [1, 2]


@pytest.mark.parametrize(("start", "end"), [(-0.1, 0.5), (0.5, 0.5), (0.6, 0.5), (0.5, 1.01)])
def test_a_cut_outside_the_sound_is_refused(start: float, end: float) -> None:
    with pytest.raises(AudioError, match="a cut from"):
        sine(16000).cut(start, end)
