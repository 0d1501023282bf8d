"""The trained models that come with the package do what their cards say, on voices they have not heard."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from speechinterp import load_corpus, load_model
from speechinterp.embedded import data_folder, embedded_folder
from speechinterp.errors import ModelError


def test_whisper_writes_what_unseen_voices_say() -> None:
    model = load_model("demo/whisper")
    corpus = load_corpus("demo?type=homophone")
    cued = [corpus[number] for number in range(0, 64, 4)]
    written = model.transcribe(cued)
    assert sum(u.meta["target"] in text.split() for u, text in zip(cued, written, strict=True)) >= 14
    words = sum(len(u.transcript.split()) for u in cued)
    right = sum(len(set(u.transcript.split()) & set(t.split())) for u, t in zip(cued, written, strict=True))
    assert right / words > 0.9


def test_an_embedded_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="demo/whisper"):
        load_model("demo/whispr")


def test_a_damaged_weight_file_names_itself_and_its_repair(tmp_path: Path) -> None:
    shutil.copytree(data_folder() / "models", tmp_path / "models")
    shutil.copy(data_folder() / "checksums.sha256", tmp_path)
    weights = tmp_path / "models/whisper/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"models/whisper/model.safetensors is damaged") as caught:
        embedded_folder("models/whisper", tmp_path, ModelError)
    assert "git checkout -- data" in str(caught.value)
