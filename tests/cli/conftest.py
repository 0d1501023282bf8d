"""What tests of the command line share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import transformers
from synthesis import Voice, synthesise
from tiny_vocabulary import reading_model
from typer.testing import CliRunner, Result

SPEAKERS = ("ana", "bob", "cem", "düş")
WORDS = (("s", "a"), ("m", "i"), ("s", "a"), ("n", "o"), ("m", "i"))


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run a command in this process; what it prints to both streams is in `.output`."""

    def call(*arguments: object) -> Result:
        from speechinterp.cli import app

        with warnings.catch_warnings():
            warnings.simplefilter("default")
            return CliRunner().invoke(app, [str(argument) for argument in arguments], terminal_width=200)

    return call


@pytest.fixture
def ctc_folder(tmp_path: Path) -> Path:
    """A tiny CTC model of letters, with its tokenizer, on disk."""
    model, folder = reading_model("wav2vec2-pre-ctc"), tmp_path / "model"
    model.module.save_pretrained(folder)
    model.vocabulary.tokenizer.save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A corpus of four speakers with two generated utterances each, as sound files and a table."""
    rows = []
    for number, speaker in enumerate(SPEAKERS):
        for take in range(2):
            voice = Voice(100 + 30 * number, 0.95 + 0.07 * number, 1.0)
            sound, tiers = synthesise(WORDS, voice, seed=10 * number + take)
            name = f"{speaker}/take{take}.wav"
            (tmp_path / "sound" / speaker).mkdir(parents=True, exist_ok=True)
            soundfile.write(tmp_path / "sound" / name, np.asarray(sound.samples), sound.sample_rate)
            rows += [
                {
                    "file": f"sound/{name}",
                    "start": s.start,
                    "end": s.end,
                    "label": s.label,
                    "speaker": speaker,
                    "tier": tier,
                }
                for tier in ("phones", "words")
                for s in tiers[tier]
            ]
    path = tmp_path / "corpus.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
