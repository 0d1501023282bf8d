"""``speechinterp demo``: the tour on embedded data, whose right answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechinterp.cli.extract import MODEL, load_encoder
from speechinterp.cli.run import Device, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd

    from speechinterp.corpora import Corpus
    from speechinterp.models import SpeechModel
    from speechinterp.report import Section

__all__ = ["demo"]

SHOWN = 4
INTRODUCTION = (
    "Everything on this page was computed just now, offline, from what comes with the package: a small wav2vec 2.0 "
    "that spells what it hears, another that takes commands, and synthetic speech of eight voices that they were not "
    "trained on. The right answers to the four questions are known, because they were planted in the corpus. Synthetic "
    "speech is cleaner than any person's: no number here says anything about human speech."
)
HEARING = (
    "Some sentences hold a noun that has two spellings and one sound. Another word decides which is right, the "
    "cue: 'one new rose', 'two new rows'. A model that spells the noun rightly must have used the cue. The proof: "
    "with the cue silenced it has nothing to go by. It writes one or the other, or letters of both at once."
)
KNOWING = (
    "A phone probe is a linear classifier that sees the vectors of one layer and has to name the phones of voices "
    "it was not trained on. What it can name, the layer holds. The same architecture with random weights shows "
    "what is owed to the architecture alone, and MFCC what the sound shows to anybody. Training is what the model "
    "has beyond both. The whole study is in probe.html."
)
USING = (
    "A probe tells what a layer holds, not what the model uses. Value Zeroing asks how much of every word goes into "
    "every other: a word's values are set to zero in one layer, and what changes elsewhere is measured. Each row "
    "of a map is a word that is computed, each column a word it draws on. Look into the row of the homophone: the "
    "cue should stand out."
)
HEARD = (
    "Another model takes commands and chooses what to do, with what, and where. In each of them one word decides each "
    "choice. Relevance is what the choice loses with a word: in the first map exact Shapley values, in the count leave-"
    "one-out. Click a word to hear it; red speaks for the choice, blue against it."
)
NEXT = (
    "speechinterp probe facebook/wav2vec2-base timit:/data/TIMIT --unit phones --out runs/phones\n"
    "speechinterp mix openai/whisper-tiny.en timit:/data/TIMIT --unit words --out runs/mixing\n"
    "speechinterp attribute openai/whisper-tiny.en recording.wav --target word:water --out runs/water"
)
BESIDE = (
    "Beside this page: heard.csv (what was written), scores.csv (the probe), cues.csv (every homophone and layer) and "
    "words.csv (every command)."
)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for results.")] = Path("runs/demo"),
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Ask a small trained model what it hears, what its layers hold and what it uses, offline.

    Writes `report.html`, which explains what it shows, with its figures and tables.

    Example: `speechinterp demo --out runs/demo`
    """
    with running("demo", out, model=MODEL, device=device, seed=seed) as run:
        from speechinterp import load_corpus, load_model
        from speechinterp.report import Code, Heading, Paragraph, write_report

        run.say(INTRODUCTION)
        homophones = load_corpus("demo?type=homophone")
        model = load_model(MODEL, device=device)
        sections: list[Section] = [Paragraph(INTRODUCTION), Heading("What does it hear?"), Paragraph(HEARING)]
        sections += _hear(run, model, homophones)
        sections += [Heading("What do its layers hold?"), Paragraph(KNOWING)]
        sections += _probe(run, out, device, seed)
        sections += [Heading("What does it use?"), Paragraph(USING)]
        sections += _mix(run, out, model, homophones, seed)
        sections += [Heading("Which word made it choose?"), Paragraph(HEARD)]
        sections += _attribute(run, out, device)
        sections += [Heading("What next?"), Paragraph("The same with a model and recordings of yours:"), Code(NEXT),
                     Paragraph(BESIDE)]  # fmt: skip
        page = write_report(
            out / "report.html", "What does a speech model know, and what did it use?", sections
        )
        run.say(f"{page}: open it in a browser")


