"""Acoustic features: what a probe finds without any model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speechinterp.errors import AudioError

__all__ = ["log_mel", "mfcc"]

FLOOR = 1e-10
"""Power below which a band counts as silent, so that the logarithm stays finite."""
MFCC_BANDS = 40
DELTA_FRAMES = 9


def log_mel(
    samples: npt.NDArray[np.float32], sample_rate: int, hop: int = 160, window: int = 400, n_mels: int = 80
) -> npt.NDArray[np.float32]:
    """Return the log mel spectrogram.

    Parameters
    ----------
    samples
        Sound [shape=(samples,)].
    sample_rate
        In Hz.
    hop, window
        From one frame to the next, and the length of a frame, in samples.
    n_mels
        Number of mel bands.

    Returns
    -------
    numpy.ndarray
        Natural logarithm of the power in every band [shape=(frames, mels)]. Frame i sees the samples from
        ``i * hop`` up to, not including, ``i * hop + window``, and nothing else; there are
        ``(samples - window) // hop + 1`` frames.

    Raises
    ------
    AudioError
        If the sound is shorter than one window.

    Notes
    -----
    The Fourier transform is as long as the window, and the sound is not padded.
    """
    if len(samples) < window:
        raise AudioError(
            f"{len(samples)} samples ({len(samples) / sample_rate:.4f} s)",
            expected=f"at least one window of {window} samples",
            cause="a very short recording or segment",
            fix="leave it out, or pass a shorter window",
        )
    import librosa

    power = librosa.feature.melspectrogram(
        y=samples,
        sr=sample_rate,
        n_fft=window,
        win_length=window,
        hop_length=hop,
        n_mels=n_mels,
        center=False,
    )
    logarithm: npt.NDArray[np.float32] = np.log(np.maximum(power, FLOOR)).T.astype(np.float32)
    return logarithm


def mfcc(
    samples: npt.NDArray[np.float32], sample_rate: int, hop: int = 160, window: int = 400, n_mfcc: int = 13
) -> npt.NDArray[np.float32]:
    """Return mel-frequency cepstral coefficients with their first and second differences.

    Parameters
    ----------
    samples, sample_rate, hop, window
        As in :func:`log_mel`.
    n_mfcc
        Number of coefficients, the zeroth among them.

    Returns
    -------
    numpy.ndarray
        The coefficients, their deltas and their delta-deltas [shape=(frames, 3 * n_mfcc)], on the frames of
        :func:`log_mel`.

    Raises
    ------
    AudioError
        If the sound is shorter than one window.

    Notes
    -----
    The coefficients of a frame depend on its own samples alone: they are the orthonormal cosine transform of
    40 log mel bands. A delta is the slope of a line through 9 frames, a delta-delta the second derivative
    of a parabola through them; before the first and after the last frame that frame is repeated, which also
    serves sounds of fewer than 9 frames.
    """
    bands = log_mel(samples, sample_rate, hop, window, MFCC_BANDS)
    import librosa

    static = librosa.feature.mfcc(S=bands.T, n_mfcc=n_mfcc)
    deltas = [librosa.feature.delta(static, width=DELTA_FRAMES, order=n, mode="nearest") for n in (1, 2)]
    return np.concatenate([static, *deltas]).T.astype(np.float32)
