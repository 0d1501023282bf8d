"""An encoder that says nothing but what it heard, and corpora of noise: extraction without a model, and at once."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import AudioError
from speechinterp.frames import FrameGrid
from speechinterp.segments import Segment, Tier

RATE = 16000


class Echo:
    """Layer 0 holds mean, least and largest sample of every window, layer 1 twice that."""

    sample_rate, n_states, width = RATE, 2, 3

    def __init__(self, name: str = "echo", limit: int = 3) -> None:
        self.name, self.limit, self.batches = name, limit, []

    def frames(self, heard):
        n_samples = heard if isinstance(heard, int) else len(heard)
        return FrameGrid(RATE, 160, 400, n_frames=max(0, (n_samples - 400) // 160 + 1))

    def states(self, heard):
        self.batches.append([len(wave) for wave in heard])
        windows = [np.lib.stride_tricks.sliding_window_view(wave, 400)[::160] for wave in heard]
        heard = [np.stack([w.mean(1), w.min(1), w.max(1)], axis=1) for w in windows]
        return [torch.from_numpy(np.stack([layer, 2 * layer])) for layer in heard]

    def check_sound(self, name, samples):
        if len(samples) < 400:
            raise AudioError(f"{name} has {len(samples)} samples", expected="at least 400", fix="skip it")

    def batch_limit(self, seconds):
        return self.limit

    def exact(self):
        return self

    def describe(self):
        return {"model": self.name}


def spoken(id_: str, seconds: float, seed: int = 0, speaker: str | None = "s1") -> Utterance:
    """Make an utterance of noise with phones of all lengths, one of them of 4 ms, and two words."""
    random = np.random.default_rng(seed)
    noise = random.uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    inner = np.sort(random.uniform(0.02, seconds - 0.02, 6)).round(4).tolist()
    cuts = [0.0, *inner[:3], inner[2] + 0.004, *[t for t in inner[3:] if t > inner[2] + 0.004], seconds]
    labels = ["h#", "ʃ", "iː", "", "d", "cl", "k", "æ", "t"]
    phones = [Segment(a, b, label) for a, b, label in zip(cuts, cuts[1:], labels)]  # noqa: B905
    words = [Segment(cuts[0], cuts[2], "she"), Segment(cuts[2], cuts[-1], "had")]
    tiers = {"phones": Tier("phones", phones), "words": Tier("words", words)}
    return Utterance(id_, Sound(noise, RATE), speaker, "she had", tiers)


def noise_corpus(n: int, seconds: float = 1.0, name: str = "noise") -> Corpus:
    """Make utterances of about as many seconds, made anew whenever they are asked for."""
    return Corpus(
        name,
        {
            f"s{i % 3}/u{i:03d}": partial(
                spoken, f"s{i % 3}/u{i:03d}", seconds * (1 + i % 4 / 4), i, f"s{i % 3}"
            )
            for i in range(n)
        },
    )
