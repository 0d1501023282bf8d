"""Which attributions find the word that decides?

    python recipes/benchmark/attribution.py --model demo/commands --corpus "demo?type=command" --out runs/attribution

In the embedded commands one word decides every slot, and the corpus says which. Each method explains what the model
chooses in every slot, and its relevance is compared with that word: over words, and for maps also over bins of 10 ms.
`localisation.csv` has one row a method, space, baseline, axis and metric, with a bootstrap interval over speakers;
relevance drawn by chance is among the methods. `auc` of chance is 0.5, and so is that of a method that marks the whole
utterance alike. `hit` is how often the deciding word is on top. What methods cost is measured by
`recipes/benchmark/attribution_speed.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

import speechinterp as si
from speechinterp.attribution import corpus_mean, localisation
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel
from speechinterp.viz import plot_intervals, save_figure

UNIT_BASELINES = ("silence", "noise", "neighbour", "reversed", "delete")
KEYS = ["metric", "axis", "method", "space", "baseline"]


def by_chance(like: xr.DataArray, seed: int) -> xr.DataArray:
    """Return relevance drawn by chance."""
    return like.copy(data=np.random.default_rng(seed).standard_normal(like.shape))


def explained(
    model: SpeechModel, utterance: si.Utterance, number: int, mean: Any, left_out: set[str]
) -> Iterator[tuple[str, str, str, xr.DataArray]]:
    """Yield method, space, baseline and relevance."""
    a, target = si.attribution, si.targets.label()
    for baseline in (*UNIT_BASELINES, mean):
        name = baseline if isinstance(baseline, str) else "corpus mean"
        found = a.leave_one_out(model, utterance, target=target, baseline=baseline)
        yield "leave-one-out", "words", name, found
        if "shapley" not in left_out and name in ("silence", "noise", "corpus mean"):
            yield "shapley", "words", name, a.shapley(model, utterance, target=target, baseline=baseline)
    yield "random", "words", "", by_chance(found, number)
    for method in (a.banzhaf, a.lime, a.kernel_shap):
        name = method.__name__.replace("_", "-")
        if name not in left_out:
            draws = {} if method is a.banzhaf else {"samples": 200, "seed": number}
            yield name, "words", "silence", method(model, utterance, target=target, **draws)
    if "owen" not in left_out:
        options = {"unit": "phones", "groups": "words", "samples": 10, "seed": number}
        yield "owen", "phones", "silence", a.owen(model, utterance, target=target, **options)
    if "rise" not in left_out:
        yield (
            "rise",
            "spectrogram",
            "silence",
            a.rise(model, utterance, target=target, samples=300, seed=number),
        )
    yield from gradients(model, utterance, number, left_out)


def gradients(
    model: SpeechModel, utterance: si.Utterance, number: int, left_out: set[str]
) -> Iterator[tuple[str, str, str, xr.DataArray]]:
    """Yield the same for the methods of gradients."""
    a, target = si.attribution, si.targets.label()
    for space in ("waveform", "spectrogram", "features"):
        found = a.saliency(model, utterance, target, space)
        yield "saliency", space, "", found
        yield "input-x-gradient", space, "", a.input_x_gradient(model, utterance, target, space)
        if "smoothgrad" not in left_out:
            yield (
                "smoothgrad",
                space,
                "",
                a.smoothgrad(model, utterance, target, space, samples=10, seed=number),
            )
        for baseline in () if "integrated-gradients" in left_out else ("silence", "noise"):
            options = {"baseline": baseline, "steps": 16, "tolerance": 0.05, "max_steps": 512}
            relevance = a.integrated_gradients(model, utterance, target, space, **options)
            yield "integrated-gradients", space, baseline, relevance
        if "expected-gradients" not in left_out:
            relevance = a.expected_gradients(model, utterance, target, space, samples=24, seed=number)
            yield "expected-gradients", space, "mixed", relevance
        yield "random", space, "", by_chance(found, number)
    for space in () if "attn-lrp" in left_out else ("waveform", "features"):
        yield "attn-lrp", space, "", a.attn_lrp(model, utterance, target, space)
    if "deeplift" not in left_out:
        yield "deeplift", "waveform", "silence", a.deeplift(model, utterance, target, "waveform")


def localised(model: SpeechModel, corpus: Corpus, left_out: set[str]) -> pd.DataFrame:
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
        words = utterance.tier("words")
        for method, space, baseline, relevance in explained(model, utterance, number, mean, left_out):
            right = relevance.sel(target=list(gold))
            axes = (
                {space: right}
                if "unit" in right.dims
                else {"10 ms": right, "words": right.si.to_units(words)}
            )
            for axis, each in axes.items():
                table = localisation({method: each}, gold, tolerance_ms=20)
                about = {"space": space, "baseline": baseline, "axis": axis, "speaker": utterance.speaker}
                gap = relevance.attrs.get("completeness_gap_relative", np.nan)
                rows.append(table.assign(**about, gap=gap))
        print(f"{number + 1} of {len(corpus)}", end="\r", flush=True)
    return pd.concat(rows, ignore_index=True)


def summary(every: pd.DataFrame, draws: int = 2000) -> pd.DataFrame:
    """Return means over targets with 95 % intervals of a bootstrap over speakers."""
    random = np.random.default_rng(0)
    rows = []
    for keys, group in every.groupby(KEYS, sort=False):
        speakers = [part.value.to_numpy() for _, part in group.groupby("speaker")]
        drawn = random.integers(len(speakers), size=(draws, len(speakers)))
        sums, sizes = np.array([s.sum() for s in speakers]), np.array([len(s) for s in speakers])
        low, high = np.quantile(sums[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
        rows.append((*keys, group.value.mean(), low, high, group.random.mean(), len(group)))
    columns = [*KEYS, "value", "ci_low", "ci_high", "random", "n"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        ["metric", "value"], ascending=[True, False], ignore_index=True
    )


def draw(table: pd.DataFrame, axis: str, out: Path) -> None:
    """Draw the AUC of every method on one axis, best first."""
    part = table[(table.metric == "auc") & table.axis.isin([axis, "phones"])]
    names = [
        " · ".join(filter(None, row)) for row in zip(part.method, part.space, part.baseline, strict=True)
    ]
    part = part.assign(name=names)
    title = f"Is the word that decides more relevant? Over {axis}"
    figure = plot_intervals(part, "name", "value", "Localisation AUC", chance="random", title=title)
    png, _ = save_figure(figure, out / f"localisation-{axis.replace(' ', '')}")
    print(png)


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/commands", help="with a classification head")
    parser.add_argument("--corpus", default="demo?type=command", help="with the tiers words and cue")
    parser.add_argument("--utterances", type=int, help="only so many, evenly spread")
    parser.add_argument("--without", nargs="+", default=[], help="methods to leave out, such as shapley rise")
    parser.add_argument("--out", type=Path, default=Path("runs/attribution"))
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model, corpus = si.load_model(a.model), si.load_corpus(a.corpus)
    if a.utterances:
        corpus = corpus.subset([corpus.ids[len(corpus) * i // a.utterances] for i in range(a.utterances)])
    every = localised(model, corpus, set(a.without))
    every.to_csv(a.out / "targets.csv", index=False)
    table = summary(every)
    table.to_csv(a.out / "localisation.csv", index=False)
    print(table.round(3).to_string(index=False))
    for axis in ("words", "10 ms"):
        draw(table, axis, a.out)


if __name__ == "__main__":
    main()
