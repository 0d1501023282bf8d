"""``speechinterp lens``: what each layer would write."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speechinterp.cli.extract import CORPUS, MODEL, CorpusArgument, Dtype, DtypeOption
from speechinterp.cli.run import Device, OnBad, OnBadOption, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd

    from speechinterp.corpora import Corpus
    from speechinterp.models import SpeechModel

__all__ = ["lens"]


class Kind(str, Enum):
    """Which lens."""

    auto = "auto"
    ctc = "ctc"
    decoder = "decoder"
    logit = "logit"
    tuned = "tuned"


class GivenText(str, Enum):
    """The words that the decoder is given under the logit lens."""

    model = "model"
    reference = "reference"


def lens(
    model: Annotated[
        str, typer.Argument(help="CTC model or Whisper: hub id, local folder, demo/wav2vec2, ...")
    ] = MODEL,
    corpus: CorpusArgument = CORPUS,
    kind: Annotated[
        Kind, typer.Option("--kind", help="auto: ctc for CTC models, decoder for Whisper.")
    ] = Kind.auto,
    text: Annotated[
        GivenText,
        typer.Option("--text", help="logit: the words the decoder is given, its own or the reference."),
    ] = GivenText.model,
    language: Annotated[
        str | None,
        typer.Option("--language", help="Code such as nl, for Whisper models that know several; else found."),
    ] = None,
    baselines: Annotated[
        str, typer.Option("--baselines", help="random-init, the twin with random weights; or none.")
    ] = "random-init",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for results.  [default: runs/lens-...]")
    ] = None,
    dtype: DtypeOption = Dtype.float32,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Read every layer as the model reads its last, and see what it would write from there.

    Writes `transcripts.csv` (every utterance at every layer), `lens.csv` (error rates and statistics by layer),
    `regressive.csv` (words that a layer has right and the top has wrong), and figures. Finished utterances are
    kept in `parts/`, and the same command goes on from there.

    Example: `speechinterp lens demo/wav2vec2 demo --kind ctc --out runs/lens`
    """
    out = out or Path("runs") / "-".join(["lens", Path(model).name, corpus.partition(":")[0], kind.value])
    if baselines not in ("random-init", "none"):
        raise typer.BadParameter(f"{baselines!r} is neither random-init nor none", param_hint="--baselines")
    settings = dict(
        model=model, corpus=corpus, kind=kind.value, text=text.value, language=language, baselines=baselines,
        dtype=dtype.value, device=device, seed=seed, on_bad=on_bad.value,
    )  # fmt: skip
    with running("lens", out, **settings) as run:
        from functools import partial

        import pandas as pd

        from speechinterp import load_corpus, load_model
        from speechinterp.lenses import rates, regressive

        read = load_model(model, device=device, dtype=dtype.value)
        sound = load_corpus(corpus)
        chosen = kind.value
        if kind is Kind.auto:
            chosen = "decoder" if read.vocabulary.kind == "pieces" else "ctc"
        models = [read] + ([read.random_twin(seed)] if baselines == "random-init" else [])
        tables = [
            _read(run, each, sound, chosen, text.value, language, seed, out, on_bad.value) for each in models
        ]
        table = pd.concat([part.dropna(axis="columns", how="all") for part in tables], ignore_index=True)
        table = table.reindex(columns=tables[0].columns)
        form = partial(read.vocabulary.normalise, language=language or "en")
        scores = rates(table, normalise=form, seed=seed)
        run.write("transcripts.csv", table.to_csv(index=False))
        run.write("lens.csv", scores.to_csv(index=False))
        run.write("regressive.csv", regressive(table, normalise=form).to_csv(index=False))
        run.settings |= {"kind": chosen, "record": tables[0].attrs}
        _say(run, table, scores, tables[0])
        _draw(run, out, read, sound, scores, tables[0], text.value, language)


def _read(
    run: Run, model: SpeechModel, corpus: Corpus, kind: str, text: Any, language: str | None, seed: int, out: Path,
    on_bad: Any,
) -> pd.DataFrame:  # fmt: skip
    """Read the corpus through one lens."""
    from speechinterp import lenses

    name = "model" if model.baseline == "none" else model.baseline
    with run.progress(f"reading {name}") as progress:
        shared: dict[str, Any] = {"out": out / "parts", "on_bad": on_bad, "progress": progress}
        if kind == "ctc":
            return lenses.ctc(model, corpus, **shared)
        if kind == "decoder":
            return lenses.decoder(model, corpus, language=language, **shared)
        if kind == "logit":
            return lenses.logit(model, corpus, text=text, language=language, **shared)
        return lenses.tuned(model, corpus, language=language, seed=seed, **shared)


def _say(run: Run, table: pd.DataFrame, scores: pd.DataFrame, first: pd.DataFrame) -> None:
    """Print the layers of one utterance and the table of rates."""
    one = first[first["utterance"] == first["utterance"].iloc[0]]
    one = one[one["lens"] != "untuned"].sort_values("layer")
    run.say(
        f"{table['utterance'].nunique()} utterances; {one['utterance'].iloc[0]}, {one['reference'].iloc[0]!r}:"
    )
    for row in one.itertuples():
        run.say(f"  layer {row.layer}: {str(row.transcript)[:90]}")
    shown = scores[scores["baseline"] == "none"]
    shown = shown[shown["metric"].isin(["wer", "per", "surprisal", "agreement", "regressive"])]
    wide = shown.pivot_table(index=["lens", "layer"], columns="metric", values="score", sort=False)
    run.say(wide.round(3).to_string())
    if first.attrs["skipped"]:
        skipped = first.attrs["skipped"]
        run.say(f"{len(skipped)} left out, with the reason in config.json; first: {skipped[0]['reason']}")


def _draw(
    run: Run, out: Path, model: SpeechModel, corpus: Corpus, scores: pd.DataFrame, table: pd.DataFrame, text: Any,
    language: str | None,
) -> None:  # fmt: skip
    """Draw rates over layers, and, where there are steps, the trajectory of one utterance."""
    from speechinterp.lenses import Translators, trajectory
    from speechinterp.viz import plot_lens, plot_trajectory, save_figure

    names = ["transcripts.csv", "lens.csv", "regressive.csv"]
    names += [path.name for path in save_figure(plot_lens(scores), out / "lens")]
    kind = table.attrs["lens"]
    if kind != "decoder":
        path = out / "parts" / f"tuned-{model.baseline}.safetensors"
        maps = Translators.load(path, model) if kind == "tuned" else None
        data = trajectory(
            model, corpus[table["utterance"].iloc[0]], translators=maps,
            text=text if kind == "logit" else "model", language=language,
        )  # fmt: skip
        names += [path.name for path in save_figure(plot_trajectory(data), out / "trajectory")]
    run.say(f"{out}: {', '.join(names)}")
