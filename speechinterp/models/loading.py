"""Loading models: from the hub or a folder, safetensors only, complete or not at all."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from speechinterp.errors import ModelError, shortlist

if TYPE_CHECKING:
    from speechinterp.models.family import Family
    from speechinterp.models.model import SpeechModel

__all__ = ["families", "family_of", "load_model", "positional_difference", "weights_hash"]

HEADS = ("Model", "ForCTC", "ForSequenceClassification", "ForConditionalGeneration", "ForAudioClassification")
ONLY_FOR_TRAINING = ("masked_spec_embed",)


def families() -> dict[str, type[Family]]:
    """Return the family of every supported `model_type`."""
    from speechinterp.models.wav2vec2 import Wav2Vec2Family
    from speechinterp.models.wavlm import WavLMFamily
    from speechinterp.models.whisper import WhisperFamily

    return {
        kind: family for family in (Wav2Vec2Family, WavLMFamily, WhisperFamily) for kind in family.model_types
    }


def family_of(module: nn.Module, preprocessor: dict[str, Any]) -> Family:
    """Return the family around a Hugging Face module."""
    return _family_type(getattr(module.config, "model_type", ""), type(module).__name__)(module, preprocessor)


def _family_type(model_type: str, name: str) -> type[Family]:
    known = families()
    if model_type not in known:
        raise ModelError(
            f"{name} is of the family {model_type!r}",
            expected=f"one of {', '.join(sorted(known))}",
            cause="a text or vision model, or a speech model of another architecture",
            fix="load a model of a supported family",
        )
    return known[model_type]


def load_model(
    name: str | Path,
    *,
    device: str = "auto",
    dtype: str | torch.dtype = "float32",
    revision: str | None = None,
) -> SpeechModel:
    """Load a speech model.

    Parameters
    ----------
    name
        A hub id (``facebook/hubert-base-ls960``), a local folder in the Hugging Face layout, or
        ``demo/untrained``, a tiny wav2vec 2.0 with random weights that needs no download.
    device
        ``cpu``, ``cuda``, ``cuda:1``, ...; ``auto`` takes a GPU if there is one.
    dtype
        ``float32`` (exact), ``bfloat16`` (faster where the processor has it), ``float64``, ``float16`` (GPU only).
    revision
        Branch, tag or commit on the hub.

    Returns
    -------
    SpeechModel
        In evaluation mode. A fine-tuned checkpoint keeps its head; a pre-trained one gives its encoder.

    Raises
    ------
    ModelError
        If the model cannot be found, is of an unknown family, has weights in another format than
        safetensors, lacks a tensor, or holds a positional convolution that differs from the checkpoint's.
    """
    from speechinterp.models.model import SpeechModel

    target = torch.device(_device(device))
    number = _dtype(dtype, target)
    if str(name).startswith("demo/"):
        model = _demo(str(name))
        model.module.to(device=target, dtype=number)
        return model
    source = str(name)
    config = _config(source, revision)
    _family_type(config.get("model_type", ""), source)
    module, checkpoint = _load_module(source, config, number, revision)
    model = SpeechModel(module.to(target), _short_name(source), _preprocessor(source, revision), revision)
    model.checkpoint = checkpoint
    difference = positional_difference(module, checkpoint)
    if difference is not None and difference > (0.0 if number == torch.float32 else 1e-2):
        raise ModelError(
            f"the positional convolution of {source} differs from the checkpoint's by up to {difference:.3g}",
            expected="equal weights",
            cause="the installed transformers does not read the checkpoint's weight normalisation",
            fix="install another version of transformers, and re-save the checkpoint with it",
        )
    return model


def _device(device: str) -> str:
    available = torch.cuda.is_available()
    if device == "auto":
        return "cuda" if available else "cpu"
    if device.startswith("cuda") and not available:
        raise ModelError(
            f"device {device!r}: torch {torch.__version__} sees no GPU",
            expected="a device that torch can use",
            cause="a CPU build of torch, or no driver",
            fix="device='cpu' (--device cpu)",
        )
    return device


def _dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    known = {
        str(d).removeprefix("torch."): d
        for d in (torch.float32, torch.bfloat16, torch.float64, torch.float16)
    }
    name = str(dtype).removeprefix("torch.")
    if name not in known:
        raise ModelError(f"dtype {name!r}", expected=f"one of {', '.join(known)}", fix="dtype='float32'")
    if known[name] == torch.float16 and device.type == "cpu":
        raise ModelError(
            "dtype 'float16' on a CPU",
            expected="float32, or bfloat16 where the processor has it",
            cause="half precision is slow and coarse on CPUs",
            fix="dtype='float32' or dtype='bfloat16'",
        )
    return known[name]


def _short_name(source: str) -> str:
    return Path(source).resolve().name if Path(source).is_dir() else source


def _config(source: str, revision: str | None) -> dict[str, Any]:
    from transformers import PretrainedConfig

    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise ModelError(
            f"folder {source} has no config.json",
            expected="a model in the Hugging Face layout: config.json, model.safetensors, preprocessor_config.json",
            cause="a parent folder, or a checkpoint of another toolkit (fairseq, s3prl)",
            fix="give the folder that holds config.json, or convert the checkpoint",
        )
    try:
        return PretrainedConfig.get_config_dict(source, revision=revision)[0]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {source!r} cannot be found: {_first_line(error)}",
            expected="a local folder, or the id of a model on the hub",
            cause="a misspelt name or path, or no connection to the hub",
            fix="check the name; without a connection, give the path of a local folder",
        ) from error


def _load_module(
    source: str, config: Mapping[str, Any], dtype: torch.dtype, revision: str | None
) -> tuple[nn.Module, tuple[Path, ...]]:
    import transformers

    named = (config.get("architectures") or [""])[0]
    known = any(named.endswith(head) for head in HEADS) and hasattr(transformers, named)
    cls = getattr(transformers, named) if known else transformers.AutoModel
    checkpoint = _checkpoint_files(source, revision)
    try:
        with _quiet_transformers():
            module, info = cls.from_pretrained(
                source, dtype=dtype, revision=revision, use_safetensors=True, output_loading_info=True
            )
    except Exception as error:
        raise ModelError(
            f"the weights of {source} cannot be loaded: {_first_line(error)}",
            expected=f"tensors for {named or 'the base model'} as its config.json describes it",
            cause="a truncated download, or weights and configuration of two models",
            fix="download the model again",
        ) from error
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(ONLY_FOR_TRAINING))
    mismatched = sorted(str(key[0]) for key in info["mismatched_keys"])
    if missing or mismatched:
        raise ModelError(
            f"checkpoint {source} lacks {shortlist(missing) or 'nothing'}"
            + (f", and has another shape for {shortlist(mismatched)}" if mismatched else ""),
            expected=f"every tensor of {type(module).__name__}",
            cause="an incomplete checkpoint; random weights would have taken the place of what is missing",
            fix="get the complete checkpoint, or correct 'architectures' in config.json",
        )
    return module.eval(), checkpoint


def _checkpoint_files(source: str, revision: str | None) -> tuple[Path, ...]:
    from transformers.utils import cached_file

    def find(name: str) -> Path | None:
        found = cached_file(
            source, name, revision=revision, _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_gated_repo=False, _raise_exceptions_for_connection_errors=False,
        )  # fmt: skip
        return Path(found) if found else None

    single = find("model.safetensors")
    if single:
        return (single,)
    index = find("model.safetensors.index.json")
    if index:
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        return tuple(path for name in names if (path := find(name)))
    raise ModelError(
        f"{source} has no model.safetensors",
        expected="weights in the safetensors format; pickled weights (.bin, .pt) can run code and are refused",
        cause="an older checkpoint",
        fix="pass the revision that holds safetensors (often 'refs/pr/...' on the hub), or convert it once in a "
        "trusted environment with module.save_pretrained(folder)",
    )


def positional_difference(module: nn.Module, checkpoint: tuple[Path, ...]) -> float | None:
    """Return how far the loaded positional convolution is from the checkpoint's; None without one."""
    from safetensors import safe_open

    modern = {
        "weight_g": "parametrizations.weight.original0",
        "weight_v": "parametrizations.weight.original1",
    }
    loaded = {
        key.split("pos_conv_embed.")[1]: t
        for key, t in module.state_dict().items()
        if "pos_conv_embed." in key
    }
    stored: dict[str, Tensor] = {}
    for path in checkpoint:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 - a safetensors handle is not iterable
                if "pos_conv_embed." in key:
                    short = key.split("pos_conv_embed.")[1]
                    for old, new in modern.items():
                        short = short.replace(old, new)
                    stored[short] = file.get_tensor(key)
    if not loaded or not checkpoint:
        return None
    if set(loaded) != set(stored):
        return float("inf")
    return max(float((loaded[key].cpu().double() - stored[key].double()).abs().max()) for key in loaded)


def _preprocessor(source: str, revision: str | None) -> dict[str, Any]:
    from transformers import AutoFeatureExtractor

    try:
        return AutoFeatureExtractor.from_pretrained(source, revision=revision).to_dict()
    except (OSError, ValueError, KeyError):
        warnings.warn(
            f"{source} has no preprocessor_config.json: 16 kHz input and, for models that read the waveform, "
            "normalisation to mean 0 and variance 1 are assumed, the defaults of the Hugging Face extractors.",
            stacklevel=3,
        )
        return {}


def _demo(name: str) -> SpeechModel:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from speechinterp.models.model import SpeechModel

    if name != "demo/untrained":
        raise ModelError(
            f"there is no embedded model {name!r}", expected="demo/untrained", fix="take that one"
        )
    config = Wav2Vec2Config(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128, conv_dim=(32,) * 7,
        num_conv_pos_embeddings=32, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Wav2Vec2Model(config).eval()
    return SpeechModel(module, name, {"do_normalize": True, "sampling_rate": 16000})


def weights_hash(module: nn.Module) -> str:
    """Return the SHA-256 of all tensors of a module with their names, types and shapes."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:300]
