"""Keeping: results of every utterance, in files or in a journal, from which an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from speechinterp.corpora.files import readable
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import SpeechInterpError, StoreError

__all__ = ["Journal", "Row", "keep_each", "write_whole"]

Result = TypeVar("Result")
Row = dict[str, Any]


def keep_each(
    corpus: Corpus,
    folder: Path,
    make: Callable[[Utterance], Result],
    write: Callable[[Result, Path], None],
    check: Callable[[Path], None],
    *,
    fatal: type[SpeechInterpError],
    on_bad: Literal["raise", "skip"],
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, Path], dict[str, str]]:
    """Make and write what is not there yet, and check what is.

    Parameters
    ----------
    corpus
        The utterances.
    folder
        Of ``ID.nc``.
    make
        Gives the result of an utterance.
    write
        Writes it.
    check
        Raises if a file that is there is not of this study.
    fatal
        The error that stops the run whatever `on_bad` says.
    on_bad
        What to do with an utterance that cannot be used: ``raise``, or ``skip`` and say why.
    progress
        Called with the numbers of utterances done and in all.

    Returns
    -------
    paths, skipped
        The file of every utterance, and why others were left out.
    """
    paths: dict[str, Path] = {}
    skipped: dict[str, str] = {}
    for done, id_ in enumerate(corpus.ids):
        path = folder / f"{id_}.nc"
        try:
            if path.is_file():
                check(path)
            else:
                with readable(id_):
                    result = make(corpus[id_])
                write(result, path)
            paths[id_] = path
        except SpeechInterpError as error:
            if on_bad == "raise" or isinstance(error, fatal):
                raise
            skipped[id_] = str(error)
        if progress:
            progress(done + 1, len(corpus))
    return paths, skipped


def write_whole(write: Callable[[Path], object], path: Path) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    write(draft)
    draft.replace(path)


class Journal:
    """A file of finished utterances, one a line after a line that says what study they belong to.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    record
        What makes the study.

    Raises
    ------
    StoreError
        If the file belongs to another study, or cannot be written.
    """

    def __init__(self, path: Path | None, record: Mapping[str, Any]) -> None:
        self.path = path
        self.rows: dict[str, list[Row]] = {}
        self.skipped: dict[str, str] = {}
        if path is None:
            return
        text = json.dumps(record, sort_keys=True, default=str)
        first = {"study": hashlib.sha256(text.encode()).hexdigest(), "record": json.loads(text)}
        lines = _whole_lines(path)
        if lines and lines[0].get("study") != first["study"]:
            there = lines[0].get("record", {})
            differing = [k for k in first["record"] if there.get(k) != first["record"][k]]
            raise StoreError(
                f"{path} belongs to another study: {', '.join(differing) or 'its first line'} differs",
                expected="the same model, corpus and settings, to go on where it stopped",
                cause="a folder that was used before, or a setting that was changed",
                fix="give another folder (--out), or remove this file",
            )
        for line in lines[1:]:
            if "skipped" in line:
                self.skipped[line["utterance"]] = line["skipped"]
            else:
                self.rows[line["utterance"]] = line["rows"]
        whole = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines or [first])
        write_whole(lambda draft: draft.write_text(whole, encoding="utf-8"), path)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Add one utterance."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal up to the first that is not whole, since a run may have been killed."""
    lines: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
            try:
                lines.append(json.loads(line))
            except ValueError:
                break
    return lines
