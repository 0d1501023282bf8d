"""LibriSpeech: read books, with transcripts and whatever alignments lie beside them."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from speechinterp.corpora.files import beside, find_audio, read_text, relative
from speechinterp.corpora.textgrid import textgrid_tiers
from speechinterp.corpora.tiers import fit_to_audio, segment
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError
from speechinterp.segments import Tier

__all__ = ["read_librispeech"]


def read_librispeech(root: Path) -> Corpus:
    """Read LibriSpeech: ``SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac`` at any depth.

    Parameters
    ----------
    root
        The corpus or a part of it, such as ``LibriSpeech/dev-clean``.

    Returns
    -------
    Corpus
        Transcript from ``SPEAKER-CHAPTER.trans.txt``; speaker and meta ``chapter`` from the folders; meta
        ``sex`` from ``SPEAKERS.TXT`` in the root or above it. Tiers from a TextGrid beside the sound, else
        ``words`` from ``SPEAKER-CHAPTER.alignment.txt``, else none.

    Raises
    ------
    CorpusError
        If there is no sound, or it does not lie in speaker and chapter folders.
    """
    found = find_audio(root)
    strange = [
        id_ for id_, path in found.items() if not path.name.startswith("-".join(path.parent.parts[-2:]) + "-")
    ]
    if strange:
        raise CorpusError(
            f"{strange[0]!r} below {root} is not laid out as in LibriSpeech",
            expected="SPEAKER/CHAPTER/SPEAKER-CHAPTER-NUMBER.flac",
            cause="another corpus, or files that were moved",
            fix="use textgrid: or table: for other layouts",
        )
    sexes = _sexes(root)
    return Corpus(
        "librispeech", {id_: partial(_utterance, id_, audio, root, sexes) for id_, audio in found.items()}
    )


def _utterance(id_: str, audio: Path, root: Path, sexes: dict[str, str]) -> Utterance:
    chapter, speaker = audio.parent.name, audio.parent.parent.name
    name = PurePosixPath(id_).name
    of_chapter = audio.with_name(f"{speaker}-{chapter}")
    return Utterance(
        id_,
        audio,
        speaker,
        _line(of_chapter.with_name(f"{of_chapter.name}.trans.txt"), name, root),
        _tiers(audio, name, of_chapter.with_name(f"{of_chapter.name}.alignment.txt"), root),
        {"chapter": chapter, **({"sex": sexes[speaker]} if speaker in sexes else {})},
    )


def _tiers(audio: Path, name: str, alignments: Path, root: Path) -> dict[str, Tier]:
    if grid := beside(audio.with_name(name), ".TextGrid"):
        return textgrid_tiers(grid, audio, root)
    if not alignments.is_file():
        return {}
    where = f"{relative(alignments, root)}, {name}"
    quoted = _line(alignments, name, root).split('"')
    try:
        words, ends = quoted[1].split(","), [0.0, *map(float, quoted[3].split(","))]
        pairs = zip(words, ends[:-1], ends[1:], strict=True)
        tier = Tier("words", [segment(start, end, word, where) for word, start, end in pairs])
    except (IndexError, ValueError) as error:
        raise AnnotationError(
            f"{where}: {error}",
            expected='an id, "word,word,..." and "end,end,..." in seconds, with as many ends as words',
            cause="a damaged line",
            fix="copy the alignments again, or remove the file",
        ) from error
    return fit_to_audio([tier], audio, where)


def _line(path: Path, name: str, root: Path) -> str:
    """Return what stands after the name of an utterance in a file of its chapter."""
    if path.is_file():
        for line in read_text(path, relative(path, root)).split("\n"):
            first, _, rest = line.partition(" ")
            if first == name:
                return rest.strip()
    raise AnnotationError(
        f"no line for {name} in {relative(path, root)}" if path.is_file() else f"no {relative(path, root)}",
        expected="one line an utterance, starting with its name",
        cause="a file that was not copied, or cut off",
        fix="copy it again, or leave the recording out",
    )


def _sexes(root: Path) -> dict[str, str]:
    folder = root.resolve()
    table = next((p for p in (f / "SPEAKERS.TXT" for f in (folder, *folder.parents)) if p.is_file()), None)
    if table is None:
        return {}
    rows = [line.split("|") for line in read_text(table, table.name).split("\n")]
    return {row[0].strip(): row[1].strip().lower() for row in rows if len(row) > 1}
