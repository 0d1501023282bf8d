"""What the recipes share: arguments, vectors with their controls, and a folder of tables, figures and a page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer

import speechinterp as si
from speechinterp.cli.run import Run, running
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel
from speechinterp.probing import describe_units
from speechinterp.report import Heading, Paragraph, Picture, Record, Table, write_report
from speechinterp.report.page import Section
from speechinterp.representations import AcousticFeatures, Representations, common_units
from speechinterp.viz import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Study:
    """One run of a recipe: what was asked, and what it has found so far."""

    asked: argparse.Namespace
    run: Run
    sections: list[Section] = field(default_factory=list)

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, or as many of its utterances as were asked for, evenly spread."""
        whole = si.load_corpus(self.asked.corpus)
        wanted = min(self.asked.utterances or len(whole), len(whole))
        return whole.subset([whole.ids[len(whole) * number // wanted] for number in range(wanted)])

    @cached_property
    def model(self) -> SpeechModel:
        """The model."""
        return si.load_model(self.asked.model, device=self.asked.device)

    def extract(
        self,
        unit: str = "phones",
        pool: Any = "mean",
        columns: Sequence[str] = (),
        corpus: Corpus | None = None,
    ) -> tuple[Representations, dict[str, Representations]]:
        """Return the vectors of the model, and by name those of its random twin and of MFCC for the same units."""
        sounds = corpus or self.corpus
        frames = pool == "all" or unit == "frames"
        encoders = {
            "none": self.model,
            "random-init": self.model.random_twin(self.asked.seed),
            "mfcc": AcousticFeatures("mfcc", like=self.model if frames else None),
        }
        made = {}
        for name, encoder in encoders.items():
            store = (
                self.asked.out / "stores" / "-".join([*([corpus.name] if corpus else []), unit, pool, name])
            )
            with self.run.progress(f"extracting {unit}, {name}") as progress:
                made[name] = si.extract(
                    encoder, sounds, unit, pool, store, on_bad=self.asked.on_bad, progress=progress
                )
        made = common_units(made)
        reps = made.pop("none")
        return describe_units(reps, sounds, columns, inventory=self.asked.inventory), made

    def write(self, name: str, table: pd.DataFrame, figure: Figure | None = None, says: str = "") -> None:
        """Write a table and its figure, put both on the page, and say what they say."""
        self.run.write(f"{name}.csv", table.to_csv(index=False))
        self.sections += [Heading(name.replace("_", " ").capitalize()), *([Paragraph(says)] if says else [])]
        if figure is not None:
            png, _ = save_figure(figure, self.asked.out / name)
            self.sections.append(Picture(png, f"{name}: the figure of {name}.csv"))
        self.sections.append(Table(table.head(60), f"{name}.csv" + (", its beginning" * (len(table) > 60))))
        self.run.say(
            f"{name}: {says}" if says else f"{name}\n{table.head(20).round(3).to_string(index=False)}"
        )


@contextmanager
def study(
    doc: str, *, model: str = "demo/whisper", corpus: str = "demo?type=sentence", **more: Any
) -> Iterator[Study]:
    """Read the arguments of a recipe, run it with clear errors, and write `config.json` and `report.html`."""
    name = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=model, help="name on the Hugging Face hub, folder, or demo/...")
    parser.add_argument("--corpus", default=corpus, help="READER:PATH, or demo")
    parser.add_argument("--out", type=Path, default=Path("runs") / name, help="folder for results")
    parser.add_argument("--inventory", help="set of the phone labels; known for timit and demo")
    parser.add_argument("--utterances", type=int, help="only so many, to try it out")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on-bad", choices=("raise", "skip"), default="raise")
    for option, default in more.items():
        parser.add_argument(f"--{option.replace('_', '-')}", default=default, help=f"[default: {default}]")
    asked = parser.parse_args()
    settings = {key: value for key, value in vars(asked).items() if key != "out"}
    try:
        with running(name, asked.out, **settings) as run:
            this = Study(asked, run)
            yield this
            about = [Paragraph(doc), *this.sections, Heading("How it was made"), Record(this.model.describe()),
                     Record(settings), Paragraph("\n".join(run.notes))]  # fmt: skip
            page = write_report(asked.out / "report.html", f"{name}: {this.model.id}", about)
            run.say(f"{page}, with tables and figures beside it")
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
