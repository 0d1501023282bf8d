"""What the recipes share: arguments, clear errors, and a folder of tables, figures and a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from findings import Findings

from speechinterp.cli.run import running
from speechinterp.report import Heading, Paragraph, Record, write_report

HELP = {
    "across": "what A and B share and X has not; none for no matter",
    "audio": "a sound file in place of the corpus",
    "baseline": "what is heard instead: silence, noise, neighbour, reversed, mean, delete",
    "by": "what A, B and X share; none for no matter",
    "channels": "energy, f0, f1, f2, f3, or channels of --tracks; all for all of these",
    "classifier": "the model that commands are explained to",
    "commands": "the corpus of commands, with the tiers words and cue",
    "exact": "how many utterances get exact Shapley values, faithfulness and sweeps",
    "features": "the inventory of the feature table: ipa, timit39, ...",
    "mass": "share of the flow that drawn edges carry",
    "methods": "of attribution, with commas",
    "mixing": "which attention: encoder, decoder, sound, text; by default where the model writes",
    "phone_model": "a CTC model of phones; demo/wav2vec2 brings its own",
    "probe": "logistic, ridge, lda, mlp, ...",
    "pronunciations": "a dictionary, such as cmudict.dict",
    "space": "of the gradients: waveform, spectrogram, log-mel; by default what the model is given",
    "steps": "of integrated gradients, at first",
    "text": "what is said; by default the transcript, or what the model writes",
    "tier": "the units: phones, words, ...",
    "tracks": "a folder with a table ID.csv for every utterance",
    "unit": "phones, words, frames",
    "word": "which word; {field} is what the corpus knows; empty for all",
}


@contextmanager
def study(
    doc: str,
    *,
    model: str = "demo/whisper",
    corpus: str = "demo?type=sentence",
    utterances: int | None = None,
    **more: Any,
) -> Iterator[Findings]:
    """Read the arguments of a recipe, run it with clear errors, and write `config.json` and `report.html`."""
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=model, help="name on the Hugging Face hub, folder, or demo/...")
    parser.add_argument("--corpus", default=corpus, help="READER:PATH, demo, or a sound file")
    parser.add_argument("--out", type=Path, default=Path("runs") / name, help="folder for results")
    parser.add_argument("--inventory", help="set of the phone labels; known for timit and demo")
    parser.add_argument(
        "--utterances",
        type=int,
        default=utterances,
        help=f"only so many; 0 for all [default: {utterances or 'all'}]",
    )
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on-bad", choices=("raise", "skip"), default="raise")
    for option, default in more.items():
        told = HELP[option] + (f" [default: {default}]" if default != "" else "")
        parser.add_argument(f"--{option.replace('_', '-')}", default=default, type=type(default), help=told)
    asked = parser.parse_args()
    settings = {key: value for key, value in vars(asked).items() if key != "out"}
    try:
        with running(name, asked.out, **settings) as run:
            this = Findings(asked, run)
            yield this
            about = [Paragraph(doc), *this.sections, Heading("How it was made"), Record(this.model.describe()),
                     Record(settings), Paragraph("\n".join(run.notes))]  # fmt: skip
            page = write_report(asked.out / "report.html", f"{name}: {this.model.id}", about)
            run.say(f"{page}, with tables and figures beside it")
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
