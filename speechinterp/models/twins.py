"""A model once more: with random weights, the control for training, or in float32, the measure of rounding."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from speechinterp.models.model import SpeechModel

__all__ = ["exact", "random_twin"]


def random_twin(model: SpeechModel, seed: int) -> SpeechModel:
    """Return a model of the same architecture with freshly initialised weights."""
    original, config, device = model.module, copy.deepcopy(model.module.config), model.device

    def build(dtype: torch.dtype) -> SpeechModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = type(original)(copy.deepcopy(config))
        twin = _around(module.to(device=device, dtype=dtype).eval(), model)
        twin.baseline, twin.seed = "random-init", seed
        twin.reload = partial(build, torch.float32)
        if hasattr(original, "generation_config"):
            module.generation_config = original.generation_config
        return twin

    return build(model.dtype)


def exact(model: SpeechModel) -> SpeechModel:
    """Return the model in float32, or as it is if it is no coarser."""
    if model.dtype in (torch.float32, torch.float64):
        return model
    if model.reload is not None:
        return model.reload()
    return _around(copy.deepcopy(model.module).float(), model)


def _around(module: nn.Module, model: SpeechModel) -> SpeechModel:
    """Return a model around another module, called as the model is and with its tokenizer."""
    other = type(model)(module, model.id, model.preprocessor, model.revision)
    other.read_tokenizer = model.read_tokenizer
    return other
