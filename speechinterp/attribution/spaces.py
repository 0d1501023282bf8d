"""Spaces: the axes on which relevance is given, each with its map to what the model is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.models import Inputs, SpeechModel, Tap
from speechinterp.models.model import Heard
from speechinterp.models.targets import BoundTarget

__all__ = ["SPACES", "Features", "LogMel", "Space", "SpaceName", "Spectrogram", "Waveform", "space_of"]

Within = Callable[[], AbstractContextManager[Any]]


class Space(ABC):
    """A space in which an utterance is a point, and a map from its points to the scores of a target.

    Parameters
    ----------
    bound
        The target in the utterance.
    sound
        The waveform at the model's sample rate [shape=(samples,)].

    Attributes
    ----------
    point
        The utterance [shape=(*dims)].
    dims
        Names of the axes: ``time``, ``frequency``, ``channel``.
    coords
        Times in seconds, frequencies in Hz.
    inside
        How much of the time axis belongs to the utterance; the rest is the padding of Whisper's window.
    """

    name: ClassVar[str]
    dims: ClassVar[tuple[str, ...]]

    def __init__(self, bound: BoundTarget, sound: Tensor) -> None:
        self.bound, self.model, self.sound = bound, bound.model, sound
        self.point = self.of(sound)
        self.coords: dict[str, Any] = self.coordinates()
        self.inside = len(self.coords["time"])

    @abstractmethod
    def of(self, sound: Tensor) -> Tensor:
        """Return a sound of the same length as a point."""

    @abstractmethod
    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score points, with gradients [shape=(batch, *dims)] to [shape=(batch, targets)]."""

    @abstractmethod
    def coordinates(self) -> dict[str, Any]:
        """Return the coordinates of the axes; of time, only those of the utterance."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz."""
        return self.model.sample_rate

    def settings(self) -> dict[str, Any]:
        """Return what a result must record."""
        return {"space": self.name}


class Waveform(Space):
    """The samples of the sound; the model's preprocessing is part of what is explained."""

    name = "waveform"
    dims = ("time",)

    def of(self, sound: Tensor) -> Tensor:
        """Return the sound itself."""
        return sound

    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score waveforms."""
        return self.bound.scores_of(self.model.prepare(list(points)), within)

    def coordinates(self) -> dict[str, Any]:
        """Return the times of the samples."""
        return {"time": np.arange(len(self.sound)) / self.rate}


class Spectrogram(Space):
    """The magnitudes of a short-time Fourier transform; its phase is kept, and its inverse is the sound.

    Windows are von Hann's, of 25 ms, every 10 ms.
    """

    name = "spectrogram"
    dims = ("frequency", "time")
    window_seconds = 0.025
    hop_seconds = 0.010

    def transform(self, sound: Tensor) -> Tensor:
        """Return the complex short-time Fourier transform [shape=(frequencies, frames)]."""
        return torch.stft(sound, self.size, self.hop, window=self.taper(sound), return_complex=True)

    def inverse(self, spectrum: Tensor) -> Tensor:
        """Return the sounds of spectra [shape=(batch, frequencies, frames)] to [shape=(batch, samples)]."""
        taper = self.taper(self.sound)
        return torch.istft(spectrum, self.size, self.hop, window=taper, length=len(self.sound))

    def of(self, sound: Tensor) -> Tensor:
        """Return the magnitudes."""
        return self.transform(sound).abs()

    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score magnitudes, with the phase of the utterance."""
        phase = torch.angle(self.transform(self.sound))
        sounds = self.inverse(torch.polar(points.clamp_min(0), phase.expand_as(points)))
        return self.bound.scores_of(self.model.prepare(list(sounds)), within)

    def coordinates(self) -> dict[str, Any]:
        """Return frequencies, and the times on which the windows are centred."""
        n_bins, n_frames = self.point.shape
        return {
            "frequency": np.arange(n_bins) * self.rate / self.size,
            "time": np.arange(n_frames) * self.hop / self.rate,
        }

    def taper(self, sound: Tensor) -> Tensor:
        """Return the window function."""
        return torch.hann_window(self.size, dtype=sound.dtype, device=sound.device)

    @property
    def size(self) -> int:
        """Length of a window in samples."""
        return round(self.window_seconds * self.rate)

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return round(self.hop_seconds * self.rate)

    def settings(self) -> dict[str, Any]:
        """Return what a result must record."""
        return super().settings() | {"window_s": self.window_seconds, "hop_s": self.hop_seconds}


