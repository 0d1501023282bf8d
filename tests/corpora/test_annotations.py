"""Annotation files: what goes out comes back, and what a format cannot carry is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpora.drawn import END, RATE, ROUND_TRIPS
from hypothesis import given, settings
from hypothesis import strategies as st

import speechinterp as si
from speechinterp.audio import Sound
from speechinterp.corpora.annotations import FORMATS, read_annotation, write_annotation
from speechinterp.corpora.formats.common import Recording
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier

RECORDING = Recording("rec", "rec.wav", END, RATE)
Rename = Callable[[str], str]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_goes_out_comes_back(name: str, data: st.DataObject) -> None:
    strategy, expected = ROUND_TRIPS[name]
    given_ = data.draw(strategy)
    form = FORMATS[name]
    back = form.parse(form.compose(given_, RECORDING), "a")
    assert back == expected(given_)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_was_read_is_written_the_same(name: str, data: st.DataObject) -> None:
    form = FORMATS[name]
    once = form.parse(form.compose(data.draw(ROUND_TRIPS[name][0]), RECORDING), "a")
    assert form.parse(form.compose(once, RECORDING), "a") == once


WORDS = [Segment(0, 0.25, ""), Segment(0.25, 0.5, "Öl"), Segment(0.5, 1, "ˈnaɪn")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ["textgrid", "short-textgrid"])
def test_textgrids_in_both_encodings(tmp_path: Path, name: str, encoding: str) -> None:
    label = 'er sagt "ja"\nund 日本語'
    tier = Tier("Wörter", [Segment(0, 0.5, label), Segment(0.5, 1, "")])
    write_annotation(tmp_path / "a.TextGrid", {"Wörter": tier}, format=name, encoding=encoding)
    assert (tmp_path / "a.TextGrid").read_bytes()[:2] == (
        b"Fi" if encoding == "utf-8" else "\ufeff".encode("utf-16")[:2]
    )
    assert read_annotation(tmp_path / "a.TextGrid") == {"Wörter": tier}


@pytest.mark.parametrize("name", FORMATS)
def test_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new/folder" / f"rec{FORMATS[name].suffix}"
    sound = Sound(np.zeros(RATE, np.float32), RATE)
    si.write_annotation(path, {"words": Tier("words", WORDS)}, audio=sound, format=name)
    (tier,) = si.read_annotation(path, format=name).values()
    silence = {"words": "<SIL>", "phones": "SIL"}.get(name, "")
    assert [(s.start, s.end, s.label or silence) for s in WORDS] == [(s.start, s.end, s.label) for s in tier]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_the_key_is_the_name_of_the_tier(tmp_path: Path) -> None:
    si.write_annotation(tmp_path / "a.eaf", {"found": Tier("words", WORDS), "gold": Tier("words", WORDS)})
    assert list(si.read_annotation(tmp_path / "a.eaf")) == ["found", "gold"]


def test_the_sound_tells_duration_rate_and_name(record, tmp_path: Path) -> None:
    sound = record("a b.flac", seconds=2.0, rate=8000)
    tier = {"words": Tier("words", WORDS)}
    si.write_annotation(tmp_path / "a.TextGrid", tier, audio=sound)
    assert si.read_annotation(tmp_path / "a.TextGrid")["words"][-1] == Segment(1, 2, "")
    si.write_annotation(tmp_path / "a_annot.json", tier, audio=sound)
    assert '"annotates": "a b.flac"' in (tmp_path / "a_annot.json").read_text()
    assert '"sampleRate": 8000' in (tmp_path / "a_annot.json").read_text()
    si.write_annotation(tmp_path / "a.eaf", tier, audio=sound)
    assert 'RELATIVE_MEDIA_URL="./a b.flac"' in (tmp_path / "a.eaf").read_text()


def test_numpy_times_are_written_as_numbers(tmp_path: Path) -> None:
    tier = Tier("words", [Segment(np.float64(0.1), np.float64(0.3), "a")])
    for name, form in FORMATS.items():
        path = tmp_path / f"rec{form.suffix}"
        write_annotation(path, {"words": tier}, audio=Sound(np.zeros(16000, np.float32), 16000), format=name)
        assert "np.float64" not in path.read_text()
        (back,) = read_annotation(path, format=name).values()
        assert any(math.isclose(s.end, 0.3) and s.label == "a" for s in back)


MIXED = [Segment(0.1, 0.1, "H*"), Segment(0.2, 0.3, "a")]
OVERLAPPING = [Segment(0.1, 0.3, "had"), Segment(0.2, 0.4, "your")]
SHORT = [Segment(0.1, 0.1002, "a")]


@pytest.mark.parametrize(
    ("suffix", "segments", "message"),
    [
        (".TextGrid", MIXED, "1 points among 1 intervals, the first 'H\\*' at 0.1 s"),
        (".TextGrid", OVERLAPPING, r"'had' \(0.1-0.3 s\) overlaps 'your'"),
        (".eaf", OVERLAPPING, "overlaps 'your'.*tiers of its own"),
        (".eaf", [Segment(0.1, 0.1, "H*")], r"'H\*' at 0.1 s lasts 0.000 ms.*EAF holds whole milliseconds"),
        (".eaf", SHORT, "lasts 0.200 ms"),
        (".eaf", [Segment(0, 1, "a\x01b")], r"holds '\\x01', which has no place in XML"),
        ("_annot.json", MIXED, "1 points among"),
        ("_annot.json", OVERLAPPING, "overlaps 'your'"),
        ("_annot.json", [Segment(0.1, 0.10001, "a")], "'a' at 0.1 s lasts less than a sample of 16000 Hz"),
        (".ctm", [Segment(0, 1, "two words")], "'two words' in a line of CTM.*spaces"),
        (".ctm", [Segment(0, 1, "<ALT>")], "'<ALT>' in a line of CTM"),
        (".vtt", SHORT, "WebVTT holds whole milliseconds and no points"),
        (".srt", SHORT, "SRT holds whole milliseconds"),
        (".srt", [Segment(0, 1, "a\n\nb")], "holds a blank line"),
        (".vtt", [Segment(0, 1, "a --> b")], "or -->"),
        (".txt", [Segment(0, 1, "a\nb")], r"'a\\nb' of rec holds a line break"),
        (".words", [Segment(0, 1, "a;b")], "'a;b' holds a semicolon"),
        (".phones", OVERLAPPING, "overlaps 'your'"),
    ],
)
def test_what_a_format_cannot_carry_is_refused(
    tmp_path: Path, suffix: str, segments: list[Segment], message: str
) -> None:
    sound = Sound(np.zeros(RATE, np.float32), RATE)
    with pytest.raises(AnnotationError, match=message) as raised:
        write_annotation(tmp_path / f"rec{suffix}", {"words": Tier("words", segments)}, audio=sound)
    assert raised.value.fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".ctm", ".vtt", ".srt", ".txt", ".words", ".phones"])
def test_formats_of_one_tier_refuse_several(tmp_path: Path, suffix: str) -> None:
    both = {"words": Tier("words", WORDS), "phones": Tier("phones", WORDS)}
    with pytest.raises(AnnotationError, match=r"2 tiers for .*: words, phones"):
        write_annotation(tmp_path / f"a{suffix}", both)


def test_times_between_milliseconds_are_rounded_in_formats_that_count_them(tmp_path: Path) -> None:
    tier = Tier("words", [Segment(0.12345, 0.9876, "a")])
    for suffix in (".eaf", ".vtt", ".srt"):
        write_annotation(tmp_path / f"a{suffix}", {"words": tier})
        assert read_annotation(tmp_path / f"a{suffix}")["words"][0] == Segment(0.123, 0.988, "a")


def test_emu_rounds_to_samples(tmp_path: Path) -> None:
    tier = Tier("words", [Segment(0.10001, 0.20001, "a")])
    write_annotation(
        tmp_path / "a_annot.json", {"words": tier}, audio=Sound(np.zeros(8000, np.float32), 8000)
    )
    assert read_annotation(tmp_path / "a_annot.json")["words"][0] == Segment(0.1, 0.2, "a")


def test_spaces_around_labels_are_lost_in_textgrids_only(tmp_path: Path) -> None:
    tier = Tier("words", [Segment(0, 1, " a ")])
    for suffix, label in ((".TextGrid", "a"), (".eaf", " a "), (".txt", " a ")):
        write_annotation(tmp_path / f"a{suffix}", {"words": tier})
        (back,) = read_annotation(tmp_path / f"a{suffix}").values()
        assert back.labels == [label]


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("a.lab", None, r"a.lab is of no known format. Expected: a suffix of .TextGrid, .eaf"),
        ("a.TextGrid", "praat", "no annotation format 'praat'. Expected: one of textgrid"),
        ("a.TextGrid", None, "a.TextGrid is not there"),
        ("", "eaf", "is a folder"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, format: str | None, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_annotation(tmp_path / name, format=format)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_refuses_other_files(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    for content, message in (
        (b"", "a is empty"),
        (b"ab\xff\xfe\xe4", "is not text in UTF-8"),
        (b"nothing of it", "a"),
    ):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=message) as raised:
            read_annotation(path, format=name)
        assert raised.value.fix


@pytest.mark.parametrize("name", FORMATS)
def test_files_that_were_cut_off_are_refused_or_end_early(name: str) -> None:
    """Formats with an end of their own notice a cut anywhere; lists of lines lose entries, and change none."""
    form = FORMATS[name]
    tier = Tier("words", [Segment(n / 8, (n + 1) / 8, f"wort{n}") for n in range(8)])
    whole = form.compose([tier], Recording("rec", None, 1.0, RATE))
    for cut in range(0, len(whole.rstrip()), 7):
        try:
            found = form.parse(whole[:cut], "a")
        except AnnotationError:
            continue
        assert name in ("ctm", "srt", "vtt", "audacity", "words", "phones"), whole[:cut]
        assert found[0].segments[:-1] == tier.segments[: max(0, len(found[0]) - 1)]


def test_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"no tiers for a\.TextGrid"):
        write_annotation(tmp_path / "a.TextGrid", {})
    with pytest.raises(AnnotationError, match="no segment, and no duration"):
        write_annotation(tmp_path / "a.TextGrid", {"words": Tier("words")})
    with pytest.raises(AnnotationError, match=r"without a sample rate.*pass audio="):
        write_annotation(tmp_path / "a_annot.json", {"words": Tier("words", WORDS)})
    with pytest.raises(AnnotationError, match="eaf in utf-16"):
        write_annotation(tmp_path / "a.eaf", {"words": Tier("words", WORDS)}, encoding="utf-16")


@pytest.mark.real
def test_real_textgrids_go_through_every_form(assets: Path, tmp_path: Path) -> None:
    for path in sorted((assets / "corpora/praat-textgrids").glob("*.TextGrid")):
        tiers = read_annotation(path)
        for name in ("textgrid", "short-textgrid"):
            for encoding in ("utf-8", "utf-16"):
                write_annotation(tmp_path / "a.TextGrid", tiers, format=name, encoding=encoding)
                back = read_annotation(tmp_path / "a.TextGrid")
                assert list(back) == list(tiers)
                for tier in tiers.values():
                    added = [each for each in back[tier.name] if each not in tier.segments]
                    assert [each for each in back[tier.name] if each not in added] == list(tier)
                    assert [each.label for each in added] in (
                        [],
                        [""],
                        ["", ""],
                    )  # before the first, after the last


@pytest.mark.real
def test_a_real_emu_database_goes_out_and_comes_back(assets: Path, tmp_path: Path) -> None:
    bundles = sorted((assets / "corpora/emu-ae").rglob("*_annot.json"))
    for path in bundles:
        tiers = {
            name: tier
            for name, tier in read_annotation(path).items()
            if all(one.end <= next_.start for one, next_ in pairwise(tier))
        }
        assert {"Phonetic", "Tone"} <= set(tiers)
        wave = path.with_name(path.name.replace("_annot.json", ".wav"))
        write_annotation(tmp_path / "a_annot.json", tiers, audio=wave)
        assert read_annotation(tmp_path / "a_annot.json") == tiers
    assert len(bundles) == 7


@pytest.mark.real
def test_timit_goes_through_every_format_that_holds_it(assets: Path, tmp_path: Path) -> None:
    corpus = si.load_corpus(f"timit:{assets / 'corpora/timit-sample'}?labels=61")
    for utterance in corpus[:10]:
        phones = utterance.tier("phones")
        for suffix in (".TextGrid", "_annot.json", ".ctm", ".txt", ".phones"):
            path = tmp_path / f"a{suffix}"
            write_annotation(path, {"phones": phones}, audio=utterance.audio)
            (back,) = read_annotation(path).values()
            filled = [each for each in back if each.label not in ("", "SIL")]
            assert [(s.start, s.end, s.label) for s in filled] == [(s.start, s.end, s.label) for s in phones]
