"""What extraction needs of a model, and how far a coarse number format takes it from float32."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.errors import StoreError
from speechinterp.frames import FrameGrid
from speechinterp.models.model import Heard

__all__ = ["Encoder", "Wave", "deviation"]

Wave = npt.NDArray[np.float32]
GROSS = 0.2
"""Mean deviation of a layer beyond which a number format is not coarse but wrong."""


class Encoder(Protocol):
    """What extraction needs: a :class:`~speechinterp.SpeechModel`, or acoustic features in its place."""

    @property
    def sample_rate(self) -> int:
        """Of the input, in Hz."""

    @property
    def n_states(self) -> int:
        """Number of layers of :meth:`states`."""

    @property
    def width(self) -> int:
        """Dimensions of a frame."""

    def frames(self, heard: Heard | int) -> FrameGrid:
        """Return the frames of a sound or of a number of samples."""

    def states(self, heard: Sequence[Heard]) -> list[Tensor]:
        """Return the states of each sound [shape=(layers, frames, dimensions)]."""

    def check_sound(self, name: str, samples: Wave) -> None:
        """Raise AudioError if a sound cannot be taken."""

    def batch_limit(self, seconds: float) -> int:
        """Return how many sounds to run at once if the longest has this many seconds."""

    def exact(self) -> Encoder:
        """Return the same in float32; itself if it is as exact as that."""

    def describe(self) -> dict[str, Any]:
        """Return what a result must record."""


def deviation(encoder: Encoder, waves: Iterable[Wave]) -> dict[str, Any] | None:
    r"""Measure how far the states of an encoder are from those in float32; None if it is as exact as that.

    Returns
    -------
    dict
        Of all frames of the `waves`, by layer, the mean and the largest
        \|coarse - exact\| / \|exact\| (Euclidean norms over the dimensions of a frame).

    Raises
    ------
    StoreError
        If the mean of a layer is above 0.2.
    """
    exact = encoder.exact()
    if exact is encoder:
        return None
    differences = []
    for wave in waves:
        ours, theirs = encoder.states([wave])[0].double(), exact.states([wave])[0].double()
        differences.append((ours - theirs).norm(dim=-1) / theirs.norm(dim=-1).clamp(min=1e-30))
    if not differences:
        return None
    by_layer = torch.cat(differences, dim=1)
    worst = int(by_layer.mean(1).argmax())
    if not by_layer[worst].mean() <= GROSS:
        raise StoreError(
            f"in bfloat16 layer {worst} is {float(by_layer[worst].mean()):.0%} away from what it is in float32",
            expected=f"at most {GROSS:.0%}; 1 % is usual",
            cause="a convolution that this processor gets wrong in bfloat16, as some do where groups have 8 or 12 "
            "channels",
            fix="float32 (--dtype float32)",
        )
    return {
        "from": "float32",
        "frames": by_layer.shape[1],
        "mean_by_layer": _rounded(by_layer.mean(1)),
        "max_by_layer": _rounded(by_layer.amax(1)),
    }


def _rounded(values: Tensor) -> list[float]:
    return [float(f"{value:.3g}") for value in values.tolist()]
