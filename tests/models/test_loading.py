"""Loading: complete, from safetensors, with the settings it was trained with, or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from models.folders import WEIGHTS, refused, saved, with_config, with_tensors
from safetensors.torch import load_file
from tiny import FAMILIES, sound, tiny_module

from speechinterp.models import load_model, loading
from speechinterp.models.weights import positional_difference

damaged = pytest.mark.filterwarnings("ignore::speechinterp.audio.read.RepairWarning")
OLD = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_folder_gives_the_model_that_was_saved(name, tmp_path):
    folder = saved(tmp_path / "my-model", name)
    model = load_model(str(folder), device="cpu")
    original = tiny_module(name)
    assert type(model.module) is type(original)
    assert not model.module.training
    for key, tensor in original.state_dict().items():
        assert torch.equal(model.module.state_dict()[key], tensor), key
    assert model.id == "my-model"
    assert model.checkpoint == (folder / WEIGHTS,)
    assert positional_difference(model.module, model.checkpoint) == (None if "whisper" in name else 0.0)
    assert model.describe().get("normalize", False) is False


def test_a_pretraining_checkpoint_gives_its_encoder(tmp_path):
    config = tiny_module("wav2vec2").config
    module = transformers.Wav2Vec2ForPreTraining(config)
    module.save_pretrained(tmp_path)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    model = load_model(tmp_path)
    assert type(model.module) is transformers.Wav2Vec2Model
    weight = module.wav2vec2.encoder.layers[0].attention.q_proj.weight
    assert torch.equal(model.module.encoder.layers[0].attention.q_proj.weight, weight)


def test_another_sample_rate(tmp_path):
    model = load_model(saved(tmp_path, rate=8000))
    assert model.grid.sample_rate == 8000
    assert model.frames(8000).times[0] == 0.025


@pytest.mark.parametrize("naming", ["old", "new"])
@pytest.mark.parametrize("name", ["wav2vec2", "hubert", "wavlm"])
def test_the_positional_convolution_under_both_names(name, naming, tmp_path, monkeypatch):
    folder = saved(tmp_path, name)

    def rename(tensors):
        found = {}
        for key, tensor in tensors.items():
            renamed = key
            for new, old in OLD.items():
                renamed = renamed.replace(*((new, old) if naming == "old" else (old, new)))
            found[renamed] = tensor
        return found

    with_tensors(folder, rename)
    assert any(
        ("weight_g" in key) == (naming == "old") for key in load_file(folder / WEIGHTS) if "conv_emb" in key
    )
    model = load_model(folder)
    assert positional_difference(model.module, model.checkpoint) == 0.0
    plain = model.states([sound(3000)])[0]
    torch.testing.assert_close(plain[0], model.states([sound(3000)])[0][0])

    def alter(tensors):
        for key, tensor in tensors.items():
            if key.endswith(("weight_g", "original0")):
                tensor.mul_(1.25)

    with_tensors(folder, alter)
    altered = load_model(folder)
    assert (altered.states([sound(3000)])[0] - plain).abs().max() > 1e-4
    assert positional_difference(model.module, altered.checkpoint) > 0
    # and what a transformers that reads it wrongly would give
    load = loading._load_module
    monkeypatch.setattr(loading, "_load_module", lambda *given: (model.module, load(*given)[1]))
    refused(folder, "positional convolution of .* differs from the checkpoint's by up to 0.*another version")


def test_a_positional_convolution_under_unknown_names(tmp_path):
    folder = saved(tmp_path)
    with_tensors(folder, lambda tensors: {k.replace("original0", "gain"): t for k, t in tensors.items()})
    assert positional_difference(tiny_module("hubert"), (folder / WEIGHTS,)) == float("inf")
    refused(folder, r"lacks encoder.pos_conv_embed.*original0")


def test_half_precision_checkpoints_and_models(tmp_path):
    folder = saved(tmp_path)
    with_tensors(folder, lambda tensors: {key: tensor.half() for key, tensor in tensors.items()})
    for dtype in ("float32", "bfloat16", torch.float64):
        model = load_model(folder, dtype=dtype)
        assert str(model.dtype).removeprefix("torch.") == str(dtype).removeprefix("torch.")
        assert positional_difference(model.module, model.checkpoint) == 0.0


def test_an_unknown_family(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "architectures": ["BertModel"]}))
    refused(tmp_path, r"family 'bert'.*data2vec-audio, hubert, wav2vec2, wavlm, whisper")
    with_config(tmp_path, model_type="")
    refused(tmp_path, r"family ''")


def test_a_missing_tensor(tmp_path):
    folder = saved(tmp_path, "wav2vec2-pre-ctc")
    with_tensors(
        folder, lambda tensors: {k: t for k, t in tensors.items() if "layers.1.attention.k_proj" not in k}
    )
    refused(folder, r"lacks .*encoder.layers.1.attention.k_proj.bias, .*k_proj.weight.*random weights")


def test_a_missing_head(tmp_path):
    folder = saved(tmp_path, "hubert-pre-class")
    with_config(folder, architectures=["HubertForCTC"])
    refused(folder, r"lacks lm_head.bias, lm_head.weight.*'architectures'")


def test_what_only_training_needs_may_be_missing(tmp_path):
    folder = saved(tmp_path)
    with_tensors(folder, lambda tensors: {k: t for k, t in tensors.items() if k != "masked_spec_embed"})
    load_model(folder)


def test_a_tensor_of_another_shape(tmp_path):
    folder = saved(tmp_path)
    with_config(folder, intermediate_size=40)
    refused(folder, r"has .*feed_forward.intermediate_dense.bias \(48,\) instead of \(40,\).*sizes in config")


def test_a_truncated_checkpoint(tmp_path):
    folder = saved(tmp_path)
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])
    refused(folder, r"cannot be loaded: SafetensorError.*truncated download.*download the model again")


def test_devices_and_number_formats(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    refused(tmp_path, r"sees no GPU.*CPU build.*device='cpu'", device="cuda")
    refused(tmp_path, r"device 'gpu'.*cpu, cuda", device="gpu")
    refused(tmp_path, r"dtype 'int8'.*float32, bfloat16, float64, float16", dtype="int8")
    refused(tmp_path, r"'float16' on a CPU.*bfloat16", dtype="float16")
    refused(tmp_path, r"'float16' on a CPU", dtype=torch.float16)
    assert load_model("demo/untrained", device="auto").device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert loading._device("auto") == torch.device("cuda")
    assert loading._device("cuda:1") == torch.device("cuda:1")
    refused(tmp_path, r"'cuda:2'.*sees 2 GPU", device="cuda:2")


def test_the_demo_model():
    model = load_model("demo/untrained", dtype="bfloat16")
    assert model.dtype == torch.bfloat16
    assert load_model("demo/untrained").weights_hash == load_model("demo/untrained").weights_hash
    assert model.exact().weights_hash == load_model("demo/untrained").weights_hash
    refused("demo/whispr", "no embedded model 'demo/whispr'")


def test_a_coarse_model_loads_its_exact_self(tmp_path):
    folder = saved(tmp_path)
    coarse, fine = (load_model(folder, dtype=dtype) for dtype in ("bfloat16", "float32"))
    assert coarse.exact().weights_hash == fine.weights_hash


@pytest.mark.real
@damaged
def test_whisper_tiny_writes_what_was_said(assets):
    """Greedy decoding through the module that taps attach to."""
    from speechinterp.corpora import load_corpus

    folder = assets / "models" / "whisper-tiny.en"
    model = load_model(folder, device="cpu")
    tokenizer = transformers.WhisperTokenizer.from_pretrained(folder)
    corpus = load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")
    utterance = next(u for u in corpus if "sa1" in u.id)
    inputs = model.prepare([utterance])
    tokens = torch.tensor([[50257, 50362]])
    with torch.no_grad():
        for _ in range(25):
            best = model.logits(inputs, tokens)[:, -1].argmax(-1, keepdim=True)
            if best == model.module.config.eos_token_id:
                break
            tokens = torch.cat([tokens, best], 1)
    text = tokenizer.decode(tokens[0], skip_special_tokens=True).lower()
    assert {"your", "dark", "suit", "greasy", "wash", "water", "year"} <= set(
        text.replace(".", "").replace(",", "").split()
    ), text


@pytest.mark.real
@damaged
def test_states_of_real_speech_equal_hugging_faces(assets):
    from speechinterp.corpora import load_corpus

    folder = assets / "models" / "whisper-tiny.en"
    model = load_model(folder, device="cpu")
    utterance = load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")[0]
    module = transformers.WhisperModel.from_pretrained(folder, dtype=torch.float32).eval()
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    wave = utterance.waveform(16000)
    features = extractor(wave, sampling_rate=16000, return_tensors="pt").input_features
    with torch.no_grad():
        expected = torch.stack(module.encoder(features, output_hidden_states=True).hidden_states)[:, 0]
    found = model.states([utterance], form="normed")[0]
    assert found.shape[1] == -(-len(wave) // 320)
    scale = float(expected.abs().max())
    np.testing.assert_allclose(found, expected[:, : found.shape[1]], rtol=0, atol=1e-5 * scale)
