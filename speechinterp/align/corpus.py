"""Alignment of a corpus: annotation files and a record, utterance by utterance, so that nothing finished is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from speechinterp.align.alignment import Alignment
from speechinterp.align.entry import align
from speechinterp.align.evaluation import boundary_errors
from speechinterp.align.pronunciations import Lexicon
from speechinterp.corpora import Corpus, Utterance, write_annotation
from speechinterp.corpora.files import readable
from speechinterp.errors import AlignmentError, SpeechInterpError
from speechinterp.models import SpeechModel
from speechinterp.segments import Segment, Tier

__all__ = ["Aligned", "align_corpus"]

RECORD = "alignments.jsonl"


@dataclass(frozen=True)
class Aligned:
    """A corpus with its alignments.

    Parameters
    ----------
    corpus
        The utterances.
    alignments
        By id.
    skipped
        By id, why an utterance was left out.
    """

    corpus: Corpus
    alignments: dict[str, Alignment]
    skipped: dict[str, str]

    def utterances(self) -> pd.DataFrame:
        """Return one row an utterance: confidence, numbers of words and phones, and what is not in the vocabulary."""
        rows = []
        for id_, found in self.alignments.items():
            counts = {name: len(tier) for name, tier in found.items()}
            row: dict[str, Any] = {"utterance": id_, "confidence": found.attrs.get("confidence"), **counts}
            row["not_in_vocabulary"] = " ".join(found.attrs.get("unknown", ()))
            row["no_phones"] = found.attrs.get("no_phones", "")
            rows.append(row)
        return pd.DataFrame(rows)

    def segments(self) -> pd.DataFrame:
        """Return one row a segment: utterance, tier, label, start and end in seconds, score."""
        rows = [
            {"utterance": id_, "tier": name, **asdict(segment)}
            for id_, found in self.alignments.items()
            for name, tier in found.items()
            for segment in tier
        ]
        return pd.DataFrame(rows, columns=["utterance", "tier", "label", "start", "end", "score"])

    def errors(self) -> pd.DataFrame:
        """Return the errors of all boundaries for which the corpus has gold tiers; no rows without those."""
        tables = [boundary_errors(found, self.corpus[id_]) for id_, found in self.alignments.items()]
        return pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)


def align_corpus(
    model: SpeechModel,
    corpus: Corpus,
    out: str | Path,
    *,
    phone_model: SpeechModel | None = None,
    pronunciations: Lexicon | None = None,
    language: str = "en-us",
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
) -> Aligned:
    """Align every utterance of a corpus and write a TextGrid for each.

    Parameters
    ----------
    model, phone_model, pronunciations, language
        As for :func:`~speechinterp.align.align`.
    corpus
        The utterances.
    out
        Folder for ``ID.TextGrid`` and ``alignments.jsonl``, from which a later call goes on.
    on_bad
        What to do with an utterance that cannot be read or aligned: ``raise``, or ``skip`` and record why.
    progress
        Called with the numbers of utterances done and in all.

    Raises
    ------
    SpeechInterpError
        For a bad utterance; what is finished stays.
    AlignmentError
        If `out` holds alignments of another model or corpus, or nothing could be aligned.
    """
    out = Path(out)
    study = {
        "model": model.describe(),
        "phone_model": phone_model.describe() if phone_model else None,
        "pronunciations": _fingerprint(pronunciations),
        "language": language,
        "corpus": corpus.name,
        "corpus_options": {key: str(value) for key, value in corpus.options.items()},
    }
    log = _Log(out / RECORD, study)
    alignments: dict[str, Alignment] = {}
    skipped: dict[str, str] = {}
    for number, id_ in enumerate(corpus.ids, 1):
        entry = log.entries.get(id_)
        if entry is None or ("skipped" in entry and on_bad == "raise") or not _still_there(out, id_, entry):
            try:
                utterance = _read(corpus, id_)
                found = align(
                    model,
                    utterance,
                    phone_model=phone_model,
                    pronunciations=pronunciations,
                    language=language,
                )
                write_annotation(out / f"{id_}.TextGrid", found, audio=utterance.audio)
                entry = {"attrs": found.attrs, "tiers": {n: [asdict(s) for s in t] for n, t in found.items()}}
            except SpeechInterpError as error:
                if on_bad == "raise":
                    raise
                entry = {"skipped": str(error)}
            log.add(id_, entry)
        if "skipped" in entry:
            skipped[id_] = entry["skipped"]
        else:
            alignments[id_] = _alignment(entry)
        if progress:
            progress(number, len(corpus))
    if not alignments:
        raise AlignmentError(
            f"none of the {len(corpus)} utterances of corpus {corpus.name!r} could be aligned; the first: "
            f"{next(iter(skipped.values()))}",
            expected="sound and transcripts that the model can use",
            fix="see the reason above, and those in alignments.jsonl",
        )
    return Aligned(corpus, alignments, skipped)


class _Log:
    """A file with a line for the study and one for every finished utterance; a line that was cut off does not count."""

    def __init__(self, path: Path, study: dict[str, Any]) -> None:
        self.path = path
        self.entries: dict[str, dict[str, Any]] = {}
        lines = list(self._read())
        if lines and lines[0] != {"study": json.loads(json.dumps(study))}:
            raise AlignmentError(
                f"{path.parent} holds alignments of another model, dictionary or corpus",
                expected="an empty folder, or one of the same study",
                cause="the same --out for two studies",
                fix="give another folder (--out)",
            )
        for line in lines[1:]:
            self.entries[line.pop("utterance")] = line
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        kept = [{"study": study}, *({"utterance": id_} | entry for id_, entry in self.entries.items())]
        draft.write_text("".join(map(_line, kept)), encoding="utf-8")
        draft.replace(path)

    def _read(self) -> Iterator[dict[str, Any]]:
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError:
                    return

    def add(self, id_: str, entry: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"utterance": id_} | entry))


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False) + "\n"


def _still_there(out: Path, id_: str, entry: dict[str, Any]) -> bool:
    return "skipped" in entry or (out / f"{id_}.TextGrid").is_file()


def _alignment(entry: dict[str, Any]) -> Alignment:
    tiers = {name: Tier(name, [Segment(**s) for s in segments]) for name, segments in entry["tiers"].items()}
    return Alignment(tiers, entry["attrs"])


def _read(corpus: Corpus, id_: str) -> Utterance:
    with readable(id_):
        return corpus[id_]


def _fingerprint(lexicon: Lexicon | None) -> str | None:
    if lexicon is None:
        return None
    content = json.dumps({word: [list(p) for p in lexicon[word]] for word in sorted(lexicon)})
    return hashlib.sha256(content.encode()).hexdigest()
