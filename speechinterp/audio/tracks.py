"""Tracks: what phoneticians measure over time, namely intensity, pitch and formants."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["TRACKS", "energy", "formants", "pitch", "track"]

HOP_SECONDS = 0.010
WINDOW_SECONDS = 0.025
QUIET = 40.0
"""Decibels below the loudest frame from which on there is nothing to measure a formant of."""
TRACKS = ("energy", "f0", "f1", "f2", "f3")

Doubles = npt.NDArray[np.float64]


def track(name: str, samples: npt.NDArray[np.float32], sample_rate: int) -> tuple[Doubles, Doubles]:
    """Return the times in seconds of one of the tracks `TRACKS`, and its values [shape=(frames,)] each."""
    if name == "energy":
        return energy(samples, sample_rate)
    if name == "f0":
        return pitch(samples, sample_rate)
    times, values = formants(samples, sample_rate)
    return times, values[:, int(name[1]) - 1]


def energy(samples: npt.NDArray[np.float32], sample_rate: int) -> tuple[Doubles, Doubles]:
    """Return frame centres in seconds and the intensity of the frames in dB re full scale [shape=(frames,)] each.

    Notes
    -----
    The mean square of windows of 25 ms every 10 ms, at least -100 dB.
    """
    times, frames = _frames(samples.astype(np.float64), sample_rate)
    return times, 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-10))


def pitch(
    samples: npt.NDArray[np.float32], sample_rate: int, low: float = 60.0, high: float = 500.0
) -> tuple[Doubles, Doubles]:
    """Return frame centres in seconds and the fundamental frequency in Hz, NaN where unvoiced [shape=(frames,)] each.

    Parameters
    ----------
    samples, sample_rate
        The sound.
    low, high
        The range searched, in Hz.

    References
    ----------
    Mauch, M., & Dixon, S. (2014). pYIN: a fundamental frequency estimator using probabilistic threshold
    distributions. ICASSP.
    """
    import librosa

    hop, window = round(HOP_SECONDS * sample_rate), 2 ** int(np.ceil(np.log2(2.5 * sample_rate / low)))
    padded = np.pad(samples.astype(np.float64), window // 2)
    found, _, _ = librosa.pyin(
        padded, fmin=low, fmax=high, sr=sample_rate, frame_length=window, hop_length=hop, center=False
    )
    return np.arange(len(found)) * hop / sample_rate, np.asarray(found, dtype=np.float64)


def formants(
    samples: npt.NDArray[np.float32], sample_rate: int, ceiling: float = 5200.0
) -> tuple[Doubles, Doubles]:
    """Return frame centres in seconds and the first three formants in Hz [shape=(frames,)], [shape=(frames, 3)].

    Parameters
    ----------
    samples, sample_rate
        The sound.
    ceiling
        The highest frequency, in Hz, below which five formants are expected.

    Notes
    -----
    Linear prediction of order 10 (Burg) after pre-emphasis, in Gaussian windows of 25 ms every 10 ms; the roots with
    bandwidths below 600 Hz, in their order. NaN in frames 40 dB quieter than the loudest, and where fewer than three
    are found.

    References
    ----------
    Markel, J. D., & Gray, A. H. (1976). Linear Prediction of Speech. Springer.
    """
    import librosa
    import soxr

    rate = round(2 * ceiling)
    sound = soxr.resample(samples.astype(np.float64), sample_rate, rate)
    times, frames = _frames(np.append(sound[:1], sound[1:] - 0.97 * sound[:-1]), rate)
    power = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 1e-10))
    shape = np.exp(-0.5 * ((np.arange(frames.shape[1]) / (frames.shape[1] - 1) - 0.5) / 0.18) ** 2)
    values = np.full((len(frames), 3), np.nan)
    for i in np.flatnonzero(power > max(power.max(initial=-100) - QUIET, -90)):
        roots = np.roots(librosa.lpc(frames[i] * shape, order=10))
        roots = roots[roots.imag > 0]
        frequencies = np.angle(roots) * rate / (2 * np.pi)
        widths = -np.log(np.abs(roots)) * rate / np.pi
        found = np.sort(frequencies[(widths < 600) & (frequencies > 90) & (frequencies < ceiling - 50)])
        if len(found) >= 3:
            values[i] = found[:3]
    return times, values


def _frames(samples: Doubles, rate: int) -> tuple[Doubles, Doubles]:
    """Cut windows out of a sound; one that is shorter than a window is padded to one."""
    hop, window = round(HOP_SECONDS * rate), round(WINDOW_SECONDS * rate)
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    return (np.arange(len(frames)) * hop + window / 2) / rate, frames
