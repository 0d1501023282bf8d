"""Loading models: from the hub or a folder, safetensors only, complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from speechinterp.embedded import REINSTALL, embedded_folder, embedded_models
from speechinterp.errors import ModelError, check_choice, shortlist
from speechinterp.models.files import (
    checkpoint_files,
    file_of,
    first_line,
    hub_answers,
    quiet_transformers,
    read_config,
    read_preprocessor,
    read_tokenizer,
)
from speechinterp.models.weights import positional_difference

if TYPE_CHECKING:
    from speechinterp.models.family import Family
    from speechinterp.models.model import SpeechModel

__all__ = ["families", "family_of", "load_model"]

HEADS = ("Model", "ForCTC", "ForSequenceClassification", "ForConditionalGeneration", "ForAudioClassification")
ONLY_FOR_TRAINING = ("masked_spec_embed",)
UNTRAINED = "demo/untrained"


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
        A hub id (``facebook/hubert-base-ls960``), a local folder in the Hugging Face layout, or a model that
        comes with the package: ``demo/wav2vec2`` (spells), ``demo/wav2vec2-phones``,
        ``demo/whisper``, ``demo/commands``, or ``demo/untrained``, a tiny wav2vec 2.0 with random weights.
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

    target = _device(device)
    number = _dtype(dtype, target)
    if str(name) == UNTRAINED:
        model = _untrained()
        model.module.to(device=target, dtype=number)
        model.reload = partial(load_model, name, device=str(target))
        return model
    embedded = str(name).startswith("demo/")
    source = str(_embedded(str(name))) if embedded else str(name)
    local = Path(source).is_dir() or not hub_answers()
    options = {"revision": revision, "local_files_only": local}
    config = read_config(source, options)
    _family_type(config.get("model_type", ""), source)
    module, checkpoint = _load_module(source, config, number, options)
    shown = str(name) if embedded else _short_name(source)
    model = SpeechModel(module.to(target), shown, read_preprocessor(source, options), revision)
    model.checkpoint = checkpoint
    model.read_tokenizer = partial(read_tokenizer, source, options)
    model.reload = partial(load_model, name, device=str(target), revision=revision)
    difference = positional_difference(module, checkpoint)
    if difference:
        raise ModelError(
            f"the positional convolution of {source} differs from the checkpoint's by up to {difference:.3g}",
            expected="equal weights",
            cause="the installed transformers does not read the checkpoint's weight normalisation",
            fix="install another version of transformers, and re-save the checkpoint with it",
        )
    return model


def _device(device: str) -> torch.device:
    n_gpus = torch.cuda.device_count()
    if device == "auto":
        return torch.device("cuda" if n_gpus else "cpu")
    try:
        target = torch.device(device)
    except RuntimeError as error:
        raise ModelError(
            f"device {device!r}", expected="cpu, cuda, cuda:1, ...", fix="device='auto' (--device auto)"
        ) from error
    if target.type == "cuda" and (target.index or 0) >= n_gpus:
        raise ModelError(
            f"device {device!r}: torch {torch.__version__} sees {n_gpus or 'no'} GPU",
            expected="a device that torch can use",
            cause="a CPU build of torch, or no driver",
            fix="device='cpu' (--device cpu)",
        )
    return target


def _dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    known = {
        str(d).removeprefix("torch."): d
        for d in (torch.float32, torch.bfloat16, torch.float64, torch.float16)
    }
    name = str(dtype).removeprefix("torch.")
    check_choice("dtype", name, known, ModelError)
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


def _load_module(
    source: str, config: Mapping[str, Any], dtype: torch.dtype, options: Mapping[str, Any]
) -> tuple[nn.Module, tuple[Path, ...]]:
    import transformers

    named = (config.get("architectures") or [""])[0]
    known = any(named.endswith(head) for head in HEADS) and hasattr(transformers, named)
    cls = getattr(transformers, named) if known else transformers.AutoModel
    checkpoint = checkpoint_files(source, options)
    try:
        with quiet_transformers():
            module, info = cls.from_pretrained(
                source,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # and refused below, by name
                **options,
            )
    except (
        Exception
    ) as error:  # what a damaged file raises differs by its kind and the version of transformers
        raise ModelError(
            f"the weights of {source} cannot be loaded: {first_line(error)}",
            expected=f"tensors for {named or 'the base model'} as its config.json describes it",
            cause="a truncated download, or weights and configuration of two models",
            fix="download the model again",
        ) from error
    missing = sorted(key for key in info["missing_keys"] if not key.endswith(ONLY_FOR_TRAINING))
    mismatched = sorted(
        f"{key} {tuple(stored)} instead of {tuple(shape)}" for key, stored, shape in info["mismatched_keys"]
    )
    if missing or mismatched:
        raise ModelError(
            f"checkpoint {source} lacks {shortlist(missing) or 'nothing'}"
            + (f", and has {shortlist(mismatched)}" if mismatched else ""),
            expected=f"every tensor of {type(module).__name__}",
            cause="an incomplete checkpoint, or the config.json of another; random weights would have taken the "
            "place of what is missing",
            fix="get the complete checkpoint, or correct 'architectures' and the sizes in config.json",
        )
    _complete_generation(module, file_of(source, "generation_config.json", options))
    return module.eval(), checkpoint


def _complete_generation(module: Any, path: Path | None) -> None:
    """Take over all that generation_config.json says; transformers drops Whisper's own entries of a re-saved one."""
    if path is not None and hasattr(module, "generation_config"):
        said = json.loads(path.read_text(encoding="utf-8"))
        vars(module.generation_config).update(said | {"_from_model_config": False})


def _embedded(name: str) -> Path:
    known = embedded_models()
    if name not in known:
        raise ModelError(
            f"there is no embedded model {name!r}",
            expected=f"one of {', '.join([*known, UNTRAINED])}",
            fix="take one of them",
        )
    fix = REINSTALL + "or train it anew: python recipes/embedded/models.py"
    return embedded_folder(f"models/{name.removeprefix('demo/')}", error=ModelError, fix=fix)


def _untrained() -> SpeechModel:
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from speechinterp.models.model import SpeechModel

    config = Wav2Vec2Config(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128, conv_dim=(32,) * 7,
        num_conv_pos_embeddings=32, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Wav2Vec2Model(config).eval()
    return SpeechModel(module, UNTRAINED, {"do_normalize": True, "sampling_rate": 16000})
