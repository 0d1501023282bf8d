"""A mono sound in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from speechinterp.audio.listen import audio_html
from speechinterp.errors import AudioError
from speechinterp.frames import exact_seconds

__all__ = ["Sound"]


@dataclass(frozen=True, eq=False)
class Sound:
    """A mono sound.

    Parameters
    ----------
    samples
        Amplitudes as floating-point numbers, full scale at 1 [shape=(samples,)]; kept as float32.
    sample_rate
        In Hz.

    Raises
    ------
    AudioError
        If there are no samples, more than one dimension, integers, NaN or infinite values, or no
        positive whole sample rate.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        samples = np.asarray(self.samples)
        if samples.ndim != 1:
            raise AudioError(
                f"samples of shape {samples.shape}",
                expected="one dimension [shape=(samples,)]",
                cause="a recording with several channels",
                fix="choose one of them, for example samples[:, 0]",
            )
        if not samples.size:
            raise AudioError("a sound without samples", expected="at least one sample", fix="leave it out")
        if not np.issubdtype(samples.dtype, np.floating):
            raise AudioError(
                f"samples of type {samples.dtype}",
                expected="floating-point amplitudes with full scale at 1",
                cause="raw integer samples",
                fix="divide them by full scale (samples / 32768 for 16 bits), or use read_sound",
            )
        if not (self.sample_rate > 0 and self.sample_rate == int(self.sample_rate)):
            raise AudioError(f"a sample rate of {self.sample_rate}", expected="a positive whole number of Hz")
        bad = samples.size - int(np.count_nonzero(np.isfinite(samples)))
        if bad:
            raise AudioError(
                f"{bad} of {samples.size} samples are NaN or infinite",
                expected="finite amplitudes",
                cause="a processing step that divided by zero, or a damaged floating-point file",
                fix="make the file again from the original recording",
            )
        object.__setattr__(self, "samples", np.ascontiguousarray(samples, dtype=np.float32))
        object.__setattr__(self, "sample_rate", int(self.sample_rate))

    def __len__(self) -> int:
        return len(self.samples)

    def _repr_html_(self) -> str:
        return audio_html(self.samples, self.sample_rate, f"sound of {self.duration:.2f} s")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def resampled(self, rate: int) -> Sound:
        """Return the sound at another sample rate, in Hz; the same object where it already has it.

        Raises
        ------
        AudioError
            If the rate is not positive, or the sound is too short to have a sample at that rate.
        """
        if rate == self.sample_rate:
            return self
        if rate < 1:
            raise AudioError(f"a sample rate of {rate}", expected="a positive whole number of Hz")
        import soxr

        return Sound(soxr.resample(self.samples, self.sample_rate, rate, quality="HQ"), rate)

    def cut(self, start: float, end: float) -> Sound:
        """Return the stretch from `start` to `end`, in seconds.

        Raises
        ------
        AudioError
            If the stretch is not inside the sound, or holds no sample.

        Notes
        -----
        The first sample is ``floor(start * sample_rate + 1/2)`` and the one after the last
        ``floor(end * sample_rate + 1/2)``, in exact arithmetic, so that the cuts between neighbouring
        segments fall on the same sample.
        """
        half = Fraction(1, 2)
        first, stop = (math.floor(exact_seconds(t) * self.sample_rate + half) for t in (start, end))
        if not 0 <= first < stop <= len(self.samples):
            raise AudioError(
                f"a cut from {start} s to {end} s of a sound of {self.duration:.6f} s",
                expected="0 <= start < end <= duration, with at least one sample between them",
                cause="a point in time, or times of another recording",
                fix="correct the times",
            )
        return Sound(self.samples[first:stop], self.sample_rate)