class LogMel(Space):
    """The log-mel spectrogram that Whisper is given, its whole window."""

    name = "log-mel"
    dims = ("frequency", "time")

    def of(self, sound: Tensor) -> Tensor:
        """Return the input of the model."""
        return self.model.prepare([sound]).values[0]

    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score log-mel spectrograms."""
        return self.bound.scores_of(repeated(self.model, self.sound, points), within)

    def coordinates(self) -> dict[str, Any]:
        """Return the centres of the mel bands, and the times of the utterance's frames."""
        family: Any = self.model.family
        filters = family.filters.double()
        hertz = torch.linspace(0, self.rate / 2, len(filters), dtype=torch.float64)
        n = min(-(-len(self.sound) // family.mel_hop), self.point.shape[1])
        return {
            "frequency": ((hertz @ filters) / filters.sum(0)).numpy(),
            "time": np.arange(n) * family.mel_hop / self.rate,
        }


class Features(Space):
    """The output of the convolutional front end, frame by frame."""

    name = "features"
    dims = ("time", "channel")
    tap = Tap(None, "cnn")

    @torch.no_grad()
    def of(self, sound: Tensor) -> Tensor:
        """Return the output of the front end."""
        with self.model.record([self.tap]) as record:
            self.model.encode(self.model.prepare([sound]))
        return record[self.tap][0]

    def scores(self, points: Tensor, within: Within = nullcontext) -> Tensor:
        """Score features, put in the place of the utterance's own."""
        with torch.no_grad():
            values = self.model.prepare([self.sound]).values[0]
        inputs = repeated(self.model, self.sound, values.expand(len(points), *values.shape))
        with self.model.intervene({self.tap: points}):
            return self.bound.scores_of(inputs, within)

    def coordinates(self) -> dict[str, Any]:
        """Return the times on which the frames are centred, and the numbers of the channels."""
        return {"time": self.model.frames(self.sound).times, "channel": np.arange(self.point.shape[1])}


SPACES: dict[str, type[Space]] = {each.name: each for each in (Waveform, Spectrogram, LogMel, Features)}
SpaceName = str


def space_of(bound: BoundTarget, heard: Heard, name: SpaceName) -> Space:
    """Open a space for an utterance.

    Raises
    ------
    AttributionError
        If there is no such space, or not for this model; or if the sound is digital silence.
    """
    model = bound.model
    if name not in SPACES:
        raise AttributionError(
            f"space {name!r}",
            expected=f"one of {', '.join(SPACES)}",
            cause="units are played with by shapley, leave_one_out and their relatives",
            fix="space='waveform', and rel.si.to_units(tier) on the result",
        )
    if name == LogMel.name and not hasattr(model.family, "filters"):
        raise AttributionError(
            f"space 'log-mel' for {model.id}, which reads the waveform",
            expected="a Whisper model, whose input it is",
            fix="space='spectrogram', whose inverse is the waveform",
        )
    sound = waveform_of(model, heard)
    if not bool(sound.any()):
        raise AttributionError(
            f"{f'utterance {heard.id!r}' if isinstance(heard, Utterance) else 'the sound'}: every sample is 0",
            expected="a sound in which there is something to explain by",
            cause="a muted channel, or an export that failed",
            fix="give the right recording or channel",
        )
    return SPACES[name](bound, sound)


def waveform_of(model: SpeechModel, heard: Heard) -> Tensor:
    """Return a sound at the model's sample rate, where the model is [shape=(samples,)]."""
    samples = heard.waveform(model.sample_rate) if isinstance(heard, Utterance) else heard
    model.check_sound(f"utterance {heard.id!r}" if isinstance(heard, Utterance) else "the waveform", samples)
    return torch.as_tensor(samples).to(device=model.device, dtype=torch.float32)


def repeated(model: SpeechModel, sound: Tensor, values: Tensor) -> Inputs:
    """Return a batch of inputs of the model that are all as long as a sound."""
    n = len(values)
    frames = model.family.n_frames(len(sound))
    return Inputs(values.to(model.dtype), (len(sound),) * n, (frames,) * n)
