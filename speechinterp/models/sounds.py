"""Sounds on their way into a model: one padded batch, or the error that says why one cannot be taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AudioError
from speechinterp.models.family import Family, Inputs

__all__ = ["Heard", "check_sound", "prepared"]

Heard = Utterance | npt.NDArray[np.float32] | Tensor


def prepared(
    family: Family, model: str, heard: Sequence[Heard], device: torch.device, dtype: torch.dtype
) -> Inputs:
    """Turn utterances or waveforms at the sample rate of a model of this id into one padded batch."""
    rate, waveforms = family.grid.sample_rate, []
    for position, item in enumerate(heard):
        name = f"utterance {item.id!r}" if isinstance(item, Utterance) else f"waveform {position}"
        samples = item.waveform(rate) if isinstance(item, Utterance) else item
        check_sound(family, model, name, samples)
        waveform = samples if isinstance(samples, Tensor) else torch.from_numpy(samples.astype(np.float32))
        waveforms.append(waveform.to(device=device, dtype=torch.float32))
    lengths = tuple(len(waveform) for waveform in waveforms)
    frames = tuple(family.n_frames(length) for length in lengths)
    return Inputs(family.prepare(waveforms).to(dtype), lengths, frames)


def check_sound(family: Family, model: str, name: str, waveform: Tensor | npt.NDArray[np.float32]) -> None:
    """Raise AudioError if a model of this id cannot take a sound: its type, length, channels or values."""
    if not (waveform.is_floating_point() if isinstance(waveform, Tensor) else waveform.dtype.kind == "f"):
        raise AudioError(
            f"{name} holds samples of type {waveform.dtype}",
            expected="floating point samples from -1 to 1",
            cause="a sound read as 16-bit integers",
            fix="divide 16-bit samples by 32768, or read the file with speechinterp.audio.read_sound",
        )
    if waveform.ndim != 1:
        raise AudioError(
            f"{name} has shape {tuple(waveform.shape)}",
            expected="one channel [shape=(samples,)]",
            fix="choose a channel",
        )
    n, rate = len(waveform), family.grid.sample_rate
    shortest = family.min_samples
    if n < shortest:
        raise AudioError(
            f"{name} is {1000 * n / rate:.1f} ms long ({n} samples)",
            expected=f"at least one frame of {model}: {1000 * shortest / rate:.1f} ms ({shortest} samples)",
            cause="a clip cut to a single phone, or an almost empty recording",
            fix="leave it out (--on-bad skip), or encode the whole utterance and pool its segment",
        )
    longest = family.max_samples
    if longest is not None and n > longest:
        raise AudioError(
            f"{name} is {n / rate:.2f} s long",
            expected=f"at most the window of {model}, {longest / rate:.2f} s",
            cause="a long recording that was not cut into utterances",
            fix="cut it at pauses, or leave it out (--on-bad skip)",
        )
    finite = torch.isfinite(waveform) if isinstance(waveform, Tensor) else np.isfinite(waveform)
    if not finite.all():
        raise AudioError(
            f"{name} holds NaN or infinite samples", expected="finite samples", fix="repair the recording"
        )
