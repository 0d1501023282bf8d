"""``speechinterp attribute``: which stretches of the sound speak for what the model says."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speechinterp.cli.options import Heard, Model, OwnOut, Utterances, sound_or_corpus, spread
from speechinterp.cli.run import Device, OnBad, OnBadOption, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from speechinterp.attribution import Windows
    from speechinterp.attribution.study import Attributed
    from speechinterp.corpora import Corpus
    from speechinterp.report import Section

__all__ = ["attribute"]

MODEL, CORPUS = "demo/commands", "demo?type=command"
TRIED = 8
"""Utterances of the embedded corpus that are explained when nothing else is asked for."""
DRAWN = 3
"""Utterances that are drawn, and can be listened to on the page."""
READING = (
    "Click a unit to hear it. Red speaks for the target, blue against it, white is nothing; colours are full at the "
    "largest relevance of each row. The sound below the units is as loud at every time as the relevance of the first "
    "target."
)
FAITHFUL = (
    "Units are taken away and put back in the order of their relevance. better_than is the share of random relevances "
    "that a method beats: a half is chance. deletion_auc, sufficiency and infidelity are good where they are low, "
    "insertion_auc and comprehensiveness where they are high."
)


class Method(str, Enum):
    """How relevance is found."""

    shapley = "shapley"
    banzhaf = "banzhaf"
    owen = "owen"
    leave_one_out = "leave-one-out"
    lime = "lime"
    kernel_shap = "kernel-shap"
    saliency = "saliency"
    input_x_gradient = "input-x-gradient"
    smoothgrad = "smoothgrad"
    integrated_gradients = "integrated-gradients"
    expected_gradients = "expected-gradients"
    deeplift = "deeplift"
    attn_lrp = "attn-lrp"
    rise = "rise"


METHODS = f"How relevance is found: {', '.join(method.value for method in Method)}."


class SpaceName(str, Enum):
    """On what axis."""

    units = "units"
    waveform = "waveform"
    spectrogram = "spectrogram"
    log_mel = "log-mel"
    features = "features"


def attribute(
    model: Model = MODEL,
    sound: Heard = CORPUS,
    method: Annotated[Method, typer.Option("--method", metavar="METHOD", help=METHODS)] = Method.shapley,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            help="label, label:CLASS, word, word:rose, ctc:TEXT, token:3, sequence, entropy, surprisal, kl, "
            "hidden:LAYER.PART.UNIT; {field} is what the corpus knows of an utterance.  "
            "[default: the classes chosen, or every word]",
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="Another target: why the first rather than this one.")
    ] = None,
    space: Annotated[
        SpaceName | None, typer.Option("--space", help="On what axis.  [default: what the method is made for]")
    ] = None,
    unit: Annotated[
        str, typer.Option("--unit", "--units", help="A tier (words, phones, ...), or the length of windows in seconds.")
    ] = "words",
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            help="What is heard instead: silence, noise, neighbour, reversed, mean, corpus-mean, delete.  "
            "[default: silence]",
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Of methods that draw.  [default: the method's own]")
    ] = None,
    judge: Annotated[
        str, typer.Option("--judge", help="The baseline of faithfulness.")
    ] = "noise",
    utterances: Utterances = None,
    out: OwnOut = None,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:  # fmt: skip
    """Explain what a model says by what it hears, and measure how faithful the explanation is.

    Without a corpus, a few of the embedded commands are explained.

    Writes `attribution.nc` and `attribution.csv` (relevance of every unit), `maps/` (relevance as the method gives it,
    one file an utterance), a TextGrid with scores for every utterance, `faithfulness.csv` with a row of random
    relevance beside every method's, figures, sounds gated by relevance, and `report.html`, on which every unit can
    be played.
    Stopped at any moment, the same command goes on where it was.

    Example: `speechinterp attribute demo/whisper "demo?type=homophone" --target "word:{target}" --out runs/homophones`
    """
    out = out or Path("runs") / "-".join(["attribute", Path(model).name, method.value, unit])
    settings = dict(
        model=model, sound=sound, method=method.value, target=target, against=against, space=space and space.value,
        unit=unit, baseline=baseline, samples=samples, judge=judge, utterances=utterances, device=device, seed=seed,
        on_bad=on_bad.value,
    )  # fmt: skip
    with running("attribute", out, **settings) as run:
        from speechinterp import load_model
        from speechinterp.attribution.study import attribute_corpus

        corpus = spread(sound_or_corpus(sound), utterances or (TRIED if sound == CORPUS else None))
        loaded = load_model(model, device=device)
        options: dict[str, Any] = {
            "space": space and space.value,
            "baseline": _baseline(baseline, corpus, loaded.sample_rate),
            "samples": samples,
        }
        with run.progress("explaining") as progress:
            found = attribute_corpus(
                loaded, corpus, out / "maps", method.value, target=target, against=against, unit=_unit(unit),
                judge=_baseline(judge, corpus, loaded.sample_rate), seed=seed, on_bad=on_bad.value, progress=progress,
                **{name: value for name, value in options.items() if value is not None},
            )  # fmt: skip
        _write(run, out, found)


def _unit(unit: str) -> str | Windows:
    from speechinterp.attribution import Windows

    return Windows(float(unit)) if re.fullmatch(r"\d*\.?\d+", unit) else unit


def _tiers(unit: str | Windows) -> list[str]:
    """Return the tiers to draw: words and phones, and first that of the units."""
    return list(dict.fromkeys([*([unit] if isinstance(unit, str) else []), "words", "phones"]))


def _baseline(name: str | None, corpus: Corpus, sample_rate: int) -> Any:
    from speechinterp.attribution import corpus_mean

    return corpus_mean(corpus, sample_rate) if name in ("corpus-mean", "corpus_mean") else name


def _write(run: Run, out: Path, found: Attributed) -> None:
    """Write tables, tiers, figures, sounds and the page."""
    import pandas as pd

    from speechinterp.attribution.study import tidy
    from speechinterp.corpora.keeping import write_whole
    from speechinterp.report import Heading, Paragraph, Picture, Record, Table, write_report

    every = found.joined()
    write_whole(lambda path: every.to_netcdf(path, engine="scipy"), out / "attribution.nc")
    tables = []
    for units in found.of_units():
        tables.append(tidy(units))
        units.si.to_textgrid(out / f"{units.attrs['utterance']}.TextGrid")
    run.write(
        "attribution.csv", pd.concat(tables, ignore_index=True).to_csv(index=False, float_format="%.7g")
    )
    first = next(iter(found))
    run.settings["record"] = {name: value for name, value in first.attrs.items() if name != "utterance"}
    run.say(
        f"{first.attrs['method']} of {len(found.paths)} utterances, {len(tables[0])} relevances in the first: "
        f"{out / 'attribution.csv'}, attribution.nc, a TextGrid each"
    )
    _say_residual(run, found)
    faithful = found.faithfulness()
    run.write("faithfulness.csv", faithful.to_csv(index=False, float_format="%.7g"))
    sections: list[Section] = []
    if len(faithful):
        summary = _summed_up(faithful, int(run.settings["seed"]))
        figure = _faithful_figure(summary, out, first)
        run.say(summary.round(3).to_string(index=False))
        sections = [
            Heading("Is it faithful?"), Paragraph(f"{FAITHFUL} {_over(faithful)}"),
            Picture(figure, "Share of random relevances that the method beats, by metric"),
            Table(summary, "Means over utterances and targets. All rows are in faithfulness.csv."),
        ]  # fmt: skip
    listening: list[Section] = [Paragraph(READING)]
    for number, (relevance, units) in enumerate(zip(found, found.of_units(), strict=True)):
        if number == DRAWN:
            break
        listening += _shown(run, out, found, relevance, units, number)
    asked = {key: value for key, value in run.settings.items() if key != "record" and value is not None}
    record = {
        key: value for key, value in first.attrs.items() if key not in ("study", "utterance", "speaker")
    }
    sections = [*listening, *sections, Heading("How it was made"), Record(record), Record(asked)]
    page = write_report(out / "report.html", f"{first.attrs['model']}: {first.attrs['method']}", sections)
    run.say(f"{page}: every unit can be heard there")
    if found.skipped:
        run.write("skipped.tsv", "\n".join(f"{id_}\t{why}" for id_, why in found.skipped.items()) + "\n")
        run.say(f"{len(found.skipped)} left out, with the reason in {out / 'skipped.tsv'}")


def _say_residual(run: Run, found: Attributed) -> None:
    """Say what the method's own check leaves."""
    residuals = {
        "efficiency_residual_relative": "values miss their sum by",
        "completeness_gap_relative": "relevance misses the change of the score by",
        "conservation_gap_relative": "relevance is lost on the way, in shares:",
    }
    for name, text in residuals.items():
        worst = max((float(each.attrs[name]) for each in found if name in each.attrs), default=None)
        if worst is not None:
            run.say(f"{text} {worst:.2g} at most ({name})")


