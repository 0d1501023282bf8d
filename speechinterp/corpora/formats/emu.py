"""EMU's ``_annot.json``: levels of items, of which some carry times, in samples."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from speechinterp.corpora.formats.common import Recording, cannot_carry, is_points, refuse_overlap
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

__all__ = ["attributes_of", "compose_emu", "parse_emu", "parse_json"]

Times = tuple[float, float]


def parse_json(text: str, name: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises
    ------
    AnnotationError
        If it is no JSON, or no object.
    """
    try:
        content = json.loads(text)
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


def parse_emu(text: str, name: str) -> list[Tier]:
    """Return a tier for every level, and for every further attribute of a level that is filled in anywhere.

    Raises
    ------
    AnnotationError
        If it is no EMU annotation, or its times are impossible.

    Notes
    -----
    A segment from sample s that lasts d (the database counts one less than there are) runs from ``s / rate``
    to ``(s + d + 1) / rate``. Older databases count all samples; where the next segment starts at s + d, the
    segment ends there. An item without times of its own runs from the first start to the last end of
    the segments it dominates through links, or if there are none of the events; an item that dominates
    neither has no place in time and is left out.
    """
    annotation = parse_json(text, name)
    try:
        return _tiers(annotation, name)
    except (KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise AnnotationError(
            f"{name} is not laid out as an EMU annotation: {type(error).__name__} {error}",
            expected="sampleRate, levels with items and their labels, and links",
            cause="a file that was written or changed by a script",
            fix="check the database with load_emuDB(verbose = TRUE) of emuR",
        ) from error


def _tiers(annotation: dict[str, Any], name: str) -> list[Tier]:
    levels = annotation["levels"]
    times = _times(annotation)
    tiers: dict[str, Tier] = {}
    for level in levels:
        tiers[level["name"]] = _tier(level, level["name"], times, name)
    for level in levels:
        for attribute in attributes_of(level):
            tier = _tier(level, attribute, times, name)
            if attribute not in tiers and any(tier.labels):
                tiers[attribute] = tier
    return list(tiers.values())


def attributes_of(level: dict[str, Any]) -> list[str]:
    """Return the names of a level's labels; the first is that of the level."""
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


def compose_emu(tiers: list[Tier], recording: Recording) -> str:
    """Return an ``_annot.json`` with a level for every tier: EVENT for points, else SEGMENT; without links.

    Times are rounded to samples of the recording.

    Raises
    ------
    AnnotationError
        If the sample rate is unknown, intervals overlap or are shorter than a sample, or a tier holds points
        and intervals.
    """
    if not recording.sample_rate:
        raise cannot_carry(
            "EMU",
            f"{recording.name} without a sample rate, in which EMU counts",
            "pass audio=, which has one",
        )
    rate, count = recording.sample_rate, 0
    levels = []
    for tier in tiers:
        points, items = is_points(tier, "EMU"), []
        for each in tier if points else refuse_overlap(tier, "EMU", "write a TextGrid for each speaker"):
            count += 1
            labels = [{"name": tier.name, "value": each.label}]
            items.append({"id": count, **_samples(each, rate, points), "labels": labels})
        levels.append({"name": tier.name, "type": "EVENT" if points else "SEGMENT", "items": items})
    content = {
        "name": recording.name,
        "annotates": recording.file or f"{recording.name}.wav",
        "sampleRate": rate,
        "levels": levels,
        "links": [],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _samples(each: Segment, rate: int, point: bool) -> dict[str, int]:
    start, end = round(each.start * rate), round(each.end * rate)
    if point:
        return {"samplePoint": start}
    if start == end:
        raise cannot_carry(
            "EMU",
            f"{each.label!r} at {each.start} s lasts less than a sample of {rate} Hz",
            "leave it out, or pass the sound at its own sample rate",
        )
    return {"sampleStart": start, "sampleDur": end - start - 1}
