"""``speechinterp probe``: what can be read from each layer, with its controls."""

from __future__ import annotations

from contextlib import suppress
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
    Pool,
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

__all__ = ["probe", "study"]


class ProbeName(str, Enum):
    """The classifier."""

    logistic = "logistic"
    ridge = "ridge"
    lda = "lda"
    mlp = "mlp"
    regression = "regression"
    encoding = "encoding"
    attention = "attention"
    pair = "pair"
    mix = "mix"
    mdl = "mdl"


Target = Annotated[
    str,
    typer.Option(
        "--target",
        help="What to read: label, manner, place, voicing, sex, words, duration, energy, f0, ...; for regression "
        "and encoding several with commas.",
    ),
]


def probe(
    model: ModelArgument = MODEL,
    corpus: CorpusArgument = CORPUS,
    unit: Unit = "phones",
    target: Target = "label",
    probe: Annotated[ProbeName, typer.Option("--probe", help="The classifier.")] = ProbeName.logistic,
    folds: Annotated[
        str, typer.Option("--folds", help="Column whose values stay together in a fold.")
    ] = "speaker",
    n_folds: Annotated[int, typer.Option("--n-folds", min=2, help="Number of folds.")] = 4,
    baselines: Annotated[
        str | None,
        typer.Option(
            "--baselines", help="Among random-init, mfcc, logmel; or none.  [default: random-init,mfcc]"
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="A store of this model made by extract.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for results.  [default: runs/probe-...]")
    ] = None,
    types: Annotated[
        str | None, typer.Option("--types", help="Column of types for a control task and selectivity.")
    ] = None,
    confounds: Annotated[
        str, typer.Option("--confounds", help="Columns to partial out of the vectors, with commas.")
    ] = "",
    shuffles: Annotated[int, typer.Option("--shuffles", min=1, help="How often labels are shuffled.")] = 1,
    inventory: Annotated[
        str | None, typer.Option("--inventory", help="Set of phone labels, for manner, place, voicing.")
    ] = None,
    test_corpus: Annotated[
        str | None, typer.Option("--test-corpus", help="Train on CORPUS and test on this one.")
    ] = None,
    pool: Pool = PoolName.mean,
    rule: Rule = RuleName.centre,
    dtype: DtypeOption = Dtype.float32,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Probe every layer for the labels of units, on speakers the probe has not heard.

    Writes `scores.csv`, `scores.png`, `scores.pdf` and `report.html`. Beside the model stand its twin with
    random weights, MFCC, shuffled labels and the majority label, each with an interval over speakers.
    With `--test-corpus` the probe is trained on one corpus and tested on the other.

    Example: `speechinterp probe facebook/wav2vec2-base timit:/data/TIMIT --unit phones --out runs/phones`
    """
    out = out or Path("runs") / "-".join(
        ["probe", Path(model).name, corpus.partition(":")[0], unit, probe.value]
    )
    controls = _controls(model, baselines)
    settings = dict(
        model=model, corpus=corpus, unit=unit, target=target, probe=probe.value, folds=folds, n_folds=n_folds,
        baselines=controls, store=store and str(store), pool=pool.value, rule=rule.value, dtype=dtype.value,
        device=device, seed=seed, on_bad=on_bad.value, types=types, confounds=confounds, shuffles=shuffles,
        inventory=inventory, test_corpus=test_corpus,
    )  # fmt: skip
    targets, removed = _names(target), _names(confounds)
    with running("probe", out, **settings) as run:
        from speechinterp import load_corpus

        sound = load_corpus(corpus)
        if folds == "speaker":
            _refuse_one_speaker(sound)
        probed = load_encoder(model, device, dtype.value)
        wanted = [*targets, *removed, *([types] if types else []), *([folds] if folds != "random" else [])]
        if test_corpus:
            other = load_corpus(test_corpus)
            parts = {}
            for name, each in (("train", sound), ("test", other)):
                made = _extract(
                    run, each, {"none": probed}, out / name, None, unit, pool.value, rule.value, on_bad.value
                )
                parts[name] = _described(made["none"], each, wanted, inventory)
            _transfer(run, out, parts, target=target, probe=probe.value, seed=seed)
            return
        one_by_one = pool is PoolName.all or unit == "frames"
        encoders = {"none": probed}
        for name in controls:
            if name == "random-init":
                encoders[name] = load_encoder(model, device, dtype.value, init_seed=seed)
            else:
                encoders[name] = load_encoder(name, device, dtype.value, like=probed if one_by_one else None)
        reps = _extract(run, sound, encoders, out, store, unit, pool.value, rule.value, on_bad.value)
        reps["none"] = _described(reps["none"], sound, wanted, inventory)
        study(
            run, out, reps, kind=probe.value, targets=targets, folds=folds, n_folds=n_folds, seed=seed,
            types=types, confounds=removed, shuffles=shuffles,
        )  # fmt: skip


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _described(
    reps: Representations, corpus: Corpus, columns: list[str], inventory: str | None
) -> Representations:
    """Add the columns that the units lack."""
    from speechinterp.probing import describe_units

    return describe_units(reps, corpus, columns, inventory=inventory)


def _transfer(run: Run, out: Path, reps: dict[str, Representations], **settings: Any) -> None:
    """Train on one corpus, test on the other, and write the table and the figure."""
    from speechinterp.probing import transfer
    from speechinterp.viz import plot_scores, save_figure

    with run.progress("probing") as progress:
        scores = transfer(reps["train"], reps["test"], progress=progress, **settings)
    run.write("scores.csv", scores.to_csv(index=False))
    png, pdf = save_figure(plot_scores(scores), out / "scores")
    best = scores[(scores.metric == "accuracy") & (scores.baseline == "none")].nlargest(1, "score").iloc[0]
    run.say(
        f"{best.model}: trained on {best.n_train} units of {scores.attrs['representations'].get('corpus')}, layer "
        f"{best.layer} reads {best.target} with accuracy {best.score:.3f} on {best.n_test} units of "
        f"{scores.attrs['tested_on'].get('corpus')}"
    )
    run.say(f"{out / 'scores.csv'}, {png.name}, {pdf.name}")


def _refuse_one_speaker(corpus: Corpus) -> None:
    """Say before any work is done that folds over speakers cannot be made."""
    from speechinterp.errors import ProbeError, SpeechInterpError

    speakers: set[str | None] = set()
    for id_ in corpus.ids:
        with suppress(SpeechInterpError):
            speakers.add(corpus[id_].speaker)
        if None in speakers or len(speakers) > 1:
            break
    if None in speakers or len(speakers) == 1:
        found = "without speakers" if None in speakers else f"of one speaker, {speakers.pop()}"
        raise ProbeError(
            f"corpus {corpus.name!r} is {found}",
            expected="two speakers or more, so that a probe is tested on voices it has not heard",
            cause="a single recording session, or a reader that was not told where the speaker's name stands",
            fix="--folds utterance (new utterances of known voices), or name the speakers: ?speaker=folder, "
            "?speaker=prefix:N, or the column speaker of a table",
        )


def _controls(model: str, baselines: str | None) -> list[str]:
    if baselines is None:
        return [] if model in ACOUSTIC else ["random-init", "mfcc"]
    names = [name.strip() for name in baselines.split(",") if name.strip() not in ("", "none")]
    for name in names:
        if name not in ("random-init", *ACOUSTIC):
            raise typer.BadParameter(
                f"{name!r} is none of random-init, {', '.join(ACOUSTIC)}", param_hint="--baselines"
            )
        if name == model or (name == "random-init" and model in ACOUSTIC):
            raise typer.BadParameter(f"{name!r} is no baseline of {model!r}", param_hint="--baselines")
    return names


def _extract(
    run: Run, corpus: Corpus, encoders: dict[str, Encoder], out: Path, store: Path | None,
    unit: str, pool: Any, rule: Any, on_bad: Any,
) -> dict[str, Representations]:  # fmt: skip
    """Extract for the model and every control, each into its own store, so that a second run finds them there."""
    from speechinterp import extract

    reps = {}
    for name, encoder in encoders.items():
        folder = store if store and name == "none" else out / "stores" / ("model" if name == "none" else name)
        with run.progress(f"extracting {'model' if name == 'none' else name}") as progress:
            reps[name] = extract(
                encoder, corpus, unit, pool, folder, rule=rule, on_bad=on_bad, progress=progress
            )
        say_what_is_special(run, folder, reps[name].meta)
    return reps


def study(
    run: Run, out: Path, reps: dict[str, Representations], *, page: str = "report.html",
    kind: str = "logistic", **settings: Any,
) -> pd.DataFrame:  # fmt: skip
    """Probe, and write the table, the figure and the report; `reps` holds the model as ``none`` and its controls."""
    from speechinterp.probing.kinds import HEADLINE, probe_by_kind
    from speechinterp.report import write_probe_report
    from speechinterp.representations import common_units
    from speechinterp.viz import plot_scores, save_figure

    common = common_units(reps)
    model = common.pop("none")
    with run.progress("probing") as progress:
        scores = probe_by_kind(kind, model, baselines=common, progress=progress, **settings)
    metric = HEADLINE.get(kind, "accuracy")
    run.write("scores.csv", scores.to_csv(index=False))
    pictures = []
    for number, target in enumerate(scores["target"].unique()):
        one = scores[scores["target"] == target]
        name = "scores" if number == 0 else f"scores-{number + 1}"
        pictures.append(save_figure(plot_scores(one, metric), out / name)[0])
        best = one[(one.metric == metric) & (one.baseline == "none")].dropna(subset="layer")
        best = best.nlargest(1, "score").iloc[0]
        run.say(
            f"{best.model}: best layer {best.layer} reads {best.target} with {metric.replace('_', ' ')} "
            f"{best.score:.3f} [{best.ci_low:.3f}, {best.ci_high:.3f}] on {best.n_test} of {len(model)} "
            f"{model.meta.get('unit', 'units')}"
        )
    write_probe_report(out / page, scores, pictures[0], notes=run.notes, metric=metric)
    run.say(f"{out / page}, scores.csv, {', '.join(picture.name for picture in pictures)}, and as PDF")
    run.settings["excluded_labels"] = scores.attrs.get("excluded_labels")
    return scores
