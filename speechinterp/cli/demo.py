"""``speechinterp demo``: the main job on embedded data, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechinterp.cli.extract import load_encoder
from speechinterp.cli.run import Device, Seed, running

__all__ = ["demo"]

INTRODUCTION = (
    "This demonstration runs the main job on the 40 free sentences of the embedded corpus: synthetic speech of "
    "eight voices, made with espeak-ng. It goes from sound and annotation through every layer of a model to a "
    "phone probe with its controls, tested on voices that the probe has not heard. The model is tiny and "
    "UNTRAINED: its weights are random. So its layers know no more than its random twin does, and MFCC beats "
    "both: that is the right answer here, and what the controls are for. Synthetic speech is cleaner than any "
    "person's: no score here says anything about human speech."
)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for results.")] = Path("runs/demo"),
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Run the main job on synthetic speech with a tiny untrained model, offline.

    Example: `speechinterp demo --out runs/demo`
    """
    with running("demo", out, device=device, seed=seed) as run:
        from speechinterp import extract, load_corpus
        from speechinterp.cli.probe import study

        run.say(INTRODUCTION)
        corpus = load_corpus("demo?type=sentence")
        encoders = {
            "none": load_encoder("demo/untrained", device, "float32"),
            "random-init": load_encoder("demo/untrained", device, "float32", init_seed=seed + 1),
            "mfcc": load_encoder("mfcc", device, "float32"),
        }
        reps = {}
        for name, encoder in encoders.items():
            with run.progress(f"extracting {'model' if name == 'none' else name}") as progress:
                reps[name] = extract(encoder, corpus, "phones", progress=progress)
        study(run, out, reps, introduction=INTRODUCTION, seed=seed)
