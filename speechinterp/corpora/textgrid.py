"""Recordings with Praat TextGrids: made by hand, or by the Montreal Forced Aligner, WebMAUS or ELAN."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from speechinterp.corpora.files import beside, existing_folder, find_audio, read_text, relative, speaker_rule
from speechinterp.corpora.formats.textgrid import parse_textgrid
from speechinterp.corpora.tiers import fit_to_audio, transcript_of, with_standard_names
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError
from speechinterp.segments import Tier

__all__ = ["read_textgrid", "textgrid_tiers"]


def read_textgrid(
    root: Path,
    *,
    annotations: str | None = None,
    words: str | None = None,
    phones: str | None = None,
    speaker: str = "folder",
    channel: int | None = None,
) -> Corpus:
    """Read a folder of recordings with a TextGrid of the same name for each.

    Parameters
    ----------
    root
        The folder of the sound, at any depth.
    annotations
        A folder that repeats the folders of `root` and holds the TextGrids, as the Montreal Forced Aligner
        writes them; without it they lie beside the sound.
    words, phones
        The names of the tiers of words and phones, where they are not called so.
    speaker
        ``folder``: the name of the recording's folder, none if it lies in the root itself; ``prefix:N``: the
        first N letters of the recording's name; or ``none``.
    channel
        Which channel of files with several to use, 0 for the first.

    Returns
    -------
    Corpus
        All tiers under their own names, empty intervals included. If only one is called word, ORT, ORT-MAU,
        ortho, orthography or "SPEAKER - words", it is also ``words``; if only one is called phone,
        phoneme(s), segment(s), MAU or "SPEAKER - phones", it is also ``phones``. The transcript is what
        ``words`` holds.

    Raises
    ------
    CorpusError
        If there is no sound, two files have the same id, or the speaker rule is unknown.
    """
    name_speaker = speaker_rule(speaker)
    grids = root if annotations is None else existing_folder(Path(annotations).expanduser())
    sources = {
        id_: partial(
            _utterance,
            id_,
            audio,
            root,
            grids,
            words=words,
            phones=phones,
            speaker=name_speaker(id_),
            channel=channel,
        )
        for id_, audio in find_audio(root).items()
    }
    return Corpus(root.resolve().name, sources)


def textgrid_tiers(
    grid: Path, audio: Path, root: Path, words: str | None = None, phones: str | None = None
) -> dict[str, Tier]:
    """Return the tiers of one TextGrid, fitted to the sound and under their standard names too.

    Raises
    ------
    AnnotationError
        If the TextGrid is broken, lacks a tier that is named, or does not fit the sound.
    """
    name = relative(grid, root)
    tiers = fit_to_audio(parse_textgrid(read_text(grid, name), name), audio, name)
    return with_standard_names(tiers, name, words, phones)


def _utterance(
    id_: str,
    audio: Path,
    root: Path,
    grids: Path,
    *,
    words: str | None,
    phones: str | None,
    speaker: str | None,
    channel: int | None,
) -> Utterance:
    grid = beside(grids / id_, ".TextGrid")
    if grid is None:
        raise AnnotationError(
            f"no TextGrid for {relative(audio, root)}",
            expected=f"{id_}.TextGrid {'beside it' if grids == root else f'in {grids}'}",
            cause="a recording that nobody annotated or that the aligner skipped, or another name",
            fix="add or rename the TextGrid, name its folder with annotations=, or leave the recording out",
        )
    tiers = textgrid_tiers(grid, audio, grids, words, phones)
    return Utterance(id_, audio, speaker, transcript_of(tiers), tiers, channel=channel)