def _summed_up(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return means over utterances and targets, the share of chance that is beaten with intervals over speakers."""
    from speechinterp.mixing import summarise

    over = "speaker" if table["speaker"].nunique() > 1 else "utterance"
    by = ["method", "metric"]
    means = table.groupby(by, sort=False)[["value", "random", "higher_is_better"]].mean().reset_index()
    beaten = summarise(table, "better_than", by, over=over, seed=seed).rename(columns={"mean": "better_than"})
    means["good"] = means.pop("higher_is_better").map({0.0: "low", 1.0: "high"})
    return means.merge(beaten, on=by)


def _over(table: pd.DataFrame) -> str:
    """Say what intervals are over, and who judges."""
    judged = f"Judged by {table['judge'].iloc[0]}."
    if table["speaker"].nunique() > 1:
        return f"{judged} Intervals are over speakers."
    if table["utterance"].nunique() > 1:
        return f"{judged} Intervals are over utterances."
    return (
        f"{judged} One recording has no interval, and few units have few orders: others may tell otherwise."
    )


def _faithful_figure(summary: pd.DataFrame, out: Path, first: xr.DataArray) -> Path:
    from speechinterp.viz import plot_intervals, save_figure

    shown = summary[summary["method"] != "random"].assign(chance=0.5)
    figure = plot_intervals(
        shown, "metric", "better_than", "Random relevances beaten (%)", colour="method", percent=True,
        title=f"{first.attrs['model']} · {first.attrs['method']}",
    )  # fmt: skip
    return save_figure(figure, out / "faithfulness")[0]


def _shown(
    run: Run, out: Path, found: Attributed, relevance: xr.DataArray, units: xr.DataArray, number: int
) -> list[Section]:
    """Draw an utterance, write its gated sounds, and put both on the page."""
    from speechinterp import Segment
    from speechinterp.report import Heading, Picture, Player, Row
    from speechinterp.viz import plot_relevance, save_figure

    id_ = str(relevance.attrs["utterance"])
    utterance, rate = found.corpus[id_], found.model.sample_rate
    name = "attribution" if number == 0 else f"attribution-{number + 1}"
    figure = plot_relevance(relevance, utterance, tiers=_tiers(found.unit))
    png, pdf = save_figure(figure, out / name)
    targets = [str(each).strip() for each in units.target.values]
    for n, target in enumerate(targets):
        relevance.si.to_sound(out / "sounds" / id_ / f"{n + 1}-{_safe(target)}.wav", utterance, target=n)
    run.say(f"{png.name}, {pdf.name}, {out / 'sounds' / id_}: {id_}, {targets[0]}")
    places = zip(units.start.values, units.end.values, units.label.values, strict=True)
    segments = [Segment(float(a), float(b), str(label)) for a, b, label in places]
    rows = [Row(target, segments, row.values.tolist()) for target, row in zip(targets, units, strict=True)]
    gated = (f"{id_}, as loud as the relevance for {targets[0]}", relevance.si.gated(utterance).samples)
    said = utterance.transcript or " ".join(segment.label for segment in segments)
    heard = f"{id_}: {said}"
    return [
        Heading(id_),
        Player(heard, utterance.waveform(rate), rate, rows, [gated]),
        Picture(png, f"Relevance of {id_} for {targets[0]} over waveform, spectrogram and tiers"),
    ]


def _safe(name: str) -> str:
    """Return a name that can stand in the name of a file."""
    return re.sub(r"[^\w=-]+", "_", name).strip("_")[:40] or "target"
