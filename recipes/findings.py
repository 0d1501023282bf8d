"""What one run of a recipe works with and finds: corpus, model, vectors with their controls, tables and figures.

A table that is made by `kept` or `each` is in a journal in `parts/` as soon as it is finished, or the utterance is. A
recipe that was stopped goes on from there; one with other settings says that the folder is taken.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import speechinterp as si
from speechinterp.cli.options import sound_or_corpus, spread
from speechinterp.cli.run import Run
from speechinterp.corpora import Corpus
from speechinterp.corpora.files import readable
from speechinterp.corpora.keeping import Journal
from speechinterp.errors import SpeechInterpError
from speechinterp.models import SpeechModel
from speechinterp.probing import describe_units
from speechinterp.report import Heading, Paragraph, Picture, beginning
from speechinterp.report.page import Section
from speechinterp.representations import AcousticFeatures, Representations, common_units
from speechinterp.viz import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


Progress = Callable[[int, int], None]
WHOLE = "all"


@dataclass
class Findings:
    """What was asked of a recipe, and what it has found so far."""

    asked: argparse.Namespace
    run: Run
    sections: list[Section] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """The folder for results."""
        return Path(self.asked.out)

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, or as many of its utterances as were asked for, evenly spread."""
        return self.some(self.asked.corpus)

    def some(self, corpus: str) -> Corpus:
        """Load a corpus, or as many of its utterances as were asked for, evenly spread."""
        return spread(sound_or_corpus(corpus), self.asked.utterances)

    @cached_property
    def model(self) -> SpeechModel:
        """The model."""
        return si.load_model(self.asked.model, device=self.asked.device)

    @property
    def writes(self) -> bool:
        """Whether the model writes a text: with a CTC head or a decoder."""
        return self.model.family.has_decoder or hasattr(self.model.module, "lm_head")

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
                    encoder, sounds, unit, pool, self.out / "stores" / named,
                    on_bad=self.asked.on_bad, progress=progress,
                )  # fmt: skip
        made = common_units(made)
        reps = made.pop("none")
        return describe_units(reps, sounds, columns, inventory=self.asked.inventory), made

    def kept(self, name: str, make: Callable[[Progress], pd.DataFrame]) -> pd.DataFrame:
        """Make a table, or read what a run that was stopped had finished; `make` is given a report of progress."""
        journal = self._journal(name, self.corpus)
        if WHOLE not in journal.rows:
            with self.run.progress(name.replace("_", " ")) as progress:
                table = make(progress)
            about = {"attrs": table.attrs, "dtypes": table.dtypes.to_dict(), "columns": list(table)}
            whole = json.loads(json.dumps(about, default=str)) | {"rows": _records(table)}
            journal.rows[WHOLE] = [whole]
            journal.write({"utterance": WHOLE, "rows": [whole]})
        (whole,) = journal.rows[WHOLE]
        table = pd.DataFrame(whole["rows"], columns=whole["columns"]).astype(whole["dtypes"])
        table.attrs = whole["attrs"]
        return table

    def each(
        self,
        name: str,
        make: Callable[[si.Utterance, int], Mapping[str, pd.DataFrame]],
        corpus: Corpus | None = None,
    ) -> dict[str, pd.DataFrame]:
        """Ask every utterance, given with its number, for tables; join those of one name, with `speaker` added."""
        corpus = corpus or self.corpus
        journal, tables = self._journal(name, corpus), dict[str, list[dict[str, Any]]]()
        with self.run.progress(name.replace("_", " ")) as progress:
            for number, id_ in enumerate(corpus.ids):
                if id_ not in journal.rows:
                    try:
                        with readable(id_):
                            utterance = corpus[id_]
                            made = make(utterance, number)
                    except SpeechInterpError as error:
                        if self.asked.on_bad == "raise":
                            raise
                        self.run.notes.append(f"{id_} left out: {error}")
                        continue
                    speaker = {"speaker": utterance.speaker or utterance.id}
                    rows = [
                        {"table": key, **row}
                        for key, part in made.items()
                        for row in _records(part.assign(**speaker))
                    ]
                    journal.rows[id_] = rows
                    journal.write({"utterance": id_, "rows": rows})
                progress(number + 1, len(corpus))
        for id_ in corpus.ids:
            for row in journal.rows.get(id_, ()):
                tables.setdefault(row["table"], []).append({k: v for k, v in row.items() if k != "table"})
        if not tables:
            raise SpeechInterpError(
                f"none of {len(corpus)} utterances of corpus {corpus.name!r} gives a result",
                expected="at least one",
                cause="a tier, a model and a corpus that do not go together, or utterances that were all left out",
                fix="another tier or model; without --on-bad skip the first error is shown",
            )
        return {key: pd.DataFrame(rows) for key, rows in tables.items()}

    def _journal(self, name: str, corpus: Corpus) -> Journal:
        asked = {
            key: value for key, value in vars(self.asked).items() if key not in ("out", "device", "on_bad")
        }
        about = {"weights": self.model.describe(), "utterances": corpus.ids, "version": si.__version__}
        record = {**asked, **about}
        return Journal(self.out / "parts" / f"{name}.jsonl", record)

    def write(self, name: str, table: pd.DataFrame, figure: Figure | None = None, says: str = "") -> None:
        """Write a table and its figure, put both on the page, and say what they say."""
        self.run.write(f"{name}.csv", table.to_csv(index=False))
        self.sections += [Heading(name.replace("_", " ").capitalize()), *([Paragraph(says)] if says else [])]
        if figure is not None:
            png, _ = save_figure(figure, self.out / name)
            self.sections.append(Picture(png, f"{name}: the figure of {name}.csv"))
        self.sections.append(beginning(table, f"{name}.csv"))
        shown = f": {says}" if says else f"\n{table.head(20).round(3).to_string(index=False)}"
        self.run.say(name + shown)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return table.astype(object).where(table.notna(), None).to_dict("records")
