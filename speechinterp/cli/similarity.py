"""``speechinterp similarity``: which layers, models, sounds and labels are alike."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speechinterp.cli.extract import (
    ACOUSTIC,
    CORPUS,
    MODEL,
    CorpusArgument,
    Dtype,
    DtypeOption,
    ModelArgument,
    PoolName,
    Rule,
    RuleName,
    Unit,
    load_encoder,
    say_what_is_special,
)
from speechinterp.cli.run import Device, OnBad, OnBadOption, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd

    from speechinterp.corpora import Corpus
    from speechinterp.representations import Representations
    from speechinterp.representations.extraction import Encoder

__all__ = ["similarity"]

FEATURES = "features:"


class MeasureName(str, Enum):
    """How likeness is measured."""

    cka = "cka"
    cca = "cca"
    svcca = "svcca"
    pwcca = "pwcca"
    procrustes = "procrustes"
    rsa = "rsa"
    abx = "abx"


class NullName(str, Enum):
    """How the tie between the two sides is broken to see what chance is."""

    shift = "shift"
    permutation = "permutation"


def similarity(
    model: ModelArgument = MODEL,
    corpus: CorpusArgument = CORPUS,
    measure: Annotated[MeasureName, typer.Option("--measure", help="cca is svcca.")] = MeasureName.cka,
    other: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="Another model, mfcc, logmel, a column of the units such as label, or features:timit39 (features:ipa "
            "for demo). Without it, layers with each other; rsa: label.",
        ),
    ] = None,
    unit: Unit = "phones",
    on: Annotated[
        str, typer.Option("--on", help="abx: what A and X have in common and B has not.")
    ] = "label",
    by: Annotated[str, typer.Option("--by", help="abx: what A, B and X have in common.")] = "previous,next",
    across: Annotated[str, typer.Option("--across", help="abx: what differs for X, or none.")] = "speaker",
    null: Annotated[NullName, typer.Option("--null", help="What chance is.")] = NullName.shift,
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines",
            help="Among random-init, mfcc, logmel; or none.  [default: random-init; abx: and mfcc]",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for results.  [default: runs/similarity-...]")
    ] = None,
    pool: Annotated[
        PoolName | None,
        typer.Option("--pool", help="How the frames of a unit become one vector.  [default: mean; abx: all]"),
    ] = None,
    rule: Rule = RuleName.centre,
    dtype: DtypeOption = Dtype.float32,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Compare layers with each other, with another model, with the sound, or with labels.

    Writes `similarity.csv`, `similarity.png` and `similarity.pdf`. Beside every score stand its interval over speakers
    and its null: what it would be if the two sides did not belong together.

    Example: `speechinterp similarity facebook/hubert-base-ls960 timit:/data/TIMIT --measure cka --with mfcc`
    """
    abx = measure is MeasureName.abx
    pool = pool or (PoolName.all if abx else PoolName.mean)
    if abx and other is not None:
        raise typer.BadParameter("abx has no other side; see --baselines", param_hint="--with")
    if measure is MeasureName.rsa and other is None:
        other = "label"
    out = out or Path("runs") / "-".join(
        [
            "similarity",
            Path(model).name,
            corpus.partition(":")[0],
            measure.value,
            *([Path(other).name] if other else []),
        ]
    ).replace(":", "-")
    names = _controls(model, baselines, ["random-init", "mfcc"] if abx else ["random-init"])
    settings = dict(
        model=model, corpus=corpus, measure=measure.value, other=other, unit=unit, on=on, by=by, across=across,
        null=null.value, baselines=names, pool=pool.value, rule=rule.value, dtype=dtype.value, device=device, seed=seed,
        on_bad=on_bad.value,
    )  # fmt: skip
    with running("similarity", out, **settings) as run:
        from speechinterp import load_corpus

        sound = load_corpus(corpus)
        first = load_encoder(model, device, dtype.value)
        like = first if pool is PoolName.all or unit == "frames" else None
        encoders = {"model": first}
        for name in names:
            seeded = {"init_seed": seed} if name == "random-init" else {}
            encoders[name] = load_encoder(model if seeded else name, device, dtype.value, like=like, **seeded)
        is_column = other is not None and (other.startswith(FEATURES) or other in _columns(sound, unit))
        if other is not None and not is_column:
            encoders["other"] = load_encoder(other, device, dtype.value, like=like)
        reps = _extract(
            run, sound, encoders, out, unit=unit, pool=pool.value, rule=rule.value, on_bad=on_bad.value
        )
        asked: dict[str, Any] = {"seed": seed}
        if abx:
            asked |= {"on": on, "by": _list(by), "across": _list(across), "device": _torch_device(first)}
        else:
            asked |= {"null": null.value}
        table = _compared(run, measure.value, reps, other if is_column else None, names, asked)
        _write(run, out, table)


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]


