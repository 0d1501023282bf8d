"""Which measures of context mixing find the word that decides how a homophone is spelt?

    python recipes/NN_homophones.py --model demo/wav2vec2 --out runs/homophones

In the embedded corpus one word, the cue, decides between two spellings of a noun that sounds the same: *one ... rose*,
*two ... rows*. A model that spells it right must have used the cue. So for once the right answer of a map is known: in
the row of the noun, the cue should be the source with the largest share, the noun itself left out. Every measure is
asked at every layer, of the model and of its twin with random weights.

Any corpus will do whose utterances have a tier ``cue`` and name their target word in ``meta["target"]`` or a tier
``target``. Writes `cues.csv` (one row an utterance, measure and layer), `table.csv` (means with intervals over
utterances), `summary.csv` (the best layer of every measure) and `homophones.png`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import speechinterp as si
from speechinterp.corpora import Corpus
from speechinterp.errors import SpeechInterpError
from speechinterp.mixing import cue_alignment, summarise
from speechinterp.models import SpeechModel
from speechinterp.viz import plot_by_layer, save_figure

Measures = dict[str, Callable[..., xr.DataArray]]


def measures_of(model: SpeechModel) -> Measures:
    """Return the measures that a model allows, by the name they have in the table."""
    mixing = si.mixing
    measures: Measures = {
        "value zeroing": mixing.value_zeroing,
        "attention": mixing.attention,
        "attention, mean": partial(mixing.attention, pool="mean"),
        "rollout": mixing.rollout,
        "attention-norm": mixing.attention_norm,
        "GlobEnc": mixing.globenc,
        "ALTI": mixing.alti,
        "ALTI, one layer": partial(mixing.alti, rolled=False, pool="vectors"),
    }
    if hasattr(model.module, "lm_head") and not model.family.has_decoder:
        measures["Chefer"] = mixing.chefer
    if model.family.has_decoder:
        of_tokens: Measures = {
            "value zeroing": mixing.value_zeroing,
            "attention": mixing.attention,
            "attention-norm": mixing.attention_norm,
        }
        for where in ("cross", "decoder"):
            measures |= {f"{where} {name}": partial(m, where=where) for name, m in of_tokens.items()}
    return measures


def planted(utterance: si.Utterance) -> tuple[si.Segment, si.Segment]:
    """Return the target word and its cue."""
    (cue,) = utterance.tier("cue")
    if "target" in utterance.tiers:
        (target,) = utterance.tier("target")
    else:
        (target,) = [word for word in utterance.tier("words") if word.label == utterance.meta["target"]]
    return target, cue


def with_times(mix: xr.DataArray, words: si.Tier) -> xr.DataArray:
    """Give tokens the times of the words they spell: targets by the token they predict, sources by their own."""
    sides = {"target": mix.target_next}
    if mix.attrs["source_stack"] == "decoder":
        sides["source"] = mix.source_label
    for side, tokens in sides.items():
        spelt = [word_of(place, tokens.values, words) for place in range(len(tokens))]
        for edge in ("start", "end"):
            times = [np.nan if word is None else getattr(word, edge) for word in spelt]
            mix = mix.assign_coords({f"{side}_{edge}": (side, times)})
    return mix


def word_of(place: int, tokens: np.ndarray, words: si.Tier) -> si.Segment | None:
    """Return the word that a token is part of, or None for tokens that spell none, such as the start."""
    spoken = [str(token) if not str(token).startswith("<|") else "" for token in tokens]
    start, stop = len("".join(spoken[:place])), len("".join(spoken[: place + 1]))
    text, end = "".join(spoken).lower(), 0
    for word in words:
        begin = text.find(word.label.lower(), end)
        if begin < 0:
            return None
        end = begin + len(word.label)
        if start < end and begin < stop:
            return word
    return None


def asked(model: SpeechModel, corpus: Corpus, baseline: str) -> Iterator[pd.DataFrame]:
    """Yield what every measure says of every utterance."""
    for utterance in corpus:
        target, cue = planted(utterance)
        for name, measure in measures_of(model).items():
            options = {"tokens": utterance.transcript} if name.startswith(("cross", "decoder")) else {}
            mix = measure(model, utterance, unit="words", **options)
            mix = with_times(mix, utterance.tier("words")) if options else mix
            about = {"baseline": baseline, "measure": name, "utterance": utterance.id}
            about |= {key: utterance.meta.get(key, "") for key in ("pair", "cue_place", "cue_distance")}
            yield cue_alignment(mix, target, cue).assign(**about)


def spelt_right(model: SpeechModel, corpus: Corpus) -> float:
    """Return how often the target word is in what the model writes."""
    found = []
    for utterance in corpus:
        written = model.vocabulary.normalise(model.transcribe(utterance)).split()
        found.append(model.vocabulary.normalise(planted(utterance)[0].label) in written)
    return float(np.mean(found))


def best_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the best layer of every measure with the best layer of the twin; the choice favours both alike."""
    best = table.loc[table.groupby(["baseline", "measure"], sort=False)["mean"].idxmax()]
    model, twin = (best[best["baseline"] == name].set_index("measure") for name in ("none", "random-init"))
    summary = model[["layer", "mean", "ci_low", "ci_high", "chance"]].copy()
    summary[["random_init", "random_high"]] = twin[["mean", "ci_high"]]
    beats = (summary["ci_low"] > summary["chance"]) & (summary["ci_low"] > summary["random_high"])
    summary["finds_the_cue"] = np.where(beats, "yes", "no")
    return summary.sort_values("mean", ascending=False).reset_index()


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo/wav2vec2", help="id, folder, or demo/...")
    parser.add_argument("--corpus", default="demo?type=homophone", help="a corpus with a tier cue")
    parser.add_argument("--out", default="runs/homophones", type=Path)
    parser.add_argument("--utterances", type=int, default=None, help="only so many, to try it out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    corpus = si.load_corpus(arguments.corpus)[: arguments.utterances]
    model = si.load_model(arguments.model, device=arguments.device)
    try:
        print(f"{model.id} spells {spelt_right(model, corpus):.0%} of {len(corpus)} targets right")
    except SpeechInterpError as error:
        print(f"{model.id} writes no text: {error.found}")
    models = {"none": model, "random-init": model.random_twin(arguments.seed)}
    tables = [table for name, each in models.items() for table in asked(each, corpus, name)]
    cues = pd.concat(tables, ignore_index=True)
    cues.to_csv(arguments.out / "cues.csv", index=False)

    by = ["baseline", "measure", "layer"]
    table = summarise(cues, "top", by, seed=arguments.seed)
    chance = cues.groupby(by, sort=False)["chance_top"].mean().rename("chance").reset_index()
    table = table.merge(chance, on=by)
    table.to_csv(arguments.out / "table.csv", index=False)
    summary = best_layers(table)
    summary.to_csv(arguments.out / "summary.csv", index=False)
    print("How often the cue is the top source of the target, at the best layer:")
    print(summary.round(3).to_string(index=False))
    figure = plot_by_layer(
        table, "Cue is the top source (%)", percent=True, title=f"{model.id} · {len(corpus)} homophones"
    )
    png, _ = save_figure(figure, arguments.out / "homophones")
    print(f"{png}, cues.csv, table.csv, summary.csv")


if __name__ == "__main__":
    main()
