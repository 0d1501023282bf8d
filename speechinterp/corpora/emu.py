"""EMU speech databases: hierarchies of levels, of which some carry times."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from speechinterp.corpora.files import existing_folder, read_text, relative, speaker_rule
from speechinterp.corpora.formats.emu import attributes_of, parse_emu, parse_json
from speechinterp.corpora.tiers import fit_to_audio, transcript_of, with_standard_names
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError, shortlist
from speechinterp.segments import Tier

__all__ = ["read_emu"]

ORTHOGRAPHY = ("text", "ort", "orthography")
"""Attributes of a level of words that hold the words themselves, where its first label is something else."""
WORDS = ("word", "words", "ort")
PHONES = ("phonetic", "phones", "phone", "segment", "segments", "mau", "phoneme", "phonemes")


def read_emu(root: Path, *, speaker: str = "none") -> Corpus:
    """Read an EMU database.

    Parameters
    ----------
    root
        The folder ``NAME_emuDB``, with ``NAME_DBconfig.json`` in it.
    speaker
        An EMU database does not say who speaks. ``folder``: one speaker a session; ``prefix:N``: the first N
        letters of the bundle's name; or ``none``.

    Returns
    -------
    Corpus
        Levels become tiers of their name, and further attributes of a level tiers of theirs where any is
        filled in. The level of words, with its orthography if that is an attribute, is also ``words``; that
        of phones also ``phones``.

    Raises
    ------
    CorpusError
        If `root` is no EMU database, or the speaker rule is unknown.

    Notes
    -----
    What a level's times mean is told by :func:`~speechinterp.corpora.formats.emu.parse_emu`.

    References
    ----------
    Winkelmann, R., Harrington, J. & Jänsch, K. (2017). EMU-SDMS: Advanced speech database management and
    analysis in R. Computer Speech & Language 45, 392-410.
    """
    configs = sorted(existing_folder(root).glob("*_DBconfig.json"))
    if len(configs) != 1:
        inside = sorted(path.name for path in root.glob("*_emuDB"))
        raise CorpusError(
            f"{root} holds {len(configs)} files called *_DBconfig.json",
            expected="one: the folder of an EMU database",
            cause=f"the folder above {shortlist(inside)}" if inside else "a folder of another kind",
            fix="give the folder that ends in _emuDB",
        )
    suffix = parse_json(_text(configs[0], root), configs[0].name).get("mediafileExtension", "wav")
    name_speaker = speaker_rule(speaker)
    sources = {}
    for bundle in sorted(root.glob("*_ses/*_bndl")):
        plain = bundle / bundle.name.removesuffix("_bndl")
        spoken_by = name_speaker(f"{bundle.parent.name.removesuffix('_ses')}/{plain.name}")
        id_ = relative(plain, root)
        sources[id_] = partial(_utterance, id_, plain.with_name(f"{plain.name}.{suffix}"), root, spoken_by)
    return Corpus(configs[0].name.removesuffix("_DBconfig.json"), sources)


def _utterance(id_: str, audio: Path, root: Path, speaker: str | None) -> Utterance:
    path = audio.with_name(f"{audio.stem}_annot.json")
    name, text = relative(path, root), _text(path, root)
    fitted = fit_to_audio(parse_emu(text, name), audio, name)
    named = with_standard_names(fitted, name, *_standard(parse_json(text, name), fitted))
    session = audio.parent.parent.name.removesuffix("_ses")
    return Utterance(id_, audio, speaker, transcript_of(named), named, {"session": session})


def _text(path: Path, root: Path) -> str:
    name = relative(path, root)
    if not path.is_file():
        raise AnnotationError(
            f"no {name}",
            expected="an _annot.json in every bundle",
            cause="a bundle that was not copied whole",
            fix="copy it again, or remove the bundle",
        )
    return read_text(path, name)


def _standard(annotation: dict[str, Any], tiers: dict[str, Tier]) -> tuple[str | None, str | None]:
    """Return the names of the tiers of words and of phones, where there are such."""
    levels = {level["name"].lower(): level for level in annotation["levels"]}
    words = next((levels[name] for name in WORDS if name in levels), None)
    phones = next((levels[name] for name in PHONES if name in levels), None)
    named = [a for a in attributes_of(words) if a.lower() in ORTHOGRAPHY and a in tiers] if words else []
    return named[0] if named else words and words["name"], phones and phones["name"]