def _torch_device(encoder: Encoder) -> str:
    return str(getattr(encoder, "device", "cpu"))


def _columns(corpus: Corpus, unit: str) -> set[str]:
    """Return the columns that the units of every corpus have, unless a folder has such a name."""
    columns = {"label", "speaker", "utterance", "start", "end"}
    return {name for name in columns if not Path(name).is_dir()}


def _controls(model: str, baselines: str | None, usual: list[str]) -> list[str]:
    if baselines is None:
        return [] if model in ACOUSTIC else usual
    names = _list(baselines)
    for name in names:
        if (
            name not in ("random-init", *ACOUSTIC)
            or name == model
            or (name == "random-init" and model in ACOUSTIC)
        ):
            raise typer.BadParameter(
                f"{name!r} is no baseline of {model!r}: random-init, {', '.join(ACOUSTIC)}",
                param_hint="--baselines",
            )
    return names


def _extract(
    run: Run, corpus: Corpus, encoders: dict[str, Encoder], out: Path, **settings: Any
) -> dict[str, Representations]:
    """Extract for the model and for all that it is compared with, each into its own store."""
    from speechinterp import extract
    from speechinterp.representations import common_units

    reps = {}
    for name, encoder in encoders.items():
        folder = out / "stores" / f"{name}-{settings['pool']}"
        with run.progress(f"extracting {name}") as progress:
            reps[name] = extract(encoder, corpus, out=folder, progress=progress, **settings)
        say_what_is_special(run, folder, reps[name].meta)
    return common_units(reps)


def _compared(
    run: Run, measure: str, reps: dict[str, Representations], column: str | None, controls: list[str],
    asked: dict[str, Any],
) -> pd.DataFrame:  # fmt: skip
    """Call the function of the measure."""
    from speechinterp import similarity as measures

    other: Any = reps.get("other", column)
    if column is not None and column.startswith(FEATURES):
        describe = measures.feature_similarity if measure == "rsa" else measures.feature_table
        other = describe(reps["model"].units["label"], column.removeprefix(FEATURES))
    asked = asked | {"baselines": {name: reps[name] for name in controls}}
    with run.progress(f"comparing by {measure}") as progress:
        if measure == "abx":
            return measures.abx(reps["model"], progress=progress, **asked)
        if measure in ("cca", "svcca", "pwcca"):
            kind: Any = "pwcca" if measure == "pwcca" else "svcca"
            return measures.cca(reps["model"], other, kind=kind, progress=progress, **asked)
        function = {"cka": measures.cka, "procrustes": measures.procrustes, "rsa": measures.rsa}[measure]
        return function(reps["model"], other, progress=progress, **asked)


def _write(run: Run, out: Path, table: pd.DataFrame) -> None:
    """Write the table and the figure, and say the best and the last line of it."""
    from speechinterp.viz import plot_similarity, save_figure

    run.write("similarity.csv", table.to_csv(index=False))
    png, pdf = save_figure(plot_similarity(table), out / "similarity")
    mine = table[table["baseline"] == "none"]
    best = mine.iloc[
        int(mine["score"].argmin() if table["measure"].iloc[0] == "abx" else mine["score"].argmax())
    ]
    against = (
        f" and {best.other} {'' if best.isna()['other_layer'] else best.other_layer}"
        if "other" in mine
        else ""
    )
    run.say(
        f"{best.model}: {best.measure} is best at layer {best.layer}{against}: {best.score:.3f} "
        f"[{best.ci_low:.3f}, {best.ci_high:.3f}], chance {best.null:.3f}"
    )
    run.say(f"{out / 'similarity.csv'}, {png.name}, {pdf.name}")
    run.settings["result"] = {
        key: value for key, value in table.attrs.items() if key not in ("representations", "other")
    }
