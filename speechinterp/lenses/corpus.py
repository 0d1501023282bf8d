"""Over a corpus: every utterance once, what is finished is kept, and the result is one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch

import speechinterp
from speechinterp.corpora import Corpus, Utterance
from speechinterp.corpora.files import readable
from speechinterp.corpora.keeping import Journal, Row
from speechinterp.errors import LensError, SpeechInterpError
from speechinterp.models import SpeechModel

__all__ = ["COLUMNS", "OnBad", "Progress", "Row", "over_corpus"]

OnBad = Literal["raise", "skip"]
Progress = Callable[[int, int], object]

COLUMNS = [
    "model", "baseline", "lens", "layer", "utterance", "speaker", "symbols", "transcript", "reference", "steps",
    "accuracy", "surprisal", "entropy", "kl", "agreement", "settled", "ended",
]  # fmt: skip


def over_corpus(
    model: SpeechModel,
    corpus: Corpus,
    lens: str,
    read: Callable[[Utterance], list[Row]],
    *,
    settings: Mapping[str, Any],
    ids: Iterable[str] | None = None,
    out: str | Path | None = None,
    on_bad: OnBad = "raise",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Read every utterance of a corpus through a lens.

    Parameters
    ----------
    model, corpus
        What is read, and on what.
    lens
        Its name in the table.
    read
        Gives the rows of one utterance, one a layer; ``residual`` among them goes to the record.
    settings
        What else two runs must share to go on with each other's work.
    ids
        Only these utterances.
    out
        Folder where finished utterances are kept; None keeps them in memory.
    on_bad
        What to do with an utterance that cannot be used: ``raise``, or ``skip`` and record why.
    progress
        Called with the numbers of utterances done and in all.

    Returns
    -------
    pandas.DataFrame
        One row an utterance and layer.

    Raises
    ------
    SpeechInterpError
        For a bad utterance, unless `on_bad` is ``skip``; what was finished stays in `out`.
    StoreError
        If `out` holds another study.
    LensError
        If nothing is left.
    """
    wanted = corpus.ids if ids is None else sorted(ids)
    record = {
        **model.describe(),
        "corpus": corpus.name,
        "corpus_options": dict(corpus.options),
        "lens": lens,
        "symbols": model.vocabulary.kind,
        **settings,
        "version": speechinterp.__version__,
    }
    journal = Journal(Path(out) / f"{lens}-{model.baseline}.jsonl" if out else None, record)
    done, skipped = journal.rows, journal.skipped if on_bad == "skip" else {}
    for number, id_ in enumerate(wanted):
        if id_ not in done and id_ not in skipped:
            try:
                utterance = _checked(model, corpus, id_)
                with torch.no_grad():
                    rows = read(utterance)
            except SpeechInterpError as error:
                if on_bad == "raise":
                    raise
                skipped[id_] = f"{type(error).__name__}: {error}"
                journal.write({"utterance": id_, "skipped": skipped[id_]})
                continue
            base = {"utterance": id_, "speaker": utterance.speaker}
            done[id_] = [base | row for row in rows]
            journal.write({"utterance": id_, "rows": done[id_]})
        if progress is not None:
            progress(number + 1, len(wanted))
    every = [row for id_ in wanted if id_ in done for row in done[id_]]
    if not every:
        reasons = f"; the first: {next(iter(skipped.values()))}" if skipped else ""
        raise LensError(
            f"no utterance of corpus {corpus.name!r} could be read{reasons}",
            expected="at least one",
            fix="repair what was left out",
        )
    table = pd.DataFrame(every)
    table["model"], table["baseline"], table["symbols"] = model.id, model.baseline, model.vocabulary.kind
    table["residual"] = table["residual"] if "residual" in table else float("nan")
    residual = table["residual"].max()
    if "lens" not in table:
        table["lens"] = lens
    table = table.reindex(columns=COLUMNS)
    table.attrs = {
        **{str(key): value for key, value in record.items()},
        "residual": None if pd.isna(residual) else float(residual),
        "skipped": [
            {"utterance": id_, "reason": reason} for id_, reason in skipped.items() if id_ not in done
        ],
    }
    return table


def _checked(model: SpeechModel, corpus: Corpus, id_: str) -> Utterance:
    """Return an utterance whose sound the model can take."""
    with readable(id_):
        utterance = corpus[id_]
        model.check_sound(f"utterance {id_!r}", utterance.waveform(model.sample_rate))
    return utterance
