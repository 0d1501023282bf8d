"""Folders of tiny models, as the hub has them, and how loading them is refused."""

from __future__ import annotations

import json

import pytest
import transformers
from safetensors.torch import load_file, save_file
from tiny import tiny_module

from speechinterp.errors import ModelError
from speechinterp.models import load_model

WEIGHTS = "model.safetensors"


def saved(folder, name="hubert", *, rate=16000, **changes):
    """Save a tiny model with its feature extractor, as the hub has them."""
    module = tiny_module(name, **changes)
    module.save_pretrained(folder)
    if "whisper" in name:
        extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1, sampling_rate=rate)
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, sampling_rate=rate)
    extractor.save_pretrained(folder)
    return folder


def with_tensors(folder, change):
    """Rewrite the checkpoint with other tensors."""
    tensors = load_file(folder / WEIGHTS)
    tensors = change(tensors) or tensors
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def with_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(folder, said, **options):
    with pytest.raises(ModelError, match=said) as caught:
        load_model(folder, **options)
    assert caught.value.expected
    assert caught.value.fix
