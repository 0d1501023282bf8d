"""Which measures of context mixing find the word that decides how a homophone is spelt?

    python recipes/11_homophones.py                            # the embedded model and corpus
    python recipes/11_homophones.py --model demo/wav2vec2 --out runs/homophones-ctc

In the embedded corpus one word, the cue, decides between two spellings of a noun that sounds the same: *one ... rose*,
*two ... rows*. A model that spells it right must have used the cue. So for once the right answer of a map is known: in
the row of the noun, the cue should be the source with the largest share, the noun itself left out. Every measure is
asked at every layer, of the model and of its twin with random weights.

An encoder is asked in the rows of the noun's frames. A decoder can know the cue in two ways, by its sound and by the
word once it is written, so its two attentions are joined; each is also asked alone. Its row is that of the first
token in which the two spellings differ. What really decides is measured beside it: each word is taken away, from
the sound and from what the decoder has read, and the one that costs the noun most should be the cue.

Any corpus will do whose utterances have a tier ``cue`` and name their target word in ``meta["target"]`` or a tier
``target``; ``meta["homophones"]`` (``rose/rows``) tells the deciding token, and without it all tokens of the noun
count.
Writes `cues.csv` (one row an utterance, measure and layer), `table.csv` (means with intervals over utterances),
`summary.csv` (the best layer of every measure), `removed.csv` (what each word's absence costs), and one figure an
attention.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import speechinterp as si
from speechinterp.corpora import Corpus
from speechinterp.errors import SpeechInterpError
from speechinterp.mixing import cue_alignment, summarise
from speechinterp.models import SpeechModel
from speechinterp.viz import plot_by_layer, save_figure

Measure = Callable[..., xr.DataArray]
KINDS = {
    "encoder": "encoder, rows of the target's frames",
    "decoder": "decoder, sound and text joined",
    "sound": "decoder, attention to the sound alone",
    "text": "decoder, attention to the text alone",
}


def encoder_measures(model: SpeechModel) -> dict[str, Measure]:
    """Return the measures of an encoder."""
    mixing = si.mixing
    measures: dict[str, Measure] = {
        "value zeroing": mixing.value_zeroing,
        "attention": mixing.attention,
        "attention, mean": partial(mixing.attention, pool="mean"),
        "rollout": mixing.rollout,
        "attention-norm": mixing.attention_norm,
        "GlobEnc": mixing.globenc,
        "ALTI": mixing.alti,
        "ALTI, one layer": partial(mixing.alti, rolled=False, pool="vectors"),
    }
    if hasattr(model.module, "lm_head"):
        measures["Chefer"] = mixing.chefer
    return measures


DECODER_MEASURES: dict[str, Measure] = {
    "value zeroing": si.mixing.value_zeroing,
    "attention": si.mixing.attention,
    "attention-norm": si.mixing.attention_norm,
    "Chefer": si.mixing.chefer,
}


def planted(utterance: si.Utterance) -> tuple[si.Segment, si.Segment]:
    """Return the target word and its cue."""
    (cue,) = utterance.tier("cue")
    if "target" in utterance.tiers:
        (target,) = utterance.tier("target")
    else:
        (target,) = [word for word in utterance.tier("words") if word.label == utterance.meta["target"]]
    return target, cue


def maps_of(model: SpeechModel, utterance: si.Utterance) -> Iterator[tuple[str, str, xr.DataArray]]:
    """Yield attention, measure and map; a decoder's map has the rows in which the target is written."""
    if not model.family.has_decoder:
        for name, measure in encoder_measures(model).items():
            yield "encoder", name, measure(model, utterance)
        return
    for name, measure in encoder_measures(model).items():
        if name != "Chefer":
            yield "encoder", name, measure(model, utterance)
    tokens: str | list[int] = utterance.transcript
    for name, measure in DECODER_MEASURES.items():
        sound, text = (
            measure(model, utterance, where=where, tokens=tokens) for where in ("cross", "decoder")
        )
        tokens = sound.attrs["tokens"]
        nothing = [each.copy(data=np.zeros_like(each.values)) for each in (sound, text)]
        joined = si.mixing.joint(sound, text)
        rows = deciding(model, utterance, joined)
        yield "decoder", name, joined.isel(target=rows)
        yield "sound", name, si.mixing.joint(sound, nothing[1]).isel(target=rows)
        yield "text", name, si.mixing.joint(nothing[0], text).isel(target=rows)


def deciding(model: SpeechModel, utterance: si.Utterance, mix: xr.DataArray) -> list[int]:
    """Return the rows in which a decoder decides on a spelling, of a map whose targets have times."""
    target, _ = planted(utterance)
    other = other_spelling(model, utterance)
    if other is None:
        inside = (mix.target_start.values >= target.start - 1e-9) & (mix.target_start.values < target.end)
        return np.flatnonzero(inside).tolist()
    written, instead = other
    same = next(i for i, pair in enumerate(zip(written, instead, strict=False)) if pair[0] != pair[1])
    return [len(mix.attrs["tokens"]) - len(written) + same - 1]


