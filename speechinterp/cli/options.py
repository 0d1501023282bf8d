"""Options that several commands take, and the corpus that they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from speechinterp.corpora import Corpus

__all__ = ["Heard", "Model", "OwnOut", "Utterances", "sound_or_corpus", "spread"]

Model = Annotated[str, typer.Argument(help="Hub id, local folder, demo/wav2vec2, demo/whisper, ...")]
Heard = Annotated[
    str,
    typer.Argument(
        metavar="AUDIO_OR_CORPUS",
        help="A sound file, with its TextGrid beside it, or a corpus: timit:PATH, textgrid:PATH, demo, ...",
    ),
]
Utterances = Annotated[
    int | None, typer.Option("--utterances", min=1, help="Only so many, evenly spread.  [default: all]")
]
OwnOut = Annotated[
    Path | None,
    typer.Option("--out", help="Folder for results.  [default: runs/, named after command and model]"),
]


def sound_or_corpus(sound: str, transcript: str | None = None) -> Corpus:
    """Return a corpus; a sound file is one of a single utterance, with annotation and text beside it.

    Raises
    ------
    CorpusError
        If there is no such sound or corpus, or a transcript is given for a whole corpus.
    """
    from speechinterp import Corpus, Utterance, load_corpus, read_annotation
    from speechinterp.corpora.annotated import annotation_tiers
    from speechinterp.corpora.files import read_text
    from speechinterp.errors import CorpusError

    place, asks, option = sound.partition("?")
    path, channel = Path(place), re.fullmatch(r"channel=(\d+)", option)
    if not path.is_file() or path.suffix.lower() == ".csv":
        if transcript is not None:
            raise CorpusError(
                f"one transcript for the corpus {sound!r}",
                expected="a sound file, of which it tells the words",
                cause="a file name that is mistyped, or a corpus, whose utterances bring their own",
                fix="name a sound file, or leave --transcript out",
            )
        return load_corpus(sound)
    if asks and not channel:
        raise CorpusError(f"{option!r} after a sound file", expected="channel=N", fix=f"{place}?channel=0")
    beside = [path.with_suffix(suffix) for suffix in (".TextGrid", ".textgrid", ".eaf")]
    found = next((each for each in beside if each.is_file()), None)
    tiers = annotation_tiers(read_annotation(found).values(), found.name, path) if found else {}
    texts = [path.with_suffix(suffix) for suffix in (".txt", ".lab")]
    if transcript is None:
        transcript = next((read_text(each, each.name).strip() for each in texts if each.is_file()), None)
    utterance = Utterance(
        path.stem, path, transcript=transcript, tiers=tiers, channel=int(channel[1]) if channel else None
    )
    return Corpus.of([utterance], path.stem)


def spread(corpus: Corpus, wanted: int | None) -> Corpus:
    """Return as many utterances of a corpus as are wanted, evenly spread; all for None or 0."""
    n = len(corpus)
    if not wanted or wanted >= n:
        return corpus
    return corpus.subset([corpus.ids[n * number // wanted] for number in range(wanted)])
