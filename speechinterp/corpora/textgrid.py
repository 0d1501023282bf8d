"""Recordings with Praat TextGrids: made by hand, or by the Montreal Forced Aligner, WebMAUS or ELAN."""

from __future__ import annotations

from pathlib import Path

from speechinterp.corpora.annotated import annotation_tiers, read_annotated
from speechinterp.corpora.files import read_text, relative
from speechinterp.corpora.formats.textgrid import parse_textgrid
from speechinterp.corpora.utterance import Corpus
from speechinterp.segments import Tier

__all__ = ["read_textgrid", "textgrid_tiers"]


def read_textgrid(
    root: Path,
    *,
    annotations: str | None = None,
    words: str | None = None,
    phones: str | None = None,
    labels: str | None = None,
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
        All tiers under their own names, empty intervals included. If only one is called word, ORT, ORT-MAU,
        ortho, orthography or "SPEAKER - words", it is also ``words``; if only one is called phone,
        phoneme(s), segment(s), MAU or "SPEAKER - phones", it is also ``phones``. The transcript is what
        ``words`` holds.

    Raises
    ------
    CorpusError
        If there is no sound, two files have the same id, or an option is unknown.
    """
    return read_annotated(
        root,
        format="textgrid",
        annotations=annotations,
        words=words,
        phones=phones,
        labels=labels,
        speaker=speaker,
        channel=channel,
    )


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
    return annotation_tiers(parse_textgrid(read_text(grid, name), name), name, audio, words, phones)
