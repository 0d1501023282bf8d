"""The files of a model: found in pieces and in either place, never pickled, and asked of the hub once."""

from __future__ import annotations

import json
import warnings

import pytest
import torch
import transformers
from models.folders import WEIGHTS, refused, saved
from safetensors.torch import load_file
from tiny import sound, tiny_module

from speechinterp.models import load_model
from speechinterp.models.weights import positional_difference


def test_a_checkpoint_in_pieces(tmp_path):
    module = tiny_module("hubert")
    module.save_pretrained(tmp_path, max_shard_size="50KB")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert len(model.checkpoint) > 1
    assert positional_difference(model.module, model.checkpoint) == 0.0


def test_settings_in_a_processor_config(tmp_path):
    folder = saved(tmp_path, rate=8000)
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": settings}))
    path.unlink()
    model = load_model(folder)
    assert (model.sample_rate, model.describe()["normalize"]) == (8000, False)


def test_a_folder_without_a_model(tmp_path):
    refused(tmp_path, r"has no config.json.*model.safetensors.*fairseq")


def test_a_broken_config(tmp_path):
    (tmp_path / "config.json").write_text("{")
    refused(tmp_path, r"cannot be found.*not a valid JSON")


def test_pickled_weights_are_never_opened(tmp_path):
    folder = saved(tmp_path)
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    refused(folder, r"no model.safetensors.*can run code and are refused.*save_pretrained")


@pytest.mark.parametrize("name", ["facebok/hubert-base", "nothing", "no/such/folder", "../nowhere"])
def test_a_name_that_is_not_there(name):
    refused(name, rf"model '{name}' cannot be found.*misspelt name or path, or no connection")


def test_the_hub_is_asked_once(monkeypatch):
    monkeypatch.undo()
    asked = []

    class Session:
        def head(self, address, timeout):
            asked.append((address, timeout))
            raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.get_session", Session)
    refused("facebok/hubert-base", "cannot be found")
    ((address, timeout),) = asked
    assert address.startswith("https://")
    assert timeout <= 10


def test_no_preprocessor(tmp_path):
    tiny_module("hubert").save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r"no preprocessor_config.json: 16 kHz.*mean 0 and variance 1"):
        model = load_model(tmp_path)
    assert (model.sample_rate, model.describe()["normalize"]) == (16000, True)
    assert abs(float(model.prepare([sound(3000) + 1]).values.mean())) < 1e-5


def test_a_broken_preprocessor(tmp_path):
    folder = saved(tmp_path)
    (folder / "preprocessor_config.json").write_text("{")
    refused(folder, r"preprocessor_config.json of .* cannot be read")


def test_loading_is_quiet_and_leaves_the_logging_as_it_was(tmp_path, capfd):
    folder = saved(tmp_path)
    level = transformers.logging.get_verbosity()
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(folder)
    assert capfd.readouterr() == ("", "")
    assert transformers.logging.get_verbosity() == level
    assert transformers.logging.is_progress_bar_enabled()
