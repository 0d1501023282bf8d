"""``speechinterp mix``: how much every unit draws on every other, layer by layer."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechinterp.cli.extract import CORPUS, MODEL, Rule, RuleName
from speechinterp.cli.options import Heard, Model, OwnOut, Utterances, sound_or_corpus, spread
from speechinterp.cli.run import Device, OnBad, OnBadOption, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd

    from speechinterp.mixing.study import Mixed

__all__ = ["mix"]

DRAWN = 3
"""Utterances whose maps are drawn."""


class Method(str, Enum):
    """The measure."""

    value_zeroing = "value-zeroing"
    attention = "attention"
    rollout = "rollout"
    attention_norm = "attention-norm"
    globenc = "globenc"
    alti = "alti"
    chefer = "chefer"


class Where(str, Enum):
    """Which attention."""

    encoder = "encoder"
    decoder = "decoder"
    cross = "cross"


class Gaps(str, Enum):
    """What becomes of sound in no unit."""

    drop = "drop"
    merge = "merge"


def mix(
    model: Model = MODEL,
    sound: Heard = CORPUS,
    method: Annotated[Method, typer.Option("--method", help="The measure.")] = Method.value_zeroing,
    unit: Annotated[str, typer.Option("--unit", help="A tier (words, phones, ...), or frames.")] = "words",
    where: Annotated[
        Where, typer.Option("--where", help="Attention of the encoder, of the decoder, or across.")
    ] = Where.encoder,
    gaps: Annotated[
        Gaps, typer.Option("--gaps", help="Sound in no unit: leave out, or make it a source.")
    ] = Gaps.drop,
    rule: Rule = RuleName.centre,
    random_init: Annotated[
        bool, typer.Option("--random-init/--no-random-init", help="Also its twin with random weights.")
    ] = True,
    utterances: Utterances = None,
    out: OwnOut = None,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Measure context mixing: the share that every unit has in what every other becomes.

    Writes `mixing.nc` (all maps), `mixing.csv` (one row a cell), `maps/` (one file an utterance), `readings.csv`
    (how far and how local mixing is, by layer, with intervals over utterances), and figures. Beside the model stands
    its twin with random weights. Stopped at any moment, the same command goes on where it was.

    Example: `speechinterp mix openai/whisper-tiny.en timit:/data/TIMIT --unit words --out runs/mixing`
    """
    out = out or Path("runs") / "-".join(["mix", Path(model).name, method.value, unit, where.value])
    settings = dict(
        model=model, sound=sound, method=method.value, unit=unit, where=where.value, gaps=gaps.value,
        rule=rule.value, random_init=random_init, utterances=utterances, device=device, seed=seed, on_bad=on_bad.value,
    )  # fmt: skip
    with running("mix", out, **settings) as run:
        from speechinterp import load_model
        from speechinterp.mixing.study import mix_corpus

        corpus = spread(sound_or_corpus(sound), utterances)
        loaded = load_model(model, device=device)
        models = {"none": loaded} | ({"random-init": loaded.random_twin(seed)} if random_init else {})
        mixed: dict[str, Mixed] = {}
        for baseline, each in models.items():
            folder = out / ("maps" if baseline == "none" else f"maps-{baseline}")
            with run.progress(f"mixing {'model' if baseline == 'none' else baseline}") as progress:
                mixed[baseline] = mix_corpus(
                    each, corpus, method.value, folder, on_bad=on_bad.value, progress=progress,
                    unit=unit, where=where.value, gaps=gaps.value, rule=rule.value,
                )  # fmt: skip
        _write(run, out, mixed)


def _write(run: Run, out: Path, mixed: dict[str, Mixed]) -> None:
    import pandas as pd

    from speechinterp.mixing.study import joined, tidy, write_map
    from speechinterp.viz import plot_by_layer, plot_mixing, save_figure

    model = mixed["none"]
    write_map(joined(model), out / "mixing.nc")
    draft = out / ".mixing.csv.draft"
    with draft.open("w", encoding="utf-8", newline="") as file:
        for number, each in enumerate(model):
            tidy(each).to_csv(file, index=False, header=number == 0, float_format="%.7g")
    draft.replace(out / "mixing.csv")
    first = next(iter(model))
    run.say(
        f"{first.attrs['method']} of {len(model.paths)} utterances, {first.sizes['layer']} layers: "
        f"{out / 'mixing.nc'}, mixing.csv"
    )
    if "parts_sum_residual" in first.attrs:
        run.say(f"parts miss their sum by {max(m.attrs['parts_sum_residual'] for m in model):.2g} at most")
    if "pad_share" in first.coords:
        shares = [float(m.pad_share.mean()) for m in model]
        run.say(f"padding has {sum(shares) / len(shares):.1%} of a row on average")
    for number, each in zip(range(DRAWN), model, strict=False):
        name = "mixing" if number == 0 else f"mixing-{number + 1}"
        png, _ = save_figure(plot_mixing(each), out / name)
        run.say(f"{png.name}, {name}.pdf: {each.attrs['utterance']}")
    if first.attrs["where"] == "encoder":
        table = pd.concat([_read(name, maps) for name, maps in mixed.items()], ignore_index=True)
        summary = _summed_up(table, int(run.settings["seed"]))
        run.write("readings.csv", summary.to_csv(index=False))
        distance = summary[summary["reading"] == "mixing_distance_ms"]
        figure = plot_by_layer(
            distance.assign(measure=first.attrs["method"].replace("_", " ")),
            "Mixing distance (ms)",
            chance="no preference",
            title=f"{first.attrs['model']} · {first.attrs['unit']}",
        )
        save_figure(figure, out / "distance")
        run.say("readings.csv, distance.png, distance.pdf: how far mixing reaches, by layer")
    if model.skipped:
        reasons = "\n".join(f"{id_}\t{reason}" for id_, reason in model.skipped.items())
        run.write("skipped.tsv", reasons + "\n")
        run.say(f"{len(model.skipped)} left out, with the reason in {out / 'skipped.tsv'}")


def _read(baseline: str, maps: Mixed) -> pd.DataFrame:
    """Return the readings of all maps of a model."""
    import pandas as pd

    from speechinterp.mixing import readings

    tables = [readings(each).assign(utterance=each.attrs["utterance"]) for each in maps]
    return pd.concat(tables, ignore_index=True).assign(baseline=baseline)


def _summed_up(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return means over utterances with intervals, and the mean of a map without preference as chance."""
    from speechinterp.mixing import summarise

    by = ["baseline", "reading", "layer"]
    summary = summarise(table, "value", by, seed=seed)
    chance = table.groupby(by, sort=False)["uniform"].mean().rename("chance").reset_index()
    return summary.merge(chance, on=by)
