"""``speechinterp align``: from recordings with transcripts to tiers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speechinterp.cli.extract import CORPUS, MODEL
from speechinterp.cli.options import Heard, sound_or_corpus
from speechinterp.cli.run import Device, OnBad, OnBadOption, Run, Seed, running

if TYPE_CHECKING:
    import pandas as pd

    from speechinterp.align.corpus import Aligned

__all__ = ["align"]

BRIEF = ("tier", "n", "mean_ms", "median_ms", "within_20ms", "within_50ms", "even_median_ms", "r_value")


def align(
    model: Annotated[
        str, typer.Argument(help="CTC model or Whisper: hub id, local folder, demo/wav2vec2, ...")
    ] = MODEL,
    sound: Heard = CORPUS,
    transcript: Annotated[
        str | None,
        typer.Option(
            "--transcript", help="What is said in a sound file.  [default: the text file beside it]"
        ),
    ] = None,
    phone_model: Annotated[
        str | None,
        typer.Option("--phone-model", help="CTC model of phones; demo/wav2vec2 brings its own."),
    ] = None,
    pronunciations: Annotated[
        Path | None,
        typer.Option(
            "--pronunciations", help="Dictionary: cmudict format, or a .csv with columns word, phones."
        ),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="For phonemizer, if it is installed.")
    ] = "en-us",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for results.  [default: runs/align-...]")
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    on_bad: OnBadOption = OnBad.RAISE,
) -> None:
    """Align words, and phones where they can be known, with the sound of a corpus or of one file.

    Writes a TextGrid for every utterance, `segments.csv` and `alignments.csv` with how sure each is, a figure of the
    first, and for a corpus with tiers of its own `boundaries.csv`, `boundaries_by_label.csv` and `errors.csv`.

    Example: `speechinterp align demo/wav2vec2 demo --out runs/align`
    """
    name = sound.partition(":")[0] if ":" in sound else Path(sound).stem
    out = out or Path("runs") / "-".join(["align", Path(model).name, name])
    settings = dict(
        model=model, sound=sound, transcript=transcript, phone_model=phone_model,
        pronunciations=pronunciations and str(pronunciations),
        language=language, device=device, seed=seed, on_bad=on_bad.value,
    )  # fmt: skip
    with running("align", out, **settings) as run:
        from speechinterp import load_model
        from speechinterp.align import align_corpus, read_lexicon

        lexicon = read_lexicon(pronunciations) if pronunciations else None
        corpus = sound_or_corpus(sound, transcript)
        aligner = load_model(model, device=device)
        phones = load_model(phone_model, device=device) if phone_model else None
        with run.progress("aligning") as progress:
            aligned = align_corpus(
                aligner, corpus, out, phone_model=phones, pronunciations=lexicon, language=language,
                on_bad=on_bad.value, progress=progress,
            )  # fmt: skip
        _say_what_was_found(run, aligned)
        errors = aligned.errors()
        if len(errors):
            _evaluate(run, errors, seed)
        else:
            run.say("There are no tiers to compare with.")
        _draw(run, out, aligned)


def _say_what_was_found(run: Run, aligned: Aligned) -> None:
    from speechinterp.align import LOW

    utterances = aligned.utterances()
    run.write("alignments.csv", utterances.to_csv(index=False))
    run.write("segments.csv", aligned.segments().to_csv(index=False))
    tiers = [name for name in ("words", "phones") if name in utterances]
    run.say(
        f"{len(utterances)} utterances, " + ", ".join(f"{int(utterances[t].sum())} {t}" for t in tiers)
        + f": {run.out}"
    )  # fmt: skip
    reasons = utterances.loc[utterances["no_phones"] != "", "no_phones"]
    if len(reasons):
        run.say(f"No phones in {len(reasons)}: {reasons.iloc[0]}")
    low = utterances[utterances["confidence"].astype(float) < LOW]
    if len(low):
        run.say(
            f"{len(low)} with a confidence below {LOW:g}, in which the model hears something else than the text: "
            f"{', '.join(low['utterance'].head(5))}{' ...' if len(low) > 5 else ''}"
        )
    if aligned.skipped:
        first = next(iter(aligned.skipped.values()))
        run.say(f"{len(aligned.skipped)} left out, with the reason in alignments.jsonl; first: {first}")


def _evaluate(run: Run, errors: pd.DataFrame, seed: int) -> None:
    from speechinterp.align import boundary_scores

    scores = boundary_scores(errors, seed=seed)
    run.write("errors.csv", errors.to_csv(index=False))
    run.write("boundaries.csv", scores.to_csv(index=False))
    by_label = boundary_scores(errors, by=("tier", "label"), seed=seed)
    run.write("boundaries_by_label.csv", by_label.to_csv(index=False))
    run.say(scores[[c for c in BRIEF if c in scores]].round(2).to_string(index=False))
    run.say("boundaries.csv, boundaries_by_label.csv, errors.csv")


def _draw(run: Run, out: Path, aligned: Aligned) -> None:
    """Draw the first utterance, unless none could be aligned."""
    from speechinterp.viz import plot_alignment, save_figure

    for first, found in aligned.alignments.items():
        png, pdf = save_figure(plot_alignment(aligned.corpus[first], found), out / "alignment")
        run.say(f"{png.name} and {pdf.name} of {first}")
        return
