"""What do exact values of words cost beside LIME, and integrated gradients beside Captum's?

    python recipes/benchmark/attribution_speed.py --out runs/attribution-speed

`shapley.csv`: exact Shapley values of all classes of an utterance with 8 words, from one run over 2^8 sounds, beside
LIME the way SpeechXAI runs it: 1000 sounds for every class explained, each run anew. Passes are counted where the model
is called.

`gradients.csv`: integrated gradients with as many Gauss-Legendre points as Captum's, on the waveform, in batches of the
same size and, for Captum, also as it runs by default, all points at once; and of several targets together, one by one,
and by Captum, which takes one at a time. Ours always tell the completeness gap, for which two more sounds are heard;
Captum tells it when asked. Peak memory is measured in a process of its own for each, in which large blocks are given
back at once: in the heap they stay for a while, and the peaks of one and the same way differ by a fifth.

All ways run in turn in one process with one thread, and the median counts. Their results are compared first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.attr import IntegratedGradients
from sklearn.linear_model import Ridge

import speechinterp as si
from speechinterp.attribution.players import players_of
from speechinterp.attribution.spaces import Space, space_of
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel

LIME_SAMPLES = 1000
STEPS = 32
SLOWEST = "Captum, targets one by one"


@contextmanager
def counted(model: SpeechModel) -> Iterator[list[int]]:
    """Count the sounds that the model hears inside the block."""
    heard: list[int] = []
    logits = model.logits

    def count(inputs: Any, tokens: Any = None) -> torch.Tensor:
        heard.append(len(inputs.n_samples))
        return logits(inputs, tokens)

    model.logits = count  # type: ignore[method-assign]
    try:
        yield heard
    finally:
        del model.logits


def timed(model: SpeechModel, ways: dict[str, Callable[[], Any]], runs: int) -> list[dict[str, Any]]:
    """Run all ways in turn; return passes, and the median seconds of clock and processor."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            with counted(model) as heard:
                clock, processor = time.perf_counter(), time.process_time()
                way()
                found[name].append((time.perf_counter() - clock, time.process_time() - processor, sum(heard)))
    return [
        {
            "way": name, "passes": each[0][2], "clock_s": statistics.median(f[0] for f in each),
            "processor_s": statistics.median(f[1] for f in each),
        }
        for name, each in found.items()
    ]  # fmt: skip


@torch.no_grad()
def lime_class_by_class(model: SpeechModel, utterance: si.Utterance, classes: list[int]) -> np.ndarray:
    """Run LIME anew for every class: 1000 random sets of words, every one a sound that the model hears."""
    players = players_of(utterance, model.sample_rate)
    batch = model.batch_limit(utterance.duration)
    found = []
    for column in classes:
        random = np.random.default_rng(0)
        kept = np.ones((LIME_SAMPLES, len(players)), dtype=bool)
        for row in kept[1:]:
            row[random.choice(len(players), random.integers(1, len(players) + 1), replace=False)] = False
        said = []
        for first in range(0, LIME_SAMPLES, batch):
            sounds = players.sounds(kept[first : first + batch])
            said.append(model.logits(model.prepare(list(sounds)))[:, column])
        distance = 100 * (1 - np.sqrt(kept.mean(1)))
        weights = np.sqrt(np.exp(-((distance / 25) ** 2)))
        found.append(Ridge(alpha=1.0).fit(kept, torch.cat(said).numpy(), sample_weight=weights).coef_)
    return np.stack(found)


def exact_beside_lime(model: SpeechModel, corpus: Corpus, runs: int) -> pd.DataFrame:
    """Time exact Shapley values of all classes beside LIME for the class chosen in every slot."""
    utterance = next(u for u in corpus if len(u.tier("words")) == 8)
    names = list(model.module.config.id2label.values())
    chosen = si.targets.label(scale="logit").bind(model, utterance).names
    classes = [names.index(name) for name in chosen]
    every = si.targets.label("all", scale="logit")
    ways: dict[str, Callable[[], Any]] = {
        f"exact Shapley, all {len(names)} classes": lambda: si.attribution.shapley(
            model, utterance, target=every
        ),
        f"LIME, {LIME_SAMPLES} samples for each of {len(classes)} classes": lambda: lime_class_by_class(
            model, utterance, classes
        ),
        f"LIME of this package, {LIME_SAMPLES} samples, all {len(names)} classes": lambda: (
            si.attribution.lime(model, utterance, target=every, samples=LIME_SAMPLES)
        ),
    }
    rows = timed(model, ways, runs)
    table = pd.DataFrame(rows)
    table["times_of_exact"] = table.processor_s / table.processor_s[0]
    table.insert(0, "utterance", utterance.id)
    return table


