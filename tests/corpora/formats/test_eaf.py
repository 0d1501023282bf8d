"""ELAN's EAF."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from speechinterp.corpora.annotations import read_annotation, write_annotation
from speechinterp.corpora.formats.common import Recording
from speechinterp.corpora.formats.eaf import UntimedWarning, compose_eaf, parse_eaf
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier


def aligned(key: str, start: str, end: str, label: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{key}" TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
        f"<ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def referring(key: str, parent: str, label: str, previous: str = "") -> str:
    after = f' PREVIOUS_ANNOTATION="{previous}"' if previous else ""
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{key}" ANNOTATION_REF="{parent}"{after}>'
        f"<ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def eaf(*tiers: str, slots: str = "") -> str:
    slots = (
        slots
        or "".join(f'<TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{250 * n}"/>' for n in range(1, 6))
        + '<TIME_SLOT TIME_SLOT_ID="open"/>'
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" DATE="2020-01-01T00:00:00Z" '
        'FORMAT="3.0" VERSION="3.0"><HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>'
        f"<TIME_ORDER>{slots}</TIME_ORDER>{''.join(tiers)}"
        '<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="default-lt" TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>\n'
    )


def tier(name: str, *annotations: str) -> str:
    return f'<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{name}">{"".join(annotations)}</TIER>'


WORDS = tier("words", aligned("a1", "ts1", "ts2", "ja &amp; nein"), aligned("a2", "ts3", "ts4", ""))
READ = Tier("words", [Segment(0.25, 0.5, "ja & nein"), Segment(0.75, 1.0, "")])


def test_aligned_annotations() -> None:
    assert parse_eaf(eaf(WORDS), "a.eaf") == [READ]


def test_an_annotation_that_refers_to_another_has_its_times() -> None:
    gloss = tier("gloss", referring("b1", "a1", "yes"), referring("b2", "a2", "-"))
    note = tier("note", referring("c1", "b1", "?"))
    assert parse_eaf(eaf(note, WORDS, gloss), "a.eaf") == [
        Tier("note", [Segment(0.25, 0.5, "?")]),
        READ,
        Tier("gloss", [Segment(0.25, 0.5, "yes"), Segment(0.75, 1.0, "-")]),
    ]


def test_tiers_whose_times_nobody_measured_are_left_out_with_a_warning() -> None:
    glosses = tier("gloss", referring("b1", "a1", "one"), referring("b2", "a1", "two", "b1"))
    divided = tier("phones", aligned("d1", "ts1", "open", "j"), aligned("d2", "open", "ts2", "a"))
    notes = tier("note", referring("c1", "b2", "?"))
    with pytest.warns(UntimedWarning) as caught:
        assert parse_eaf(eaf(WORDS, glosses, divided, notes), "a.eaf") == [READ]
    assert [
        re.sub(r".*(tier '\w+').*since (\d+ of its \d+).*", r"\1 \2", str(w.message)) for w in caught
    ] == [
        "tier 'gloss' 2 of its 2",
        "tier 'phones' 2 of its 2",
        "tier 'note' 1 of its 1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (eaf(WORDS)[:400], r"a.eaf, line 2: .*cut off"),
        ("<html><body/></html>", "its root is 'html'"),
        ('<!DOCTYPE x [<!ENTITY e "e">]><ANNOTATION_DOCUMENT/>', "XML without a DOCTYPE"),
        (eaf(), "a.eaf has no tiers"),
        (eaf(WORDS, WORDS.replace('"a', '"b')), "a.eaf has several tiers called words"),
        (eaf(tier("t", aligned("a1", "ts1", "ts9", "x"))), "'ts9' is referred to and not there"),
        (eaf(tier("t", referring("a1", "a7", "x"))), "'a7' is referred to and not there"),
        (
            eaf(tier("t", referring("a1", "a2", "x"), referring("a2", "a1", "y"))),
            "annotation a1: refers to itself",
        ),
        (
            eaf(tier("t", aligned("a1", "ts2", "ts1", "x"))),
            r"tier 't', annotation a1: segment 'x' runs from 0.5 s",
        ),
        (
            eaf(tier("t", aligned("a1", "ts1", "ts3", "x"), aligned("a2", "ts2", "ts4", "y"))),
            "'x' .* overlaps 'y'",
        ),
        (eaf(WORDS).replace('"250"', '"-250"'), "segment 'ja & nein' runs from -0.25"),
        (eaf(WORDS).replace('"250"', '"0.25"'), "time '0.25', which is no whole number of milliseconds"),
        (eaf(WORDS).replace(' TIER_ID="words"', ""), "TIER without TIER_ID"),
        (eaf(WORDS).replace(' TIME_SLOT_REF2="ts2"', ""), "ALIGNABLE_ANNOTATION without TIME_SLOT_REF2"),
    ],
)
def test_broken_files(text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse_eaf(text, "a.eaf")


def test_files_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.eaf"
    path.write_bytes(eaf(WORDS.replace("ja", "Öl")).replace("UTF-8", "ISO-8859-1").encode("latin-1"))
    with pytest.raises(AnnotationError, match="is not text in UTF-8"):
        read_annotation(path)


def test_what_elan_needs_is_written() -> None:
    between = Tier("between", [Segment(0.1, 0.6, "x")])
    text = compose_eaf([READ, Tier("empty"), between], Recording("a", "a.wav"))
    slots = [int(value) for value in re.findall(r'TIME_VALUE="(\d+)"', text)]
    assert slots == sorted(slots) == [100, 250, 500, 600, 750, 1000]
    assert 'TIME_UNITS="milliseconds"' in text
    assert 'MIME_TYPE="audio/x-wav" RELATIVE_MEDIA_URL="./a.wav"' in text
    assert (
        text.index("<HEADER")
        < text.index("<TIME_ORDER")
        < text.index("<TIER")
        < text.index("<LINGUISTIC_TYPE ")
    )


def test_pympi_reads_and_writes_the_same(tmp_path: Path) -> None:
    pympi = pytest.importorskip("pympi", reason="pympi-ling is an oracle where it is installed")
    ours = {
        "words": Tier("words", [Segment(0.25, 0.5, "ja & <nein>\nÖl"), Segment(0.5, 1.0, "")]),
        'a "b"': Tier('a "b"', [Segment(0.1, 0.9, "ŋ")]),
    }
    write_annotation(tmp_path / "ours.eaf", ours)
    theirs = pympi.Eaf(str(tmp_path / "ours.eaf"))
    for name, each in ours.items():
        found = sorted(annotation[:3] for annotation in theirs.get_annotation_data_for_tier(name))
        assert [(a / 1000, b / 1000, label or "") for a, b, label in found] == [
            (s.start, s.end, s.label) for s in each
        ]
    theirs.to_file(str(tmp_path / "theirs.eaf"))
    assert read_annotation(tmp_path / "theirs.eaf") == ours
