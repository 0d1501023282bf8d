"""EMU speech databases: hierarchies of levels, of which some carry times."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from speechinterp.corpora.files import existing_folder, read_text, relative, speaker_rule
from speechinterp.corpora.tiers import fit_to_audio, segment, transcript_of, with_standard_names
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError, shortlist
from speechinterp.segments import Tier

__all__ = ["read_emu"]

ORTHOGRAPHY = ("text", "ort", "orthography")
"""Attributes of a level of words that hold the words themselves, where its first label is something else."""
WORDS = ("word", "words", "ort")
PHONES = ("phonetic", "phones", "phone", "segment", "segments", "mau", "phoneme", "phonemes")

Times = tuple[float, float]


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
    A segment from sample s that lasts d (the database counts one less than there are) runs from ``s / rate``
    to ``(s + d + 1) / rate``. Older databases count all samples; where the next segment starts at s + d, the
    segment ends there. An item without times of its own runs from the first start to the last end of
    the segments it dominates through links, or if there are none of the events; an item that dominates
    neither has no place in time and is left out.

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
    suffix = _json(configs[0], root).get("mediafileExtension", "wav")
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
    name = relative(path, root)
    annotation = _json(path, root)
    try:
        tiers = _tiers(annotation, name)
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise AnnotationError(
            f"{name} is not laid out as an EMU annotation: {type(error).__name__} {error}",
            expected="sampleRate, levels with items and their labels, and links",
            cause="a file that was written or changed by a script",
            fix="check the database with load_emuDB(verbose = TRUE) of emuR",
        ) from error
    fitted = fit_to_audio(tiers, audio, name)
    named = with_standard_names(fitted, name, *_standard(annotation, fitted))
    session = audio.parent.parent.name.removesuffix("_ses")
    return Utterance(id_, audio, speaker, transcript_of(named), named, {"session": session})


def _json(path: Path, root: Path) -> dict[str, Any]:
    name = relative(path, root)
    if not path.is_file():
        raise AnnotationError(
            f"no {name}",
            expected="an _annot.json in every bundle",
            cause="a bundle that was not copied whole",
            fix="copy it again, or remove the bundle",
        )
    try:
        content = json.loads(read_text(path, name))
    except json.JSONDecodeError as error:
        raise AnnotationError(
            f"{name}, line {error.lineno}: {error.msg}",
            expected="JSON as EMU writes it",
            cause="a file that was cut off or edited by hand",
            fix="correct the line, or copy the file again",
        ) from error
    if not isinstance(content, dict):
        raise AnnotationError(
            f"{name} holds a {type(content).__name__}", expected="a JSON object", fix="copy it again"
        )
    return content


def _tiers(annotation: dict[str, Any], name: str) -> list[Tier]:
    levels = annotation["levels"]
    times = _times(annotation)
    tiers: dict[str, Tier] = {}
    for level in levels:
        tiers[level["name"]] = _tier(level, level["name"], times, name)
    for level in levels:
        for attribute in _attributes(level):
            tier = _tier(level, attribute, times, name)
            if attribute not in tiers and any(tier.labels):
                tiers[attribute] = tier
    return list(tiers.values())


def _attributes(level: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(label["name"] for item in level["items"] for label in item["labels"]))


def _tier(level: dict[str, Any], attribute: str, times: dict[int, Times], name: str) -> Tier:
    segments = []
    for item in level["items"]:
        if item["id"] in times:
            labels = {label["name"]: str(label["value"]) for label in item["labels"]}
            where = f"{name}, level {level['name']}, item {item['id']}"
            segments.append(segment(*times[item["id"]], labels.get(attribute, ""), where))
    return Tier(attribute, segments)


def _times(annotation: dict[str, Any]) -> dict[int, Times]:
    """Return start and end in seconds of every item that has a place in time."""
    rate = annotation["sampleRate"]
    segments: dict[int, Times] = {}
    events: dict[int, Times] = {}
    items = [item for level in annotation["levels"] for item in level["items"]]
    for level in annotation["levels"]:
        starts = {item["sampleStart"] for item in level["items"] if "sampleStart" in item}
        for item in level["items"]:
            if "sampleStart" in item:
                start, last = item["sampleStart"], item["sampleStart"] + item["sampleDur"]
                stop = last if last in starts and last > start else last + 1
                segments[item["id"]] = start / rate, stop / rate
            elif "samplePoint" in item:
                events[item["id"]] = item["samplePoint"] / rate, item["samplePoint"] / rate
    below: dict[int, list[int]] = defaultdict(list)
    for link in annotation["links"]:
        below[link["fromID"]].append(link["toID"])
    times = segments | events
    for item in items:
        dominated = _dominated(item["id"], below)
        spans = [segments[i] for i in dominated if i in segments] or [
            events[i] for i in dominated if i in events
        ]
        if item["id"] not in times and spans:
            times[item["id"]] = min(start for start, _ in spans), max(end for _, end in spans)
    return times


def _dominated(item: int, below: dict[int, list[int]]) -> set[int]:
    reached: set[int] = set()
    waiting = list(below.get(item, ()))
    while waiting:
        each = waiting.pop()
        if each not in reached:
            reached.add(each)
            waiting.extend(below.get(each, ()))
    return reached


def _standard(annotation: dict[str, Any], tiers: dict[str, Tier]) -> tuple[str | None, str | None]:
    """Return the names of the tiers of words and of phones, where there are such."""
    levels = {level["name"].lower(): level for level in annotation["levels"]}
    words = next((levels[name] for name in WORDS if name in levels), None)
    phones = next((levels[name] for name in PHONES if name in levels), None)
    named = [a for a in _attributes(words) if a.lower() in ORTHOGRAPHY and a in tiers] if words else []
    return named[0] if named else words and words["name"], phones and phones["name"]
