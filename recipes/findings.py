"""What one run of a recipe works with and finds: corpus, model, vectors with their controls, tables and figures."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

import speechinterp as si
from speechinterp.cli.run import Run
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel
from speechinterp.probing import describe_units
from speechinterp.report import Heading, Paragraph, Picture, Table
from speechinterp.report.page import Section
from speechinterp.representations import AcousticFeatures, Representations, common_units
from speechinterp.viz import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Findings:
    """What was asked of a recipe, and what it has found so far."""

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
        self, unit: str = "phones", pool: Any = "mean", columns: Sequence[str] = (), corpus: Corpus | None = None
    ) -> tuple[Representations, dict[str, Representations]]:  # fmt: skip
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
            named = "-".join([*([corpus.name] if corpus else []), unit, pool, name])
            with self.run.progress(f"extracting {unit}, {name}") as progress:
                made[name] = si.extract(
                    encoder, sounds, unit, pool, self.asked.out / "stores" / named,
                    on_bad=self.asked.on_bad, progress=progress,
                )  # fmt: skip
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
        shown = f": {says}" if says else f"\n{table.head(20).round(3).to_string(index=False)}"
        self.run.say(name + shown)
