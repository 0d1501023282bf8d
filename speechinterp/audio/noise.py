"""Noise: with the spectrum of a sound, at a level, at a signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speechinterp.errors import AudioError

__all__ = ["at_snr", "long_term_spectrum", "phase_randomised", "shaped_noise"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
WINDOW = 512


def phase_randomised(samples: Floats, random: np.random.Generator) -> Floats:
    """Return noise with exactly the magnitude spectrum, and so the level, of a stretch of sound.

    Notes
    -----
    The phases of its Fourier transform are drawn evenly; mean and Nyquist component stay. What the spectrum says of
    the whole stretch is kept, and what it says of the order in time is lost.
    """
    spectrum = np.fft.rfft(samples.astype(np.float64))
    turns = np.exp(2j * np.pi * random.random(len(spectrum)))
    turns[0] = 1
    if len(samples) % 2 == 0:
        turns[-1] = 1
    return np.fft.irfft(spectrum * turns, len(samples)).astype(np.float32)


def long_term_spectrum(samples: Floats) -> Doubles:
    """Return the mean power spectrum of Hann windows of 512 samples [shape=(257,)]; shorter sounds are padded."""
    padded = np.pad(samples.astype(np.float64), (0, max(0, WINDOW - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: WINDOW // 4]
    shape = np.hanning(WINDOW + 1)[:-1]
    power: Doubles = (np.abs(np.fft.rfft(windows * shape)) ** 2).mean(0) / (shape**2).sum()
    return power


def shaped_noise(power: Doubles, n_samples: int, random: np.random.Generator) -> Floats:
    """Return Gaussian noise with the power spectrum that :func:`long_term_spectrum` gives, and so its level."""
    n = max(n_samples, WINDOW)
    gain = np.interp(np.fft.rfftfreq(n), np.fft.rfftfreq(WINDOW), np.sqrt(power))
    noise = np.fft.irfft(np.fft.rfft(random.standard_normal(n)) * gain, n)
    return noise[:n_samples].astype(np.float32)


def at_snr(samples: Floats, snr_db: float, random: np.random.Generator) -> Floats:
    """Return a sound with white noise added at a signal-to-noise ratio in dB, over the sound as a whole.

    Raises
    ------
    AudioError
        If the sound is silent, so that no noise has a ratio to it.
    """
    power = float(np.mean(np.square(samples.astype(np.float64))))
    if power == 0:
        raise AudioError(
            "a silent sound, to which noise is to be added at a ratio",
            expected="a sound that is not all zeros",
            cause="an empty recording, or the wrong channel",
            fix="leave it out",
        )
    noise = random.standard_normal(len(samples))
    noise *= np.sqrt(power * 10 ** (-snr_db / 10) / np.mean(noise**2))
    return (samples + noise).astype(np.float32)
