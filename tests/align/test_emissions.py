"""What a CTC model hears of recordings of any length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from tiny import sound
from tiny_vocabulary import reading_model

import speechinterp as si
from speechinterp.align import emissions as room
from speechinterp.align.emissions import emissions
from speechinterp.audio import Sound
from speechinterp.errors import ModelError
from speechinterp.models import SpeechModel

MODEL = "wav2vec2-pre-ctc"


def recording(n_samples: int) -> si.Utterance:
    return si.Utterance("long", Sound(sound(n_samples), 16000), None, "add")


def local(model: SpeechModel, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Hear nothing but the samples of a frame, so that windows cannot differ."""
    n_frames = model.frames(len(waveform)).n_frames or 0
    scores = np.stack([waveform[320 * i : 320 * i + 400 : 80] for i in range(n_frames)]).astype(float)
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@pytest.mark.parametrize("n_samples", [16000, 33333, 80000, 81234, 80320, 160719])
def test_windows_are_joined_on_one_grid(monkeypatch: pytest.MonkeyPatch, n_samples: int) -> None:
    monkeypatch.setattr(room, "_heard", local)
    model = reading_model(MODEL)
    whole, grid = emissions(model, recording(n_samples), window=1e9)
    joined, same = emissions(model, recording(n_samples), window=1.0, overlap=0.4)
    assert grid == same == model.frames(n_samples)
    assert joined.shape == whole.shape == (grid.n_frames, 5)
    np.testing.assert_allclose(joined, whole, atol=1e-12)


def test_a_window_says_little_at_its_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each window sees other numbers; the joined ones go over from the one to the other in equal steps."""
    calls: list[int] = []

    def numbered(model: SpeechModel, waveform: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        calls.append(len(waveform))
        share = 0.9 if len(calls) % 2 else 0.1
        return np.log(np.tile([share, 1 - share], (model.frames(len(waveform)).n_frames or 0, 1)))

    monkeypatch.setattr(room, "_heard", numbered)
    model = reading_model(MODEL)
    joined, _ = emissions(
        model, recording(28800), window=1.0, overlap=0.4
    )  # frames of windows: 0-48, 30-78, ...
    first = np.exp(joined[:, 0])
    assert len(calls) > 2
    np.testing.assert_allclose(np.exp(joined).sum(1), 1)
    np.testing.assert_allclose(first[:30], 0.9)
    assert np.abs(np.diff(first)).max() == pytest.approx(0.8 / 20)


def test_damaged_weights_are_named() -> None:
    model = reading_model(MODEL)
    model.module.lm_head.weight.data[3] = float("nan")
    with pytest.raises(ModelError, match=r"'long'.*NaN or infinite"):
        emissions(model, recording(16000))
