"""What the tests of gradient methods share: a sound with words, a target in the middle of it, and how near is near."""

from __future__ import annotations

import numpy as np
from tiny import sound
from torch import nn

from speechinterp import Segment, Tap, Tier, Utterance, targets
from speechinterp.attribution.spaces import SPACES
from speechinterp.audio import Sound

RATE = 16000
N = 6400
MODELS = {"wav2vec2-pre-ctc": ("waveform", "spectrogram", "features"), "whisper": tuple(SPACES)}
CASES = [(name, space) for name, spaces in MODELS.items() for space in spaces]


def heard(n=N) -> Utterance:
    words = Tier("words", [Segment(0.05, 0.15, "one"), Segment(0.2, 0.35, "two")])
    return Utterance("u", Sound(sound(n), RATE), transcript="a note", tiers={"words": words})


def target():
    return targets.hidden(Tap(2, "residual"), [0, 7], span=(0.1, 0.3))


def close(found, expected):
    expected = expected.detach().double().numpy()
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())


def inside(opened, tensor):
    return tensor.narrow(opened.dims.index("time"), 0, opened.inside)


class Module(nn.Module):
    """The scores of a space, as Captum wants them."""

    def __init__(self, space):
        super().__init__()
        self.space = space

    def forward(self, points):
        return self.space.scores(points).float()