class Scores(torch.nn.Module):
    """The scores of a space as a module, which Captum wants."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self.space = space

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """Score points."""
        return self.space.scores(points)


def gradient_ways(model: SpeechModel, utterance: si.Utterance) -> dict[str, Callable[[], np.ndarray]]:
    """Return ways to integrated gradients of every target [shape=(targets, samples)]; those named so have one."""
    target = si.targets.label()
    names = target.bind(model, utterance).names
    space = space_of(target.bind(model, utterance), utterance, "waveform")
    captum = IntegratedGradients(Scores(space))
    batch = model.batch_limit(utterance.duration)

    def ours(*chosen: str, at_once: int | None = None) -> np.ndarray:
        asked = si.targets.label(list(chosen))
        return si.attribution.integrated_gradients(
            model, utterance, asked, steps=STEPS, tolerance=None, batch=at_once or batch
        ).values

    def theirs(*columns: int, at_once: int | None, gap: bool = False) -> np.ndarray:
        point = space.point[None]
        options = {"n_steps": STEPS, "method": "gausslegendre", "internal_batch_size": at_once}
        options["return_convergence_delta"] = gap
        found = [captum.attribute(point, torch.zeros_like(point), target=i, **options) for i in columns]
        return np.concatenate([each[0] if gap else each for each in found])

    every = range(len(names))
    return {
        "integrated gradients, one target": lambda: ours(names[0]),
        "Captum, one target": lambda: theirs(0, at_once=batch),
        "Captum, one target, with its gap": lambda: theirs(0, at_once=batch, gap=True),
        "integrated gradients, one target, all points at once": lambda: ours(names[0], at_once=STEPS),
        "Captum, one target, all points at once": lambda: theirs(0, at_once=None),
        "integrated gradients, targets together": lambda: ours(*names),
        "integrated gradients, targets one by one": lambda: np.concatenate([ours(name) for name in names]),
        SLOWEST: lambda: theirs(*every, at_once=batch),
    }


def memory(what: str) -> float:
    """Return what Linux tells of this process, in MB: ``VmRSS`` now, ``VmHWM`` at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def beside_captum(model: SpeechModel, utterance: si.Utterance, runs: int, command: list[str]) -> pd.DataFrame:
    """Compare results, time and memory."""
    ways = gradient_ways(model, utterance)
    results = {name: way() for name, way in ways.items()}
    table = pd.DataFrame(timed(model, ways, runs))
    table["n_targets"] = [len(results[name]) for name in table.way]
    full = results[SLOWEST]
    table["largest_difference"] = [
        float(np.abs(results[n] - full[: len(results[n])]).max() / np.abs(full).max()) for n in table.way
    ]
    returned = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    peaks = [
        subprocess.check_output([*command, "--memory-of", name], text=True, env=returned)
        for name in table.way
    ]
    table["memory_mb"] = [float(text.split()[-1]) for text in peaks]
    table.insert(0, "utterance", utterance.id)
    return table


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/commands", help="with a classification head")
    parser.add_argument("--corpus", default="demo?type=command", help="with a tier words")
    parser.add_argument("--parts", nargs="+", default=["shapley", "gradients"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory-of", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("runs/attribution-speed"))
    a = parser.parse_args()
    torch.set_num_threads(1)
    model, corpus = si.load_model(a.model), si.load_corpus(a.corpus)
    utterance = corpus[0]
    if a.memory_of:
        way = gradient_ways(model, utterance)[a.memory_of]
        model.logits(model.prepare([utterance]))
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
        before = memory("VmRSS")
        way()
        print(memory("VmHWM") - before)
        return
    a.out.mkdir(parents=True, exist_ok=True)
    if "shapley" in a.parts:
        table = exact_beside_lime(model, corpus, a.runs)
        table.to_csv(a.out / "shapley.csv", index=False)
        print(table.round(3).to_string(index=False))
    if "gradients" in a.parts:
        command = [sys.executable, __file__, "--model", a.model, "--corpus", a.corpus]
        table = beside_captum(model, utterance, a.runs, command)
        table.to_csv(a.out / "gradients.csv", index=False)
        print(table.round(5).to_string(index=False))


if __name__ == "__main__":
    main()
