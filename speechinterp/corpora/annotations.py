"""Annotation files of every known format: read into tiers, and written from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from speechinterp.audio import Sound, head_of
from speechinterp.corpora.files import read_text
from speechinterp.corpora.formats.audacity import compose_audacity, parse_audacity
from speechinterp.corpora.formats.buckeye import compose_phones, compose_words, parse_phones, parse_words
from speechinterp.corpora.formats.common import Recording
from speechinterp.corpora.formats.ctm import compose_ctm, parse_ctm
from speechinterp.corpora.formats.eaf import compose_eaf, parse_eaf
from speechinterp.corpora.formats.emu import compose_emu, parse_emu
from speechinterp.corpora.formats.subtitles import compose_srt, compose_vtt, parse_srt, parse_vtt
from speechinterp.corpora.formats.textgrid import compose_short_textgrid, compose_textgrid, parse_textgrid
from speechinterp.errors import AnnotationError
from speechinterp.segments import Tier

__all__ = ["FORMATS", "Format", "format_of", "read_annotation", "write_annotation"]


@dataclass(frozen=True)
class Format:
    """How files of a suffix become tiers, and tiers become such files."""

    suffix: str
    parse: Callable[[str, str], list[Tier]]
    compose: Callable[[list[Tier], Recording], str]


FORMATS: dict[str, Format] = {
    "textgrid": Format(".TextGrid", parse_textgrid, compose_textgrid),
    "short-textgrid": Format(".TextGrid", parse_textgrid, compose_short_textgrid),
    "eaf": Format(".eaf", parse_eaf, compose_eaf),
    "emu": Format("_annot.json", parse_emu, compose_emu),
    "ctm": Format(".ctm", parse_ctm, compose_ctm),
    "vtt": Format(".vtt", parse_vtt, compose_vtt),
    "srt": Format(".srt", parse_srt, compose_srt),
    "audacity": Format(".txt", parse_audacity, compose_audacity),
    "words": Format(".words", parse_words, compose_words),
    "phones": Format(".phones", parse_phones, compose_phones),
}


def read_annotation(path: str | Path, *, format: str | None = None) -> dict[str, Tier]:
    """Read an annotation file.

    Parameters
    ----------
    path
        A file in UTF-8 or UTF-16.
    format
        ``textgrid``, ``eaf``, ``emu``, ``ctm``, ``vtt``, ``srt``, ``audacity``, or ``words`` and ``phones`` of
        Buckeye; without it, the suffix tells.

    Returns
    -------
    dict
        Tiers by name. Formats without names of tiers give ``words`` (CTM, .words), ``phones`` (.phones),
        ``labels`` (Audacity), and ``cues`` (subtitles, or ``words`` if every cue is one word).

    Raises
    ------
    AnnotationError
        If the file is missing, of an unknown format, broken, or its times are impossible.

    Examples
    --------
    >>> import speechinterp as si
    >>> tiers = si.read_annotation("interview.eaf")  # doctest: +SKIP
    >>> si.write_annotation("interview.TextGrid", tiers, audio="interview.wav")  # doctest: +SKIP
    """
    path = Path(path)
    parse = FORMATS[format_of(path, format)].parse
    if not path.is_file():
        raise AnnotationError(
            f"{path} is {'a folder' if path.exists() else 'not there'}",
            expected="an annotation file",
            cause="a wrong path, or a drive that is not mounted",
            fix="correct the path; folders of recordings are loaded with load_corpus",
        )
    return {tier.name: tier for tier in parse(read_text(path, path.name), path.name)}


def write_annotation(
    path: str | Path,
    tiers: Mapping[str, Tier],
    *,
    audio: str | Path | Sound | None = None,
    format: str | None = None,
    encoding: Literal["utf-8", "utf-16"] = "utf-8",
) -> None:
    """Write tiers to an annotation file, whole or not at all.

    Parameters
    ----------
    path
        Where to; folders on the way are made, and a file that is there is replaced.
    tiers
        By name, as :func:`read_annotation` returns them and utterances have them.
    audio
        The sound they belong to. It tells how long a TextGrid is, the sample rate in which EMU counts, and
        which file ELAN and EMU open.
    format
        As for :func:`read_annotation`, or ``short-textgrid``; without it, the suffix tells.
    encoding
        ``utf-16`` is for TextGrids only, and for programs that insist on it.

    Raises
    ------
    AnnotationError
        If the format is unknown, or cannot carry what the tiers hold (overlaps, points, several tiers); the
        message names the segment.
    """
    path = Path(path)
    name = format_of(path, format)
    form = FORMATS[name]
    if encoding != "utf-8" and form.suffix != ".TextGrid":
        raise AnnotationError(f"{name} in {encoding}", expected="utf-8", fix="leave encoding out")
    given = [Tier(key, tier.segments) for key, tier in tiers.items()]
    if not given:
        raise AnnotationError(f"no tiers for {path.name}", expected="at least one tier", fix="pass tiers")
    text = form.compose(given, _recording(path, form, audio))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(text.encode(encoding))
    part.replace(path)


def format_of(path: Path, format: str | None = None) -> str:
    """Return the name of a file's format: that given, or else the first with the suffix of the file.

    Raises
    ------
    AnnotationError
        If there is no such format, or no format has this suffix.
    """
    found = [name for name, form in FORMATS.items() if path.name.lower().endswith(form.suffix.lower())]
    if format in FORMATS:
        return str(format)
    if format is not None or not found:
        raise AnnotationError(
            f"no annotation format {format!r}" if format else f"{path.name} is of no known format",
            expected=f"one of {', '.join(FORMATS)}" if format else f"a suffix of {', '.join(_suffixes())}",
            fix="name the format, for example format='textgrid'",
        )
    return found[0]


def _suffixes() -> list[str]:
    return list(dict.fromkeys(form.suffix for form in FORMATS.values()))


def _recording(path: Path, form: Format, audio: str | Path | Sound | None) -> Recording:
    name = path.name[: -len(form.suffix)] if path.name.endswith(form.suffix) else path.stem
    if audio is None:
        return Recording(name)
    if isinstance(audio, Sound):
        return Recording(name, None, audio.duration, audio.sample_rate)
    head = head_of(audio)
    return Recording(name, Path(audio).name, head.n_samples / head.sample_rate, head.sample_rate)
