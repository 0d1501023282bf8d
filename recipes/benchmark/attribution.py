"""Which attributions find the word that decides, and what do exact values of words cost beside LIME?

    python recipes/benchmark/attribution.py --model demo/commands --corpus "demo?type=command" --out runs/attribution

In the embedded commands one word decides every slot, and the corpus says which. Each method explains what the model
chooses in every slot, and its relevance is compared with that word (`localisation.csv`, one row a method, space,
baseline and metric, with the interval of a bootstrap over speakers). Relevance drawn by chance is among the methods.

`speed.csv` has exact Shapley values of all classes of an utterance with 8 words, from one run over 2^8 sounds, beside
LIME the way SpeechXAI runs it: 1000 sounds for every class explained, each run anew. Both ways run in turn in one
process with batches of the same size, the median counts, and passes are counted where the model is called.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from sklearn.linear_model import Ridge

import speechinterp as si
from speechinterp.attribution import corpus_mean, localisation
from speechinterp.attribution.players import players_of
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel

UNIT_BASELINES = ("silence", "noise", "neighbour", "reversed", "mean", "delete")
LIME_SAMPLES = 1000


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


def speed(model: SpeechModel, corpus: Corpus, runs: int) -> pd.DataFrame:
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
    rows: dict[str, list[tuple[float, float, int]]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            with counted(model) as heard:
                clock, processor = time.perf_counter(), time.process_time()
                way()
                rows[name].append((time.perf_counter() - clock, time.process_time() - processor, sum(heard)))
    table = pd.DataFrame(
        [
            (
                name,
                found[0][2],
                statistics.median(f[0] for f in found),
                statistics.median(f[1] for f in found),
            )
            for name, found in rows.items()
        ],
        columns=["way", "passes", "clock_s", "processor_s"],
    )
    table["times_of_exact"] = table.processor_s / table.processor_s[0]
    table.insert(0, "utterance", utterance.id)
    return table


def by_chance(like: xr.DataArray, seed: int) -> xr.DataArray:
    """Return relevance drawn by chance."""
    values = np.random.default_rng(seed).standard_normal(like.shape)
    return like.copy(data=values)


def explained(
    model: SpeechModel, utterance: si.Utterance, number: int, mean: Any, exact: bool
) -> dict[tuple[str, str, str], xr.DataArray]:
    """Return relevance by method, space and baseline."""
    a, target = si.attribution, si.targets.label()
    found: dict[tuple[str, str, str], xr.DataArray] = {}
    for baseline in UNIT_BASELINES:
        given = mean if baseline == "mean" else baseline
        options = {"target": target, "baseline": given}
        found["leave-one-out", "words", baseline] = a.leave_one_out(model, utterance, **options)
        if exact and baseline in ("silence", "noise", "mean"):
            found["shapley", "words", baseline] = a.shapley(model, utterance, **options)
            found["banzhaf", "words", baseline] = a.banzhaf(model, utterance, **options)
    found["lime", "words", "silence"] = a.lime(model, utterance, target=target, samples=200, seed=number)
    found["kernel-shap", "words", "silence"] = a.kernel_shap(
        model, utterance, target=target, samples=200, seed=number
    )
    found["random", "words", ""] = by_chance(found["lime", "words", "silence"], number)
    for space in ("waveform", "spectrogram", "features"):
        found["saliency", space, ""] = a.saliency(model, utterance, target, space)
        found["input-x-gradient", space, ""] = a.input_x_gradient(model, utterance, target, space)
        for baseline in ("silence", "noise"):
            found["integrated-gradients", space, baseline] = a.integrated_gradients(
                model, utterance, target, space, baseline=baseline
            )
    found["random", "waveform", ""] = by_chance(found["saliency", "waveform", ""], number)
    return found


def localised(model: SpeechModel, corpus: Corpus, exact: bool) -> pd.DataFrame:
    """Compare the relevance of every method with the word that decides, utterance by utterance."""
    mean = corpus_mean(corpus)
    rows = []
    for number, utterance in enumerate(corpus):
        chosen = si.targets.label().bind(model, utterance).names
        gold = {}
        for name in chosen:
            slot, _, value = name.partition("=")
            if utterance.meta[slot] == value:
                gold[name] = [s for s in utterance.tier("cue") if s.label == value]
        for (method, space, baseline), relevance in explained(model, utterance, number, mean, exact).items():
            right = relevance.sel(target=[name for name in chosen if name in gold])
            table = localisation({method: right}, gold, tolerance_ms=20)
            rows.append(table.assign(space=space, baseline=baseline, speaker=utterance.speaker))
        print(f"{number + 1} of {len(corpus)}", end="\r", flush=True)
    return pd.concat(rows, ignore_index=True)


def summary(every: pd.DataFrame, draws: int = 2000) -> pd.DataFrame:
    """Return means over targets with 95 % intervals of a bootstrap over speakers."""
    random = np.random.default_rng(0)
    rows = []
    for keys, group in every.groupby(["metric", "method", "space", "baseline"], sort=False):
        speakers = [part.value.to_numpy() for _, part in group.groupby("speaker")]
        drawn = random.integers(len(speakers), size=(draws, len(speakers)))
        sums, sizes = np.array([s.sum() for s in speakers]), np.array([len(s) for s in speakers])
        low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
        rows.append((*keys, group.value.mean(), low, high, group.random.mean(), len(group)))
    columns = ["metric", "method", "space", "baseline", "value", "ci_low", "ci_high", "random", "n"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        ["metric", "value"], ascending=[True, False], ignore_index=True
    )


def main() -> None:
    """Run both parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/commands", help="with a classification head")
    parser.add_argument("--corpus", default="demo?type=command", help="with the tiers words and cue")
    parser.add_argument("--utterances", type=int, help="only so many, evenly spread")
    parser.add_argument("--parts", nargs="+", default=["speed", "localisation"])
    parser.add_argument("--without-exact", action="store_true", help="leave Shapley and Banzhaf values out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/attribution"))
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model, corpus = si.load_model(a.model), si.load_corpus(a.corpus)
    if a.utterances:
        corpus = corpus.subset([corpus.ids[len(corpus) * i // a.utterances] for i in range(a.utterances)])
    if "speed" in a.parts:
        table = speed(model, corpus, a.runs)
        table.to_csv(a.out / "speed.csv", index=False)
        print(table.round(3).to_string(index=False))
    if "localisation" in a.parts:
        every = localised(model, corpus, not a.without_exact)
        every.to_csv(a.out / "targets.csv", index=False)
        table = summary(every)
        table.to_csv(a.out / "localisation.csv", index=False)
        print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
