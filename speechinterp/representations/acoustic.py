"""Acoustic baselines: MFCC and log-mel in the place of a model, through the same path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.audio import log_mel, mfcc
from speechinterp.corpora import Utterance
from speechinterp.errors import AudioError, check_choice
from speechinterp.frames import FrameGrid
from speechinterp.models.model import Heard, SpeechModel

__all__ = ["AcousticFeatures"]

RATE, HOP, WINDOW = 16000, 160, 400
DIMENSIONS = {"mfcc": 39, "logmel": 80}


class AcousticFeatures:
    """Features of the sound itself, as a model with one layer.

    Parameters
    ----------
    kind
        ``mfcc``: 13 coefficients with their first and second differences (39 dimensions); ``logmel``: 80 bands.
    like
        A model whose frames are to be described, each by the window nearest to its centre, so that frames can
        be compared one by one; None gives every window.

    Raises
    ------
    AudioError
        If there is no such kind.

    Notes
    -----
    Windows of 25 ms every 10 ms, without padding at the ends, at 16 kHz.
    """

    def __init__(self, kind: Literal["mfcc", "logmel"], like: SpeechModel | None = None) -> None:
        check_choice("acoustic features", kind, DIMENSIONS, AudioError, "kind='mfcc'")
        self.kind = kind
        self.like = like
        self.windows = FrameGrid(RATE, HOP, WINDOW)
        self.grid = like.grid if like else self.windows
        self.sample_rate = RATE

    def frames(self, heard: Heard | int) -> FrameGrid:
        """Return the frames of an utterance, a waveform, or a number of samples."""
        if isinstance(heard, Utterance):
            heard = len(heard.waveform(RATE))
        n_samples = heard if isinstance(heard, int) else len(heard)
        if self.like:
            return self.like.frames(n_samples)
        return self.windows.with_frames(max(0, (n_samples - WINDOW) // HOP + 1))

    @property
    def n_states(self) -> int:
        """Return 1: there are no layers."""
        return 1

    @property
    def width(self) -> int:
        """Dimensions of a frame."""
        return DIMENSIONS[self.kind]

    def batch_limit(self, seconds: float) -> int:
        """Return 1: every utterance is computed alone."""
        return 1

    def check_sound(self, name: str, samples: npt.NDArray[np.float32]) -> None:
        """Raise AudioError if a sound is shorter than one window."""
        if len(samples) < WINDOW:
            raise AudioError(
                f"{name} is {1000 * len(samples) / RATE:.1f} ms long",
                expected=f"at least one window of {1000 * WINDOW / RATE:.0f} ms",
                cause="a clip cut to a single phone, or an almost empty recording",
                fix="leave it out (--on-bad skip)",
            )

    def states(self, heard: Sequence[Heard]) -> list[Tensor]:
        """Return the features of every utterance [shape=(1, frames, dimensions)]."""
        features = []
        for item in heard:
            samples = item.waveform(RATE) if isinstance(item, Utterance) else torch.as_tensor(item).numpy()
            self.check_sound("the sound", samples)
            table = (mfcc if self.kind == "mfcc" else log_mel)(samples, RATE, hop=HOP, window=WINDOW)
            if self.like:
                windows = self.windows.with_frames(len(table))
                table = table[[windows.nearest_frame(time) for time in self.frames(len(samples)).times]]
            features.append(torch.from_numpy(table)[None])
        return features

    def exact(self) -> AcousticFeatures:
        """Return this object: the features are float32."""
        return self

    def describe(self) -> dict[str, Any]:
        """Return what a result must record of the features."""
        return {"model": self.kind, "baseline": self.kind, "grid": self.grid.describe()}
