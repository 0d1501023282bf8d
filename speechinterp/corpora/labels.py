"""Labels of phones: from one set of labels to another, and to the features of the IPA chart."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Tier

__all__ = ["FEATURES", "INVENTORIES", "features", "label_map", "map_labels"]

INVENTORIES = ("timit61", "timit48", "timit39", "arpabet", "buckeye", "ipa", "xsampa")
FEATURES = ("manner", "place", "voicing", "height", "backness", "rounding")

LEFT_OUT = "-"
SYNONYMS = {"g": "ɡ", "ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", ":": "ː", "\u0361": "", "\u035c": ""}
SYNONYMS["\u030a"] = "\u0325"
"""Other ways to write the IPA; ties go, since an affricate is one label with them or without. A ring may be above."""
RHOTIC = ("ɹ", "ɻ")

Rule = Callable[[str], "str | None"]


def map_labels(tier: Tier, source: str, target: str, *, unmapped: Literal["raise", "drop"] = "raise") -> Tier:
    """Return the tier with its labels written in another inventory.

    Parameters
    ----------
    tier
        The segments; their times stay, and neighbours that become the same label are not joined.
    source, target
        Two of ``timit61``, ``timit48``, ``timit39``, ``arpabet``, ``buckeye``, ``ipa`` and ``xsampa``.
    unmapped
        What to do with labels that the map does not have: ``raise``, or ``drop`` their segments. What the map
        itself leaves out, such as ``q`` of TIMIT, is left out in both cases.

    Raises
    ------
    AnnotationError
        If labels have no counterpart (the message lists them), or there is no map between the two.

    Examples
    --------
    >>> from speechinterp import Segment, Tier
    >>> map_labels(Tier("phones", [Segment(0, 0.1, "zh"), Segment(0.1, 0.2, "q")]), "timit61", "timit39").labels
    ['sh']
    >>> map_labels(Tier("phones", [Segment(0, 0.1, "CH")]), "arpabet", "xsampa").labels
    ['tS']
    """
    rule = label_map(source, target)
    found: dict[str, str | None] = {}
    lost = []
    for label in dict.fromkeys(tier.labels):
        try:
            found[label] = rule(label)
        except KeyError:
            lost.append(label)
    if lost and unmapped == "raise":
        raise _unmapped(lost, source, target, tier.name)
    return tier.relabel(found.get)


def label_map(source: str, target: str) -> Rule:
    """Return the function that writes a label of one inventory in another.

    It gives None for a label that the map leaves out, and raises KeyError for one that it does not have.
    Where the tables have no direct way, it goes through others: from TIMIT to X-SAMPA through the IPA.

    Raises
    ------
    AnnotationError
        If an inventory is unknown, or no way leads from the one to the other.
    """
    for name in (source, target):
        if name not in INVENTORIES:
            raise AnnotationError(
                f"no labels called {name!r}",
                expected=f"one of {', '.join(INVENTORIES)}",
                fix="labels that are close to the IPA, such as those of the corpus demo, are ipa",
            )
    steps = [_maps()[pair] for pair in _way(source, target)]

    def rule(label: str) -> str | None:
        for step in steps:
            if (next_ := step(label)) is None:
                return None
            label = next_
        return label

    return rule


def features(label: str, inventory: str) -> dict[str, str | None]:
    """Return the features of a phone, in the terms of the IPA chart.

    Parameters
    ----------
    label
        One label; diphthongs, affricates and rhotic vowels are one label of several symbols.
    inventory
        Which set of labels it comes from, as for :func:`map_labels`; the corpus ``demo`` has ``ipa``.

    Returns
    -------
    dict
        ``manner`` (plosive, affricate, fricative, nasal, tap, approximant, lateral approximant, vowel, ...,
        silence), ``place``, ``voicing`` (voiced, voiceless), ``height`` (close, mid, open), ``backness``
        (front, central, back) and ``rounding`` (rounded, unrounded). None where a feature does not apply:
        vowels have no place, consonants no height, silence nothing but its manner.

    Raises
    ------
    AnnotationError
        If the inventory has no such label, or leaves it out (noise, laughter).

    Notes
    -----
    The seven heights of the chart become three, with near-close as close and near-open as open, and the five
    degrees of backness three. A label of several symbols has the features that they share: ``eɪ`` is front and
    unrounded, and has no height. A plosive and a fricative in one label are an affricate at the place of the
    fricative; ɹ after a vowel in one label is its rhoticity and counts for nothing else. Diacritics
    count only where they change the voicing. TIMIT's closures have the features of their plosive in
    ``timit61``, and are silence in the other two, which merge them.

    Examples
    --------
    >>> features("zh", "timit61")["place"]
    'postalveolar'
    >>> features("aʊ", "ipa")
    {'manner': 'vowel', 'place': None, 'voicing': 'voiced', 'height': None, 'backness': None, 'rounding': None}
    """
    try:
        ipa = label_map(inventory, "ipa")(label)
    except KeyError:
        raise _unmapped([label], inventory, "ipa", "") from None
    if ipa is None:
        raise AnnotationError(
            f"{label!r} of {inventory} is no phone and has no features",
            expected="a phone or silence",
            fix="leave these segments out before",
        )
    chart, tokens = _chart(), _tokens(ipa, "ipa")
    sounds = [chart[token] for token in tokens if chart[token]["manner"] != "diacritic"]
    if not sounds:
        return {**dict.fromkeys(FEATURES), "manner": "silence"}
    if len(sounds) > 1 and sounds[0]["manner"] == "vowel" and sounds[-1]["ipa"] in RHOTIC:
        sounds = sounds[:-1]
    shared = {key: _shared(sound[key] for sound in sounds) for key in FEATURES}
    if [sound["manner"] for sound in sounds] == ["plosive", "fricative"]:
        shared |= {"manner": "affricate", "place": sounds[1]["place"]}
    changed = [chart[token]["voicing"] for token in tokens if chart[token]["manner"] == "diacritic"]
    shared["voicing"] = next(filter(None, changed), shared["voicing"])
    return shared


def _shared(values: Iterable[str]) -> str | None:
    every = {_coarse(value) for value in values}
    return (every.pop() or None) if len(every) == 1 else None


def _coarse(value: str) -> str:
    return "mid" if value.endswith("-mid") else value.removeprefix("near-")


def _unmapped(labels: list[str], source: str, target: str, tier: str) -> AnnotationError:
    return AnnotationError(
        f"{f'tier {tier!r}: ' if tier else ''}no {target} for {source} {shortlist(map(repr, labels), 30)}",
        expected=f"labels of {source} that have a counterpart in {target}",
        cause="labels of another inventory, marks of noise, or a label that stands for two sounds",
        fix="name the right inventory, relabel the tier, or leave these out with unmapped='drop'",
    )


def _way(source: str, target: str) -> list[tuple[str, str]]:
    """Return the shortest chain of tables from one inventory to another."""
    if source == target:
        return [(source, source)]
    ways: deque[list[tuple[str, str]]] = deque([[pair] for pair in _maps() if pair[0] == source != pair[1]])
    while ways:
        way = ways.popleft()
        if way[-1][1] == target:
            return way
        seen = {source, *(pair[1] for pair in way)}
        ways.extend([*way, pair] for pair in _maps() if pair[0] == way[-1][1] and pair[1] not in seen)
    raise AnnotationError(
        f"no way from {source} to {target}",
        expected="two inventories of which the first tells at least as much as the second",
        cause="classes that merge sounds, which no table can take apart again",
        fix="map to timit39, arpabet, ipa or xsampa",
    )


@cache
def _maps() -> dict[tuple[str, str], Rule]:
    """Return every direct map: those that the tables spell out, and those between ways to write the IPA."""
    timit, arpabet, buckeye = _rows("timit"), _rows("arpabet"), _rows("buckeye")
    merged = {"sil": "", "cl": "", "vcl": "", "epi": ""}
    narrow = {row["timit61"]: row["ipa"] for row in timit}
    classes = {n: {row[n] for row in timit} - {LEFT_OUT} for n in ("timit48", "timit39")}
    tables = {
        ("timit61", "timit48"): {row["timit61"]: row["timit48"] for row in timit},
        ("timit61", "timit39"): {row["timit61"]: row["timit39"] for row in timit},
        ("timit48", "timit39"): {row["timit48"]: row["timit39"] for row in timit},
        ("timit61", "ipa"): narrow,
        **{(n, "ipa"): {label: (merged | narrow)[label] for label in classes[n]} for n in classes},
        ("arpabet", "ipa"): {row["arpabet"]: row["ipa"] for row in arpabet},
        ("arpabet", "timit39"): {row["arpabet"]: row["timit39"] for row in arpabet},
        ("buckeye", "ipa"): {row["buckeye"]: row["ipa"] for row in buckeye},
        ("buckeye", "timit61"): {row["buckeye"]: row["timit61"] for row in buckeye},
        ("ipa", "arpabet"): {row["ipa"]: row["arpabet"] for row in reversed(arpabet)},
    }
    forms: dict[str, Rule] = {"arpabet": _arpabet, "ipa": _ipa}
    rules = {pair: _rule(table, forms.get(pair[0], str)) for pair, table in tables.items()}
    for one in ("ipa", "xsampa"):
        rules |= {(one, other): _spelling(one, other) for other in ("ipa", "xsampa")}
    for name in INVENTORIES:
        known = {
            row[name] for row in {"arpabet": arpabet, "buckeye": buckeye}.get(name, timit) if name in row
        }
        rules.setdefault((name, name), _rule({label: label for label in known - {LEFT_OUT}}, str))
    return rules


def _rule(table: dict[str, str], form: Rule) -> Rule:
    def rule(label: str) -> str | None:
        known = label if label in table else form(label)
        found = table[known or ""]
        return None if found == LEFT_OUT else found

    return rule


def _arpabet(label: str) -> str:
    """Return an ARPABET label as in the table: in capitals, with stress only where it changes the sound."""
    upper = label.upper()
    return upper if upper in ("AH0", "ER0") else re.sub(r"(?<=[A-Z])[0-2]$", "", upper)


def _ipa(label: str) -> str:
    """Return a label in one way to write the IPA: composed, without ties, stress and length."""
    spelt = "".join(_tokens(label, "ipa"))
    return unicodedata.normalize("NFC", re.sub("[ˈˌːˑ.]", "", spelt))


def _spelling(source: str, target: str) -> Rule:
    """Return the map between two ways to write the IPA, symbol by symbol."""
    names: dict[str, str] = {}
    for row in _rows("ipa"):
        names.setdefault(_decomposed(row[source]), _decomposed(row[target]))

    def rule(label: str) -> str:
        return unicodedata.normalize("NFC", "".join(names[token] for token in _tokens(label, source)))

    return rule


def _tokens(label: str, alphabet: str) -> list[str]:
    """Return the symbols of a label, the longest first; KeyError if some are not in the table."""
    text = _decomposed(label)
    if alphabet == "ipa":
        text = _decomposed("".join(SYNONYMS.get(character, character) for character in text))
    tokens, position = [], 0
    for match in _pattern(alphabet).finditer(text):
        if match.start() != position:
            break
        tokens.append(match.group())
        position = match.end()
    if position != len(text):
        raise KeyError(label)
    return tokens


@cache
def _pattern(alphabet: str) -> re.Pattern[str]:
    symbols = sorted({_decomposed(row[alphabet]) for row in _rows("ipa")}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, symbols)))


@cache
def _chart() -> dict[str, dict[str, str]]:
    return {_decomposed(row["ipa"]): row for row in _rows("ipa")}


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@cache
def _rows(table: str) -> list[dict[str, str]]:
    text = files("speechinterp.corpora").joinpath("inventories", f"{table}.csv").read_text("utf-8")
    return list(csv.DictReader(text.split("\n")[1:]))
