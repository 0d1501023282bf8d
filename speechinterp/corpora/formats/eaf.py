"""ELAN's EAF: tiers in XML, with whole milliseconds.

The standard library reads and writes it. pympi, the usual package for EAF, is an oracle of the tests and no
dependency: it refuses files that name no schema or number no time slots, and leaves untimed slots to the caller.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import PurePath
from typing import TypeVar
from xml.etree import ElementTree as ET

from speechinterp.corpora.formats.common import (
    Recording,
    cannot_carry,
    milliseconds,
    refuse_overlap,
    refuse_repeated,
)
from speechinterp.corpora.tiers import segment
from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Tier

__all__ = ["UntimedWarning", "compose_eaf", "parse_eaf"]

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MEDIA = {".wav": "audio/x-wav", ".mp3": "audio/mpeg", ".flac": "audio/flac", ".ogg": "audio/ogg"}
APART = "put speech that overlaps on tiers of its own"

Times = tuple["str | None", "str | None"]
Value = TypeVar("Value")


class UntimedWarning(UserWarning):
    """A tier was left out because not all its annotations have a place in time."""


def parse_eaf(text: str, name: str) -> list[Tier]:
    """Return the tiers of an EAF file that have times.

    Raises
    ------
    AnnotationError
        If it is no EAF, is cut off, refers to what is not there, has two tiers of the same name, or
        annotations overlap.

    Warns
    -----
    UntimedWarning
        For every tier that is left out because not all its annotations have a place in time.

    Notes
    -----
    An annotation that refers to another has the times of that one, if it is the only one on its tier that
    does. Several that divide another between them, as glosses divide a word, have an order and no times, and so
    have those whose time slots lack a value; ELAN draws them equally long, which nobody has measured.
    """
    root = _root(text, name)
    slots = {_key(slot, "TIME_SLOT_ID", name): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    parents: dict[str, str] = {}
    own: dict[str, Times] = {}
    for tier in root.iter("TIER"):
        for each in tier.iter("ALIGNABLE_ANNOTATION"):
            start, end = (_known(slots, _key(each, f"TIME_SLOT_REF{n}", name), name) for n in (1, 2))
            own[_key(each, "ANNOTATION_ID", name)] = start, end
        references = [_key(each, "ANNOTATION_REF", name) for each in tier.iter("REF_ANNOTATION")]
        siblings = Counter(references)
        for each, reference in zip(tier.iter("REF_ANNOTATION"), references, strict=True):
            key = _key(each, "ANNOTATION_ID", name)
            if siblings[reference] == 1:
                parents[key] = reference
            else:
                own[key] = (None, None)
    tiers = [_tier(element, own, parents, name) for element in root.iter("TIER")]
    timed = [tier for tier in tiers if tier is not None]
    return refuse_repeated(timed, name, "ELAN")


def _root(text: str, name: str) -> ET.Element:
    try:
        root = ET.fromstring(text if "<!DOCTYPE" not in text else "")
    except ET.ParseError as error:
        raise AnnotationError(
            f"{name}, line {error.position[0]}: {error}",
            expected="XML without a DOCTYPE, as ELAN writes it",
            cause="a file that was cut off or edited by hand",
            fix="open it in ELAN and save it again, or copy it again",
        ) from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise AnnotationError(
            f"{name} is XML, but its root is {root.tag!r}",
            expected="ANNOTATION_DOCUMENT",
            cause="a template or a file of another program",
            fix="give the .eaf file",
        )
    return root


def _tier(
    element: ET.Element, own: Mapping[str, Times], parents: Mapping[str, str], name: str
) -> Tier | None:
    tier = _key(element, "TIER_ID", name)
    segments, untimed = [], []
    for each in element.iter():
        if each.tag not in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            continue
        key, label = _key(each, "ANNOTATION_ID", name), each.findtext("ANNOTATION_VALUE") or ""
        where = f"{name}, tier {tier!r}, annotation {key}"
        ancestor, passed = key, {key}
        while ancestor in parents:
            ancestor = parents[ancestor]
            if ancestor in passed:
                raise _broken(where, "refers to itself")
            passed.add(ancestor)
        start, end = _known(own, ancestor, where)
        if start is None or end is None:
            untimed.append(label)
        else:
            segments.append(segment(_ms(start, where), _ms(end, where), label, where))
    if untimed:
        warnings.warn(
            f"{name}: tier {tier!r} is left out, since {len(untimed)} of its {len(untimed) + len(segments)} "
            f"annotations have no times of their own: {shortlist(untimed, 5)}; to use it, align it in ELAN",
            UntimedWarning,
            stacklevel=2,
        )
        return None
    return refuse_overlap(Tier(tier, segments), name, APART)


def _key(element: ET.Element, attribute: str, name: str) -> str:
    value = element.get(attribute)
    if value is None:
        raise _broken(name, f"{element.tag} without {attribute}")
    return value


def _known(table: Mapping[str, Value], key: str, name: str) -> Value:
    if key not in table:
        raise _broken(name, f"{key!r} is referred to and not there")
    return table[key]


def _ms(text: str, where: str) -> float:
    if not re.fullmatch(r"-?\d+", text):
        raise _broken(where, f"time {text!r}, which is no whole number of milliseconds")
    return int(text) / 1000


def _broken(where: str, found: str) -> AnnotationError:
    return AnnotationError(
        f"{where}: {found}",
        expected="an EAF file as ELAN writes it",
        cause="a file written or changed by a script, or merged by hand",
        fix="open it in ELAN and save it again, or make it again",
    )


def compose_eaf(tiers: list[Tier], recording: Recording) -> str:
    """Return an EAF file, version 3.0, with times in whole milliseconds.

    Raises
    ------
    AnnotationError
        If segments overlap, are points or shorter than a millisecond, or a label holds what XML cannot.
    """
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": INSTANCE,
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if recording.file:
        kind = MEDIA.get(PurePath(recording.file).suffix.lower(), "audio/*")
        link = {"MEDIA_URL": "", "MIME_TYPE": kind, "RELATIVE_MEDIA_URL": f"./{recording.file}"}
        ET.SubElement(header, "MEDIA_DESCRIPTOR", link)
    order = ET.SubElement(root, "TIME_ORDER")
    slots: list[tuple[int, str]] = []
    for tier in tiers:
        element = ET.SubElement(
            root, "TIER", {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": _writable(tier.name)}
        )
        for each in refuse_overlap(tier, "EAF", APART):
            keys = []
            for time in milliseconds(each, "EAF"):
                keys.append(f"ts{len(slots) + 1}")
                slots.append((time, keys[-1]))
            box = ET.SubElement(element, "ANNOTATION")
            refs = {"TIME_SLOT_REF1": keys[0], "TIME_SLOT_REF2": keys[1]}
            body = ET.SubElement(
                box, "ALIGNABLE_ANNOTATION", {"ANNOTATION_ID": f"a{len(slots) // 2}", **refs}
            )
            ET.SubElement(body, "ANNOTATION_VALUE").text = _writable(each.label)
    for time, key in sorted(slots, key=lambda slot: slot[0]):
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": key, "TIME_VALUE": str(time)})
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "default-lt", "TIME_ALIGNABLE": "true"},
    )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _writable(text: str) -> str:
    if found := NOT_XML.search(text):
        raise cannot_carry(
            "EAF",
            f"{text!r} holds {found.group()!r}, which has no place in XML",
            "relabel the tier without control characters",
        )
    return text