def other_spelling(model: SpeechModel, utterance: si.Utterance) -> tuple[list[int], list[int]] | None:
    """Return the tokens of the transcript, and those with the target's other spelling, if it is known."""
    target, _ = planted(utterance)
    others = [
        word for word in utterance.meta.get("homophones", "").split("/") if word and word != target.label
    ]
    if not others:
        return None
    text = utterance.transcript.strip()
    instead = re.sub(rf"\b{re.escape(target.label)}\b", others[0], text, count=1)
    return model.vocabulary.ids(f" {text}"), model.vocabulary.ids(f" {instead}")


def asked(model: SpeechModel, corpus: Corpus, baseline: str) -> Iterator[pd.DataFrame]:
    """Yield what every measure says of every utterance."""
    for utterance in corpus:
        target, cue = planted(utterance)
        for kind, name, mix in maps_of(model, utterance):
            about = {"baseline": baseline, "attention": kind, "measure": name, "utterance": utterance.id}
            about |= {key: utterance.meta.get(key, "") for key in ("pair", "cue_place", "cue_distance")}
            yield cue_alignment(mix, target, cue).assign(**about)


def removed(model: SpeechModel, corpus: Corpus) -> pd.DataFrame:
    """Take every word away, and measure what that costs the spelling of the target, in nats."""
    tables = []
    for utterance in corpus:
        target, cue = planted(utterance)
        about: dict[str, Any] = {"target": target}
        if model.family.has_decoder:
            sound, text = (
                si.mixing.attention(model, utterance, where=where, tokens=utterance.transcript)
                for where in ("cross", "decoder")
            )
            row = deciding(model, utterance, si.mixing.joint(sound, text))[0]
            about = {"stack": "decoder", "target": row + 1, "remove": "both", "tokens": utterance.transcript}
            if (other := other_spelling(model, utterance)) is not None:
                about["against"] = other[1][row + 1 - len(sound.attrs["tokens"]) + len(other[0])]
        table = si.mixing.blankout_drop(model, utterance, **about)
        itself = np.isclose(table["start"], target.start)
        table = table.assign(utterance=utterance.id, is_cue=np.isclose(table["start"], cue.start))
        tables.append(table[~itself])
    return pd.concat(tables, ignore_index=True)


def spelt_right(model: SpeechModel, corpus: Corpus) -> float:
    """Return how often the target word is in what the model writes."""
    found = []
    for utterance in corpus:
        written = model.vocabulary.normalise(model.transcribe(utterance)).split()
        found.append(model.vocabulary.normalise(planted(utterance)[0].label) in written)
    return float(np.mean(found))


def best_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the best layer of every measure with the best layer of the twin; the choice favours both alike."""
    by = ["attention", "measure"]
    best = table.loc[table.groupby(["baseline", *by], sort=False)["mean"].idxmax()]
    model, twin = (best[best["baseline"] == name].set_index(by) for name in ("none", "random-init"))
    summary = model[["layer", "mean", "ci_low", "ci_high", "chance"]].copy()
    summary[["random_init", "random_high"]] = twin[["mean", "ci_high"]]
    beats = (summary["ci_low"] > summary["chance"]) & (summary["ci_low"] > summary["random_high"])
    summary["finds_the_cue"] = np.where(beats, "yes", "no")
    return summary.sort_values("mean", ascending=False).reset_index()


def report(cues: pd.DataFrame, name: str, out: Path, seed: int) -> None:
    """Average over utterances, choose the best layers, and draw."""
    by = ["baseline", "attention", "measure", "layer"]
    table = summarise(cues, "top", by, seed=seed)
    chance = cues.groupby(by, sort=False)["chance_top"].mean().rename("chance").reset_index()
    table = table.merge(chance, on=by)
    table.to_csv(out / "table.csv", index=False)
    summary = best_layers(table)
    summary.to_csv(out / "summary.csv", index=False)
    print("How often the cue is the top source of the target, at the best layer:")
    print(summary.round(3).to_string(index=False))
    for kind, part in table.groupby("attention", sort=False):
        figure = plot_by_layer(
            part,
            "Cue is the top source (%)",
            percent=True,
            title=f"{name} · {KINDS[str(kind)]} · {cues['utterance'].nunique()} homophones",
        )
        png, _ = save_figure(figure, out / f"homophones-{kind}")
        print(png)
    print(f"{out}: cues.csv, table.csv, summary.csv, removed.csv")


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo/whisper", help="id, folder, or demo/...")
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
        costs = removed(model, corpus)
        costs.to_csv(arguments.out / "removed.csv", index=False)
        dearest = costs.loc[costs.groupby("utterance", sort=False)["log_drop"].idxmax(), "is_cue"]
        print(f"The word whose absence costs the target most is the cue in {dearest.mean():.0%}")
    except SpeechInterpError as error:
        print(f"{model.id} writes no text: {error.found}")
    models = {"none": model, "random-init": model.random_twin(arguments.seed)}
    tables = [table for name, each in models.items() for table in asked(each, corpus, name)]
    cues = pd.concat(tables, ignore_index=True)
    cues.to_csv(arguments.out / "cues.csv", index=False)
    report(cues, model.id, arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