def _hear(run: Run, model: SpeechModel, corpus: Corpus) -> list[Section]:
    """Write down all homophones, as they are and with their cue silenced."""
    import pandas as pd

    from speechinterp.mixing import planted
    from speechinterp.report import Paragraph, Table

    rows = []
    with run.progress("listening") as progress:
        for done, utterance in enumerate(corpus):
            noun, cue = planted(utterance)
            sound = utterance.waveform(model.sample_rate).copy()
            heard = model.transcribe(sound)
            sound[round(cue.start * model.sample_rate) : round(cue.end * model.sample_rate)] = 0
            silenced = model.transcribe(sound)
            (other,) = set(str(utterance.meta["homophones"]).split("/")) - {noun.label}
            rows.append(
                {
                    "said": utterance.transcript, "cue": cue.label, "noun": noun.label, "written": heard,
                    "with the cue silenced": silenced, "right": noun.label in heard.split(),
                    "right without cue": noun.label in silenced.split(),
                    "the other without cue": other in silenced.split(),
                }
            )  # fmt: skip
            progress(done + 1, len(corpus))
    table = pd.DataFrame(rows)
    run.write("heard.csv", table.to_csv(index=False))
    right, guessed, other = table[["right", "right without cue", "the other without cue"]].mean()
    answer = (
        f"{MODEL} spells {right:.0%} of {len(table)} homophones as their cue says. With the cue silenced "
        f"{guessed:.0%} come out right, {other:.0%} in the other spelling, and the rest with letters of both."
    )
    run.say(answer)
    texts = ["said", "cue", "written", "with the cue silenced"]
    return [Paragraph(answer), Table(table[texts].iloc[:: len(table) // SHOWN + 1], "Some of them.")]


def _probe(run: Run, out: Path, device: str, seed: int) -> list[Section]:
    """Probe every layer for phones, beside the controls."""
    from speechinterp import extract, load_corpus
    from speechinterp.cli.probe import study
    from speechinterp.report import Paragraph, Picture, probe_answer

    corpus = load_corpus("demo?type=sentence")
    encoders = {
        "none": load_encoder(MODEL, device, "float32"),
        "random-init": load_encoder(MODEL, device, "float32", init_seed=seed + 1),
        "mfcc": load_encoder("mfcc", device, "float32"),
    }
    reps = {}
    for name, encoder in encoders.items():
        with run.progress(f"extracting {'model' if name == 'none' else name}") as progress:
            reps[name] = extract(encoder, corpus, "phones", progress=progress)
    scores = study(run, out, reps, page="probe.html", seed=seed)
    return [
        Paragraph(probe_answer(scores)),
        Picture(out / "scores.png", "Accuracy of the phone probe over the layers, with its controls"),
    ]


def _mix(run: Run, out: Path, model: SpeechModel, corpus: Corpus, seed: int) -> list[Section]:
    """Measure which words the homophones draw on, in the model and in its random twin."""
    import pandas as pd

    from speechinterp.mixing import cue_alignment, planted, summarise, value_zeroing
    from speechinterp.report import Paragraph, Picture
    from speechinterp.viz import plot_by_layer, plot_mixing, save_figure

    tables = []
    for baseline, each in {"none": model, "random-init": model.random_twin(seed)}.items():
        with run.progress(f"mixing {'model' if baseline == 'none' else baseline}") as progress:
            for done, utterance in enumerate(corpus):
                mix = value_zeroing(each, utterance, unit="words")
                found = cue_alignment(mix, *planted(utterance))
                tables.append(
                    found.assign(utterance=utterance.id, baseline=baseline, measure="value zeroing")
                )
                progress(done + 1, len(corpus))
    cues = pd.concat(tables, ignore_index=True)
    run.write("cues.csv", cues.to_csv(index=False))
    by = ["baseline", "measure", "layer"]
    summary = summarise(cues, "top", by, seed=seed)
    chance = cues.groupby(by, sort=False)["chance_top"].mean().rename("chance").reset_index()
    figure = plot_by_layer(summary.merge(chance, on=by), "Cue is the top source (%)", percent=True)
    curve, _ = save_figure(figure, out / "cues")
    best, twin = (_best(summary, baseline) for baseline in ("none", "random-init"))
    answer = (
        f"In layer {best.layer} the cue is the word that the homophone draws on most, itself left out, in "
        f"{best['mean']:.0%} of {len(corpus)} sentences [{best.ci_low:.0%}, {best.ci_high:.0%}]; with random "
        f"weights in {twin['mean']:.0%} at best, and {float(cues['chance_top'].mean()):.0%} is chance. (With random "
        "weights a word draws mostly on its neighbours, and the cue is never next to the noun. Layers are counted "
        f"by block here: block {best.layer} makes what the probe calls layer {int(best.layer) + 1}.)"
    )
    run.say(answer)
    shown = next(iter(corpus))
    mix = value_zeroing(model, shown, unit="words").sel(layer=[best.layer])
    example, _ = save_figure(plot_mixing(mix), out / "mixing")
    noun, cue = planted(shown)
    return [
        Paragraph(answer),
        Picture(curve, "How often the cue is the top source, by layer, model and random twin"),
        Picture(
            example,
            f"Value Zeroing map of {shown.transcript!r} in layer {best.layer}",
            f"'{shown.transcript}': does the row of '{noun.label}' draw on the column of '{cue.label}'?",
        ),
    ]


def _attribute(run: Run, out: Path, device: str) -> list[Section]:
    """Explain the choices of the model of commands by words."""
    import pandas as pd

    from speechinterp import load_corpus, load_model, targets
    from speechinterp.attribution import leave_one_out, localisation, shapley
    from speechinterp.report import Paragraph, Picture, Player, Row
    from speechinterp.viz import plot_relevance, save_figure

    model, corpus = load_model("demo/commands", device=device), load_corpus("demo?type=command")
    tables = []
    with run.progress("explaining") as progress:
        for done, utterance in enumerate(corpus):
            relevance = leave_one_out(model, utterance, target=targets.label())
            names = relevance.target.values.tolist()
            gold = {
                name: [s for s in utterance.tier("cue") if s.label == name.partition("=")[2]]
                for name in names
            }
            gold = {name: words for name, words in gold.items() if words}
            found = localisation({"leave-one-out": relevance.sel(target=list(gold))}, gold)
            tables.append(found[found.metric == "hit"].assign(utterance=utterance.id))
            progress(done + 1, len(corpus))
    hits = pd.concat(tables, ignore_index=True)
    run.write("words.csv", hits.to_csv(index=False))
    answer = (
        f"In {hits['value'].sum():.0f} of {len(hits)} choices of demo/commands, the word whose absence costs most is "
        f"the one that decides; a word drawn by chance would be in {hits['random'].mean():.0%}."
    )
    run.say(answer)
    shown = next(iter(corpus))
    relevance = shapley(model, shown, target=targets.label())
    picture, _ = save_figure(plot_relevance(relevance, shown), out / "words")
    rate, words = model.sample_rate, list(shown.tier("words"))
    rows = [Row(str(row.target.item()), words, row.values.tolist()) for row in relevance]
    return [
        Paragraph(answer),
        Player(shown.transcript or shown.id, shown.waveform(rate), rate, rows),
        Picture(picture, f"Shapley values of the words of {shown.transcript!r} for the first choice"),
    ]


def _best(summary: pd.DataFrame, baseline: str) -> pd.Series:
    return summary[summary["baseline"] == baseline].nlargest(1, "mean").iloc[0]
