"""The files of a model, from the hub or from a folder: configuration, weights, preprocessor and tokenizer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speechinterp.errors import ModelError

__all__ = [
    "checkpoint_files",
    "file_of",
    "first_line",
    "hub_answers",
    "quiet_transformers",
    "read_config",
    "read_preprocessor",
    "read_tokenizer",
]


def hub_answers() -> bool:
    """Return whether there is a connection to the hub; asked once, since every file would retry for long."""
    from huggingface_hub import constants, get_session

    try:
        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception:  # of requests or of httpx, whichever huggingface_hub is built on
        return False
    return True


def read_config(source: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what config.json says."""
    from transformers import PretrainedConfig

    if Path(source).is_dir() and not (Path(source) / "config.json").is_file():
        raise ModelError(
            f"folder {source} has no config.json",
            expected="a model in the Hugging Face layout: config.json, model.safetensors, preprocessor_config.json",
            cause="a parent folder, or a checkpoint of another toolkit (fairseq, s3prl)",
            fix="give the folder that holds config.json, or convert the checkpoint",
        )
    if source.startswith(("/", ".", "~")) and not Path(source).is_dir():
        raise ModelError(
            f"model {source!r} cannot be found: there is no such folder",
            expected="a local folder with a model, or the id of a model on the hub",
            cause="a misspelt name or path, or no connection to the drive it is on",
            fix="correct the path",
        )
    try:
        return PretrainedConfig.get_config_dict(source, **options)[0]
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model {source!r} cannot be found: {first_line(error)}",
            expected="a local folder, or the id of a model on the hub",
            cause="a misspelt name or path, or no connection to the hub",
            fix="check the name; without a connection, give the path of a local folder",
        ) from error


def file_of(source: str, name: str, options: Mapping[str, Any]) -> Path | None:
    """Return where a file of a model is, after a download if need be; None if the model has no such file."""
    from transformers.utils import cached_file

    found = cached_file(
        source, name, **options, _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_gated_repo=False, _raise_exceptions_for_connection_errors=False,
    )  # fmt: skip
    return Path(found) if found else None


def checkpoint_files(source: str, options: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the files that hold the weights, which must be safetensors."""
    single = file_of(source, "model.safetensors", options)
    if single:
        return (single,)
    index = file_of(source, "model.safetensors.index.json", options)
    if index:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        return tuple(path for name in names if (path := file_of(source, name, options)))
    raise ModelError(
        f"{source} has no model.safetensors",
        expected="weights in the safetensors format; pickled weights (.bin, .pt) can run code and are refused",
        cause="an older checkpoint",
        fix="pass the revision that holds safetensors (often 'refs/pr/...' on the hub), or convert it once in a "
        "trusted environment with module.save_pretrained(folder)",
    )


def read_preprocessor(source: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the feature extractor; of a model without, nothing, and a warning."""
    from transformers import AutoFeatureExtractor

    if not any(
        file_of(source, name, options) for name in ("preprocessor_config.json", "processor_config.json")
    ):
        warnings.warn(
            f"{source} has no preprocessor_config.json: 16 kHz input and, for models that read the waveform, "
            "normalisation to mean 0 and variance 1 are assumed, the defaults of the Hugging Face extractors.",
            stacklevel=3,  # the caller of load_model
        )
        return {}
    try:
        return AutoFeatureExtractor.from_pretrained(source, **options).to_dict()
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"the preprocessor_config.json of {source} cannot be read: {first_line(error)}",
            expected="the settings of a Hugging Face feature extractor",
            cause="a damaged download, or a file edited by hand",
            fix="download the model again",
        ) from error


def read_tokenizer(source: str, options: Mapping[str, Any]) -> Any:
    """Return the tokenizer of a checkpoint, None if it has none."""
    from transformers import AutoTokenizer

    if not any(file_of(source, name, options) for name in ("tokenizer.json", "vocab.json")):
        return None
    try:
        with quiet_transformers():
            return AutoTokenizer.from_pretrained(source, **options)
    except Exception as error:  # that of the tokenizers package is a plain Exception
        raise ModelError(
            f"the tokenizer of {source} cannot be read: {first_line(error)}",
            expected="tokenizer.json, or vocab.json with tokenizer_config.json",
            cause="a damaged download, or a tokenizer that needs another package",
            fix="download the model again, or pass a tokenizer: model.read_tokenizer = lambda: tokenizer",
        ) from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Let transformers neither warn nor draw bars inside the block."""
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


def first_line(error: Exception) -> str:
    """Return the kind of an error and the beginning of what it says."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:300]
