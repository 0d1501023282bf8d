"""Weights: their fingerprint, and whether the ones that go wrong unseen were read from the checkpoint."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

__all__ = ["positional_difference", "weights_hash"]


def weights_hash(module: nn.Module) -> str:
    """Return the SHA-256 of all tensors of a module with their names, types and shapes."""
    digest = hashlib.sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def positional_difference(module: nn.Module, checkpoint: tuple[Path, ...]) -> float | None:
    """Return how far the loaded positional convolution is from the checkpoint's; None without one.

    Checkpoints come with the old or the new names of weight normalisation (weight_g, original0). A version of
    transformers that misses one of them leaves random weights there, and all results look almost right.
    """
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
    return max(
        float((tensor.cpu() - stored[key].to(tensor.dtype)).abs().max()) for key, tensor in loaded.items()
    )
