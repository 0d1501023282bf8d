"""Heads: which modules have one, and why it cannot be asked now."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from speechinterp.errors import ModelError, TapError
from speechinterp.models.taps import Tap

__all__ = ["check_head", "has_head"]


def has_head(module: nn.Module) -> bool:
    """Return whether a module has a CTC, classification or decoder head."""
    return any(hasattr(module, head) for head in ("lm_head", "proj_out", "classifier"))


def check_head(module: nn.Module, model: str, written: Iterable[Tap]) -> None:
    """Raise ModelError if the model of this id has no head, TapError if what is written would not reach it."""
    if not has_head(module):
        raise ModelError(
            f"{model} ({type(module).__name__}) has no head",
            expected="a CTC, classification or decoder head",
            cause="a pre-trained encoder that was not fine-tuned",
            fix="use model.encode, or load a fine-tuned checkpoint",
        )
    missed = [tap for tap in written if tap.part in ("residual", "normed")]
    if missed and hasattr(module, "layer_weights"):
        raise TapError(
            f"{missed[0]}: the head of {model} takes a weighted sum of all layers from beside the residual "
            "stream, and what is written there would reach it in part",
            expected="a model whose head reads the last layer",
            cause="use_weighted_layer_sum in its config.json, as in the SUPERB models",
            fix="write to attention_output and mlp_output, or use model.encode",
        )
