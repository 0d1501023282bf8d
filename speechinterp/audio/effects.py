"""Effects: another pitch, another rate of speech, a room around the voice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speechinterp.errors import AudioError

__all__ = ["in_a_room", "pitch_shifted", "stretched"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
WINDOW_SECONDS = 0.030
SEARCH_SECONDS = 0.0085  # over half the period of a voice of 60 Hz, on both sides


def stretched(samples: Floats, sample_rate: int, factor: float) -> Floats:
    """Return a sound that lasts `factor` times as long at the same pitch.

    Parameters
    ----------
    samples, sample_rate
        The sound.
    factor
        Above 1 slower speech, below 1 faster.

    Raises
    ------
    AudioError
        If the factor is not between 0.25 and 4.

    Notes
    -----
    Windows of 30 ms are laid over one another at half their length. Each is taken from up to 8.5 ms around its place
    in the sound, where it correlates best with how the window before it went on (WSOLA).

    References
    ----------
    Verhelst, W., & Roelands, M. (1993). An overlap-add technique based on waveform similarity (WSOLA) for high
    quality time-scale modification of speech. ICASSP.
    """
    if not 0.25 <= factor <= 4:
        raise AudioError(
            f"speech to be stretched by {factor}",
            expected="a factor between 0.25 and 4",
            cause="a percentage or seconds instead of a factor",
            fix="1.2 is a fifth slower",
        )
    if factor == 1:
        return samples
    hop = round(WINDOW_SECONDS * sample_rate / 2)
    reach = round(SEARCH_SECONDS * sample_rate)
    shape = np.hanning(2 * hop + 1)[:-1]
    n = round(len(samples) * factor)
    sound = np.pad(samples.astype(np.float64), (hop + reach, 4 * hop + reach))
    result, weight = np.zeros(n + 4 * hop), np.zeros(n + 4 * hop)
    place = reach
    for start in range(0, n + hop, hop):
        if start:
            wanted = sound[place + hop : place + 3 * hop]
            middle = min(round(start / factor) + reach, len(sound) - 2 * hop - reach)
            near = sound[middle - reach : middle + reach + 2 * hop]
            likeness = np.correlate(near, wanted, "valid")
            power = np.cumsum(np.r_[0.0, near**2])
            likeness /= np.sqrt(power[2 * hop :] - power[: -2 * hop] + 1e-9)
            place = middle - reach + int(likeness.argmax())
            place = min(place, len(sound) - 3 * hop)
        result[start : start + 2 * hop] += shape * sound[place : place + 2 * hop]
        weight[start : start + 2 * hop] += shape
    kept = slice(hop, hop + n)
    return (result[kept] / np.maximum(weight[kept], 1e-3)).astype(np.float32)


def pitch_shifted(samples: Floats, sample_rate: int, semitones: float) -> Floats:
    """Return a sound of the same length at another pitch; the formants stay.

    Parameters
    ----------
    samples, sample_rate
        The sound.
    semitones
        Above 0 higher, below 0 lower.

    Raises
    ------
    AudioError
        If the shift is more than 24 semitones.

    Notes
    -----
    Linear prediction of order 2 + f_s / 1000 in frames of 32 ms gives the vocal tract's filter. What remains of the
    sound without it (the residual) is stretched and resampled, and is filtered as before. A voice that goes down by
    k semitones keeps nothing above the Nyquist frequency times 2^(-k/12).

    References
    ----------
    Makhoul, J. (1975). Linear prediction: A tutorial review. Proceedings of the IEEE, 63(4).
    """
    if not abs(semitones) <= 24:
        raise AudioError(
            f"a pitch to be shifted by {semitones} semitones",
            expected="at most 24, two octaves",
            cause="a ratio, or Hz, instead of semitones",
            fix="12 is an octave",
        )
    if semitones == 0:
        return samples
    import soxr

    ratio = 2 ** (semitones / 12)
    frames = _frames(samples.astype(np.float64), sample_rate)
    tract = _vocal_tract(frames, order=2 + sample_rate // 1000)
    residual = _overlapped(frames / tract, len(samples))
    shifted = soxr.resample(stretched(residual, sample_rate, ratio).astype(np.float64), ratio, 1.0)
    shifted = np.pad(shifted, (0, max(0, len(samples) - len(shifted))))[: len(samples)]
    return _overlapped(_frames(shifted, sample_rate) * tract, len(samples))


def _frames(sound: Doubles, sample_rate: int) -> npt.NDArray[np.complex128]:
    """Spectra [frame, bin] of windows of about 32 ms, a quarter of a window apart."""
    window = 2 ** round(np.log2(0.032 * sample_rate))
    padded = np.pad(sound, (window, 2 * window))
    shape = np.sqrt(np.hanning(window + 1)[:-1])
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, window)[:: window // 4] * shape)


def _overlapped(spectra: npt.NDArray[np.complex128], n: int) -> Floats:
    """Undo `_frames` for a sound of `n` samples."""
    window = 2 * (spectra.shape[1] - 1)
    hop = window // 4
    shape = np.sqrt(np.hanning(window + 1)[:-1]) / 2  # squared shapes a quarter window apart sum to 2
    result = np.zeros((len(spectra) - 1) * hop + window)
    for i, frame in enumerate(np.fft.irfft(spectra) * shape):
        result[i * hop : i * hop + window] += frame
    return result[window : window + n].astype(np.float32)


def _vocal_tract(spectra: npt.NDArray[np.complex128], order: int) -> Doubles:
    """Magnitude [frame, bin] of the all-pole filter that linear prediction finds in every frame."""
    from scipy.linalg import solve_toeplitz

    lags = np.fft.irfft(np.abs(spectra) ** 2)[:, : order + 1]
    lags[:, 0] = lags[:, 0] * (1 + 1e-4) + 1e-9
    whitening = np.array([np.append(1, -solve_toeplitz(r[:-1], r[1:])) for r in lags])
    gain = np.sqrt((whitening * lags).sum(1, keepdims=True))
    return gain / np.abs(np.fft.rfft(whitening, 2 * (spectra.shape[1] - 1)))


def in_a_room(samples: Floats, sample_rate: int, decay_seconds: float, random: np.random.Generator) -> Floats:
    """Return a sound with reverberation, at the same level and of the same length.

    Parameters
    ----------
    samples, sample_rate
        The sound.
    decay_seconds
        Reverberation time (RT60): how long the room takes to fall by 60 dB. A furnished room has 0.3 to 0.6, a
        hall 1 to 2.
    random
        Draws the reflections.

    Raises
    ------
    AudioError
        If the time is negative or longer than 10 s.

    Notes
    -----
    The room's answer is the direct sound, then, from 5 ms on, Gaussian noise that decays exponentially and has as
    much energy as the direct sound. The tail after the end of the sound is cut off.
    """
    if not 0 <= decay_seconds <= 10:
        raise AudioError(
            f"a reverberation time of {decay_seconds} s",
            expected="0 to 10 s",
            cause="a time in milliseconds",
            fix="0.5 is a living room",
        )
    if decay_seconds == 0:
        return samples
    from scipy.signal import fftconvolve

    time = np.arange(round(decay_seconds * sample_rate)) / sample_rate
    tail = random.standard_normal(len(time)) * 10 ** (-3 * time / decay_seconds)
    tail[: round(0.005 * sample_rate)] = 0
    tail /= max(np.sqrt((tail**2).sum()), 1e-12)
    tail[0] = 1
    wet = fftconvolve(samples.astype(np.float64), tail)[: len(samples)]
    level = np.sqrt(np.mean(np.square(samples.astype(np.float64))) / max(np.mean(wet**2), 1e-20))
    return (wet * level).astype(np.float32)
