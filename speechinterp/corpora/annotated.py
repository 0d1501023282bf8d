"""Recordings with annotation files of any known format, by hand or from an aligner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path, PurePosixPath

from speechinterp.corpora.annotations import FORMATS, format_of
from speechinterp.corpora.files import beside, existing_folder, find_audio, read_text, relative, speaker_rule
from speechinterp.corpora.formats.ctm import parse_ctm_of_several
from speechinterp.corpora.labels import INVENTORIES, map_labels
from speechinterp.corpora.tiers import fit_to_audio, transcript_of, with_standard_names
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError, check_choice, shortlist
from speechinterp.segments import Tier

__all__ = ["annotation_tiers", "read_annotated"]

Found = tuple[list[Tier], str]
"""Tiers, and what the file they come from is called in errors."""


def read_annotated(
    root: Path,
    *,
    format: str | None = None,
    annotations: str | None = None,
    words: str | None = None,
    phones: str | None = None,
    labels: str | None = None,
    speaker: str = "folder",
    channel: int | None = None,
) -> Corpus:
    """Read a folder of recordings with an annotation file of the same name for each.

    Parameters
    ----------
    root
        The folder of the sound, at any depth.
    format
        ``textgrid``, ``eaf``, ``emu``, ``ctm``, ``vtt``, ``srt``, ``audacity``, ``words`` or ``phones``; without
        it, whatever lies beside the sound, if it is of one format.
    annotations
        A folder that repeats the folders of `root` and holds the annotations, without it they lie beside the
        sound; or one CTM file of all recordings, by their ids or plain names.
    words, phones
        The names of the tiers of words and phones, where they are not called so.
    labels
        From which to which inventory to map the labels of ``phones``, for example ``arpabet:ipa``; see
        :func:`~speechinterp.corpora.labels.map_labels`.
    speaker
        ``folder``: the name of the recording's folder, none if it lies in the root itself; ``prefix:N``: the
        first N letters of the recording's name; or ``none``.
    channel
        Which channel of files with several to use, 0 for the first.

    Returns
    -------
    Corpus
        All tiers under their own names, and as ``words`` and ``phones`` as for the reader ``textgrid``. The
        transcript is what ``words`` holds.

    Raises
    ------
    CorpusError
        If there is no sound, two files have the same id, or an option is unknown.
    """
    place = root if annotations is None else Path(annotations).expanduser()
    if format is not None:
        check_choice("format", format, FORMATS, CorpusError, "format=textgrid")
    name_speaker, mapped, suffixes = speaker_rule(speaker), _label_rule(labels), _suffixes(format)
    if not place.is_file():
        existing_folder(place)

    def utterance(id_: str, audio: Path) -> Utterance:
        found = _in_ctm(place, id_) if place.is_file() else _in_files(place, suffixes, id_)
        if found is None:
            raise _missing(id_, relative(audio, root), suffixes, None if place == root else place)
        tiers = mapped(annotation_tiers(*found, audio, words, phones))
        return Utterance(id_, audio, name_speaker(id_), transcript_of(tiers), tiers, channel=channel)

    sources = {id_: partial(utterance, id_, audio) for id_, audio in find_audio(root).items()}
    return Corpus(root.resolve().name, sources)


def annotation_tiers(
    tiers: Iterable[Tier], name: str, audio: Path, words: str | None = None, phones: str | None = None
) -> dict[str, Tier]:
    """Return tiers fitted to the sound, and under their standard names too.

    Raises
    ------
    AnnotationError
        If a tier that is named is not there, or the tiers do not fit the sound.
    """
    return with_standard_names(fit_to_audio(tiers, audio, name), name, words, phones)


def _suffixes(format: str | None) -> list[str]:
    names = FORMATS if format is None else [format]
    return list(dict.fromkeys(FORMATS[name].suffix for name in names))


def _missing(id_: str, audio: str, suffixes: list[str], place: Path | None) -> AnnotationError:
    what = suffixes[0].strip("._") if len(suffixes) == 1 else "annotation"
    files = f"{id_}{' or '.join(suffixes)}"
    return AnnotationError(
        f"no {what} for {audio}"
        if place is None or place.is_dir()
        else f"nothing about {audio} in {place.name}",
        expected=f"{files} {'beside it' if place is None else f'in {place}'}"
        if place is None or place.is_dir()
        else f"lines that start with {id_} or its last part",
        cause="a recording that nobody annotated or that the aligner skipped, or another name",
        fix="add or rename the annotation, name its place with annotations=, or leave the recording out",
    )


def _in_files(place: Path, suffixes: list[str], id_: str) -> Found | None:
    paths = [path for suffix in suffixes if (path := beside(place / id_, suffix))]
    formats = {path: format_of(path) for path in paths}
    if len(paths) > 1 and set(formats.values()) != {"words", "phones"}:
        raise AnnotationError(
            f"{id_} has {len(paths)} annotations: {shortlist(path.name for path in paths)}",
            expected="one, or .words and .phones of Buckeye",
            cause="the same annotation in two formats",
            fix=f"choose one, for example format={formats[paths[0]]}",
        )
    tiers: list[Tier] = []
    for path in paths:
        name = relative(path, place)
        tiers += FORMATS[formats[path]].parse(read_text(path, name), name)
    return (tiers, relative(paths[0], place)) if paths else None


def _in_ctm(path: Path, id_: str) -> Found | None:
    known = _ctm(path)
    tiers = known.get(id_, known.get(PurePosixPath(id_).name))
    return (tiers, path.name) if tiers else None


@cache
def _ctm(path: Path) -> dict[str, list[Tier]]:
    return parse_ctm_of_several(read_text(path, path.name), path.name)


def _label_rule(labels: str | None) -> Callable[[dict[str, Tier]], dict[str, Tier]]:
    if labels is None:
        return lambda tiers: tiers
    source, _, target = labels.partition(":")
    if not {source, target} <= set(INVENTORIES):
        raise CorpusError(
            f"labels={labels}",
            expected=f"FROM:TO, each one of {', '.join(INVENTORIES)}",
            fix="for example labels=arpabet:ipa",
        )

    def rule(tiers: dict[str, Tier]) -> dict[str, Tier]:
        return tiers | {n: map_labels(tier, source, target) for n, tier in tiers.items() if n == "phones"}

    return rule
