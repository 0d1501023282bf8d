"""Finding the files of a corpus, and reading those that are text."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

from speechinterp.corpora.utterance import duplicate_id
from speechinterp.errors import AnnotationError, AudioError, CorpusError

__all__ = ["beside", "existing_folder", "find_audio", "read_text", "readable", "relative", "speaker_rule"]

AUDIO = frozenset([".aif", ".aiff", ".au", ".flac", ".mp3", ".nist", ".oga", ".ogg", ".opus", ".sph", ".wav"])
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def existing_folder(root: Path) -> Path:
    """Return `root` if it is a folder, else raise CorpusError."""
    if not root.is_dir():
        raise CorpusError(
            f"{root} is {'a file' if root.exists() else 'not there'}",
            expected="the folder of a corpus",
            cause="a wrong path, a drive that is not mounted, or a ~ that the shell left alone",
            fix="give the path of the folder after the reader's name",
        )
    return root


@contextmanager
def readable(id_: str) -> Iterator[None]:
    """Turn an error of the file system inside the block into an AudioError that names the utterance."""
    try:
        yield
    except OSError as error:
        raise AudioError(
            f"utterance {id_!r} cannot be read: {error.strerror or error}",
            expected="files that can be read",
            cause="missing permission, or a drive that failed or was taken away",
            fix="make its files readable, or leave it out (--on-bad skip)",
        ) from error


def find_audio(root: Path) -> dict[str, Path]:
    """Return the sound files below a folder by utterance id; hidden files and folders are left out.

    A file with a doubled suffix (``SA1.WAV.wav``, as some releases of TIMIT have beside or instead of
    ``SA1.WAV``) is the same recording.

    Raises
    ------
    CorpusError
        If there is no folder, no sound in it, or two files with the same id.
    """
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(existing_folder(root)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() not in AUDIO or name.startswith("."):
                continue
            plain = path.with_suffix("")
            if plain.suffix.lower() in AUDIO:
                if plain.name in names:
                    continue
                plain = plain.with_suffix("")
            id_ = relative(plain, root)
            if id_ in found:
                raise duplicate_id(id_, f"both {relative(found[id_], root)} and {relative(path, root)}")
            found[id_] = path
    if not found:
        raise CorpusError(
            f"no sound file below {root}",
            expected=f"files ending in {', '.join(sorted(AUDIO))}",
            cause="the path of a folder beside the sound, or another format such as .m4a or .wma",
            fix="give the folder that holds the sound, or convert it to WAV or FLAC",
        )
    return found


def relative(path: Path, root: Path) -> str:
    """Return a path as it is called in ids and messages: from the root of the corpus, with /."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def beside(plain: Path, suffix: str) -> Path | None:
    """Return the file of that path and suffix, in any of the usual cases; None if there is none."""
    stem = plain.name
    for s, x in product((stem, stem.lower(), stem.upper()), (suffix, suffix.lower(), suffix.upper())):
        if (path := plain.with_name(s + x)).is_file():
            return path
    return None


def read_text(path: Path, name: str) -> str:
    """Return a text file in UTF-8 or UTF-16, with plain line ends.

    Raises
    ------
    AnnotationError
        If it is empty or in another encoding.
    """
    data = path.read_bytes()
    if not data.strip(b" \t\r\n\0"):
        raise AnnotationError(
            f"{name} is empty",
            expected="an annotation",
            cause="a program or copy that was broken off",
            fix="make or copy it again, or remove the recording",
        )
    encoding = next((e for mark, e in MARKS.items() if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data[:2]:
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{name} is not text in {encoding.upper()}: byte {error.start} cannot be decoded",
            expected="text in UTF-8 or UTF-16",
            cause="an older encoding (Latin-1, MacRoman), or another kind of file under this name",
            fix=f"save it again as UTF-8, or convert it: iconv -f LATIN1 -t UTF-8 {path.name}",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _prefix(name: str, n: int) -> str:
    if len(name) < n:
        raise CorpusError(
            f"speaker=prefix:{n}, and a recording called {name!r}",
            expected=f"names of at least {n} letters",
            cause="speakers whose names are not equally long",
            fix="a smaller N, a folder for every speaker, or a table with a column speaker (table:FILE.csv)",
        )
    return name[:n]


def speaker_rule(rule: str) -> Callable[[str], str | None]:
    """Return the function from utterance ids to speakers that ``folder``, ``prefix:N`` or ``none`` means.

    Raises
    ------
    CorpusError
        If the rule is unknown; the function raises it for a name shorter than N letters.
    """
    if rule == "none":
        return lambda id_: None
    if rule == "folder":
        return lambda id_: id_.split("/")[-2] if "/" in id_ else None
    if match := re.fullmatch(r"prefix:([1-9]\d*)", rule):
        return lambda id_: _prefix(id_.split("/")[-1], int(match[1]))
    raise CorpusError(
        f"speaker={rule}",
        expected="folder (the recording's folder), prefix:N (the first N letters of its name) or none",
        fix="for example speaker=prefix:3 where s01_word.wav is spoken by s01",
    )
