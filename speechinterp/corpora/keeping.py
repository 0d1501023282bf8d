"""Keeping: one file of results for every utterance of a corpus, from which an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from speechinterp.corpora.files import readable
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import SpeechInterpError

__all__ = ["keep_each", "write_whole"]

Result = TypeVar("Result")


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
