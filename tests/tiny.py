"""Tiny models of every family, with random weights, and sounds for them."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import transformers
from torch import nn

from speechinterp.models import SpeechModel

SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "vocab_size": 12,
    "num_labels": 5,
    "classifier_proj_size": 8,
    "layerdrop": 0.5,
}
PRE_NORM = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 40,
    "num_mel_bins": 20,
    "max_source_positions": 50,
    "max_target_positions": 16,
    "vocab_size": 40,
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "decoder_start_token_id": 4,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "num_labels": 5,
    "classifier_proj_size": 8,
}

BUILDERS = {
    "wav2vec2": ("Wav2Vec2Config", "Wav2Vec2Model", SIZE),
    "wav2vec2-pre-ctc": ("Wav2Vec2Config", "Wav2Vec2ForCTC", SIZE | PRE_NORM),
    "hubert": ("HubertConfig", "HubertModel", SIZE),
    "hubert-batch-norm": ("HubertConfig", "HubertModel", SIZE | {"conv_pos_batch_norm": True}),
    "hubert-pre-class": ("HubertConfig", "HubertForSequenceClassification", SIZE | PRE_NORM),
    "data2vec-ctc": (
        "Data2VecAudioConfig",
        "Data2VecAudioForCTC",
        SIZE | {"conv_pos_kernel_size": 5, "num_conv_pos_embeddings": 3},
    ),
    "wavlm": ("WavLMConfig", "WavLMModel", SIZE | {"num_buckets": 32, "max_bucket_distance": 40}),
    "wavlm-pre-class": (
        "WavLMConfig",
        "WavLMForSequenceClassification",
        SIZE | PRE_NORM | {"num_buckets": 32, "max_bucket_distance": 40},
    ),
    "whisper": ("WhisperConfig", "WhisperForConditionalGeneration", WHISPER),
    "whisper-class": ("WhisperConfig", "WhisperForAudioClassification", WHISPER),
}
FAMILIES = tuple(BUILDERS)
WITH_LOGITS = ("wav2vec2-pre-ctc", "hubert-pre-class", "data2vec-ctc", "wavlm-pre-class", "whisper-class")
READ_WAVEFORMS = tuple(name for name in FAMILIES if "whisper" not in name)


def tiny_module(name: str, *, seed: int = 0, **changes: object) -> nn.Module:
    """Build a module whose norms and biases are not the identity, so that leaving one out shows."""
    config_name, class_name, settings = BUILDERS[name]
    implementation = changes.pop("attn_implementation", None)
    config = getattr(transformers, config_name)(**(settings | changes))
    if implementation:
        config._attn_implementation = implementation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = getattr(transformers, class_name)(config).eval()
        for key, tensor in module.state_dict().items():
            if tensor.is_floating_point() and ("norm" in key or key.endswith("bias")):
                tensor.add_(0.3 * torch.rand_like(tensor))  # variances stay positive
            elif "q_proj.weight" in key or "k_proj.weight" in key or "v_proj.weight" in key:
                tensor.mul_(8)  # attention that is far from uniform
            elif "rel_attn_embed" in key:
                tensor.mul_(20)
    return module


def tiny_model(name: str, *, seed: int = 0, **changes: object) -> SpeechModel:
    """Wrap a tiny module as users do."""
    return SpeechModel(tiny_module(name, seed=seed, **changes), f"tiny/{name}", {"sampling_rate": 16000})


@cache
def shared_model(name: str) -> SpeechModel:
    """Return one model for all tests that leave it as it was found."""
    return tiny_model(name)


def sound(n_samples: int, seed: int = 0) -> np.ndarray:
    """Make noise with a rhythm, so that no two stretches are alike."""
    random = np.random.default_rng(seed)
    rhythm = 1.2 + np.sin(np.arange(n_samples) / 900 + seed)
    return (0.1 * rhythm * random.standard_normal(n_samples)).astype(np.float32)


def sounds(*n_samples: int) -> list[np.ndarray]:
    """Make one sound for every length."""
    return [sound(n, seed) for seed, n in enumerate(n_samples)]
