"""What training each of the embedded models has in common: the loop, and how a model is saved."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from examples import Batch, Example, batches, read
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from speechinterp import load_corpus

SECONDS = 36.0
"""Sound in a batch."""


def options(doc: str, *, epochs: float | Sequence[float], seed: int) -> argparse.ArgumentParser:
    """Return the parser of what every training is told; a sequence of epochs is one number an iteration."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="made by corpus.py --split train")
    parser.add_argument("--dev", type=Path, required=True, help="made by corpus.py --split dev")
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    number = len(epochs) if isinstance(epochs, Sequence) else None
    parser.add_argument("--epochs", type=float, nargs=number, default=epochs)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--threads", type=int, default=1)
    return parser


def begun(
    parser: argparse.ArgumentParser, only: str = ""
) -> tuple[argparse.Namespace, list[Example], list[Example]]:
    """Read the arguments and set the seed; return them with the examples to train on and to watch it by."""
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    return a, read(load_corpus(f"demo:{a.train}{only}")), read(load_corpus(f"demo:{a.dev}{only}"))


def train(
    modules: nn.Module,
    loss: Callable[[Batch], Tensor],
    examples: Sequence[Example],
    *,
    epochs: float,
    rate: float,
    seed: int,
    evaluate: Callable[[], Mapping[str, float]],
    draft: Path | None = None,
    seconds: float = SECONDS,
    tempo: tuple[float, float] = (0.85, 1.18),
) -> None:
    """Train with AdamW in bfloat16; the rate rises over the first tenth and falls along a cosine to 0.

    After every fourth epoch and the last, the weights go to the file `draft`, and what `evaluate` finds is told.
    """
    random = np.random.default_rng(seed)
    parameters = [p for p in modules.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, rate, betas=(0.9, 0.98))
    per_epoch = math.ceil(sum(len(e.sound) for e in examples) / 16000 / seconds * 1.1)
    total = round(epochs * per_epoch)
    started, step, seen = time.monotonic(), 0, 0.0
    while step < total:
        modules.train()
        for batch in batches(examples, seconds, random, tempo):
            progress = step / total
            scale = min(progress / 0.1 + 1e-3, 0.5 * (1 + math.cos(math.pi * max(0.0, progress - 0.1) / 0.9)))
            for group in optimizer.param_groups:
                group["lr"] = rate * scale
            with torch.autocast("cpu", dtype=torch.bfloat16):
                value = loss(batch)
            value.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step, seen = step + 1, 0.98 * seen + 0.02 * value.item()
            if step >= total:
                break
        minutes = (time.monotonic() - started) / 60
        told = ""
        if step >= total or (step // per_epoch) % 4 == 0:
            if draft:
                torch.save(modules.state_dict(), draft)
            told = " ".join(f"{name} {value:.3f}" for name, value in evaluate().items())
        print(
            f"step {step}/{total}, {minutes:.1f} min, loss {seen / (1 - 0.98**step):.3f} {told}", flush=True
        )


def save(model: Any, out: Path, files: dict[str, Any], card: dict[str, Any]) -> None:
    """Write a model in the Hugging Face layout, its tensors as float16, and the files that go with it."""
    shutil.rmtree(out, ignore_errors=True)
    model.save_pretrained(out)
    tensors = load_file(out / "model.safetensors")
    halves = {name: t.half().contiguous() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file(halves, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((out / "config.json").read_text())
    for key in ("transformers_version", "torch_dtype"):
        config.pop(key, None)
    config["dtype"] = "float16"
    for name, content in {**files, "config.json": config, "training.json": card}.items():
        (out / name).write_text(
            json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
        )
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    print(
        f"{out}: {size:.1f} MB, {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )
