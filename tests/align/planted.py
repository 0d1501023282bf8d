"""CTC models that hear what a test says, so that boundaries are known to the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from tiny_vocabulary import LETTERS, PHONES, reading_model

import speechinterp as si
from speechinterp.audio import Sound
from speechinterp.models import SpeechModel

Heard = Sequence[tuple[str, int]]
SURE = 8.0
SPANNING = [
    ("_", 3),
    ("a", 4),
    ("d", 3),
    ("|", 1),
    ("d", 2),
    ("o", 5),
    ("_", 6),
    ("t", 2),
    ("e", 2),
    ("_", 2),
]
LETTERS_HEARD = [
    ("_", 3),
    ("n", 4),
    ("o", 4),
    ("|", 1),
    ("t", 5),
    ("e", 3),
    ("_", 3),
    ("d", 4),
    ("a", 4),
    ("_", 2),
]
PHONES_HEARD = [
    ("_", 4),
    ("n", 3),
    ("oʊ", 5),
    ("t", 1),
    ("_", 4),
    ("e", 2),
    ("_", 4),
    ("d", 2),
    ("aɪ", 5),
    ("_", 3),
]
SAID = {"no": [("n", "oʊ")], "te": [("t", "e"), ("t", "tʃ", "e")], "da": [("d", "aɪ")]}


def utterance(heard: Heard, transcript: str | None, id_: str = "a/b", **more: object) -> si.Utterance:
    """Return noise of as many frames as `heard` has."""
    n_frames = sum(count for _, count in heard)
    noise = 0.1 * np.random.default_rng(0).standard_normal(400 + 320 * (n_frames - 1))
    return si.Utterance(id_, Sound(noise.astype(np.float32), 16000), "s", transcript, **more)


def log_probs(
    heard: Heard, symbols: Sequence[str], sure: float = SURE, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return log-probabilities in which every frame prefers one symbol: `_` is blank."""
    scores = 0.1 * np.random.default_rng(seed).standard_normal((sum(n for _, n in heard), len(symbols)))
    frame = 0
    for symbol, count in heard:
        scores[frame : frame + count, 0 if symbol == "_" else symbols.index(symbol)] += sure
        frame += count
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


class Planted:
    """Models of letters and of phones for which a test plants what they hear."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.letters: SpeechModel = reading_model("wav2vec2-pre-ctc")
        self.phones: SpeechModel = reading_model("wav2vec2-pre-ctc", phones=True)
        self.planted: dict[int, npt.NDArray[np.float64]] = {}
        patch.setattr("speechinterp.align.ctc.emissions", self._emissions)

    def hears(self, heard: Heard, *, phones: bool = False, sure: float = SURE) -> None:
        """Plant what the model of letters, or that of phones, hears."""
        model = self.phones if phones else self.letters
        self.planted[id(model)] = log_probs(heard, PHONES if phones else LETTERS, sure)

    def _emissions(
        self, model: SpeechModel, utterance: si.Utterance
    ) -> tuple[npt.NDArray[np.float64], si.FrameGrid]:
        found = self.planted[id(model)]
        return found, model.grid.with_frames(len(found))


def frames(tier: si.Tier, grid: si.FrameGrid) -> list[tuple[str, int, int]]:
    """Return the labels of a tier with their first frame and the one after their last."""
    spans = [grid.frames_in(s.start, s.end) for s in tier]
    return [(s.label, r.start, r.stop) for s, r in zip(tier, spans, strict=True)]
