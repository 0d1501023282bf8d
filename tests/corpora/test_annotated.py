"""The reader of recordings with annotations of any format."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechinterp.corpora import load_corpus, write_annotation
from speechinterp.corpora.annotations import FORMATS
from speechinterp.errors import AnnotationError, CorpusError
from speechinterp.segments import Segment, Tier

WORDS = Tier("words", [Segment(0, 0.25, "she"), Segment(0.25, 0.75, "had")])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(record, tmp_path: Path, name: str) -> None:
    audio = record("ann/a.wav")
    write_annotation(tmp_path / f"ann/a{FORMATS[name].suffix}", {"words": WORDS}, audio=audio, format=name)
    utterance = load_corpus(f"annotated:{tmp_path}?format={name}")["ann/a"]
    (tier,) = utterance.tiers.values()
    assert [(s.start, s.end, s.label) for s in tier][:2] == [(0, 0.25, "she"), (0.25, 0.75, "had")]
    assert utterance.speaker == "ann"
    if tier.name == "words":
        assert utterance.transcript == "she had"


def test_the_format_is_found_by_the_suffix(record, tmp_path: Path) -> None:
    write_annotation(tmp_path / "a.eaf", {"ORT": WORDS}, audio=record("a.wav"))
    write_annotation(tmp_path / "b.srt", {"words": WORDS}, audio=record("b.wav"))
    first, second = load_corpus(f"annotated:{tmp_path}")
    assert (list(first.tiers), list(second.tiers)) == (["ORT", "words"], ["words"])


def test_two_formats_beside_one_recording(record, tmp_path: Path) -> None:
    audio = record("a.wav")
    for suffix in (".eaf", ".TextGrid"):
        write_annotation(tmp_path / f"a{suffix}", {"words": WORDS}, audio=audio)
    with pytest.raises(AnnotationError, match=r"a has 2 annotations: a.TextGrid, a.eaf.*format=textgrid"):
        load_corpus(f"annotated:{tmp_path}")[0]
    assert load_corpus(f"annotated:{tmp_path}?format=eaf")[0].transcript == "she had"


def test_words_and_phones_of_buckeye_go_together(record, tmp_path: Path) -> None:
    audio = record("a.wav")
    for name in ("words", "phones"):
        write_annotation(tmp_path / f"a.{name}", {name: WORDS}, audio=audio)
    assert list(load_corpus(f"annotated:{tmp_path}")[0].tiers) == ["words", "phones"]


def test_one_ctm_for_all_recordings(record, tmp_path: Path) -> None:
    record("audio/ann/a.wav")
    record("audio/bob/b.wav")
    record("audio/bob/c.wav")
    ctm = tmp_path / "all.ctm"
    ctm.write_text("ann/a 1 0 0.5 she 0.5\nb 1 0 0.25 had\n")
    corpus = load_corpus(f"annotated:{tmp_path / 'audio'}?annotations={ctm}")
    assert [corpus[id_].transcript for id_ in ("ann/a", "bob/b")] == ["she", "had"]
    with pytest.raises(
        AnnotationError, match=r"nothing about bob/c.wav in all.ctm.*lines that start with bob/c"
    ):
        corpus["bob/c"]


@pytest.mark.parametrize("reader", ["annotated", "textgrid"])
def test_labels_of_phones_are_mapped(record, tmp_path: Path, reader: str) -> None:
    phones = Tier("x", [Segment(0, 0.25, ""), Segment(0.25, 0.5, "SH"), Segment(0.5, 1, "IY1")])
    write_annotation(tmp_path / "a.TextGrid", {"words": WORDS, "ann - phones": phones}, audio=record("a.wav"))
    utterance = load_corpus(f"{reader}:{tmp_path}?labels=arpabet:ipa")[0]
    assert utterance.tier("phones").labels == ["", "ʃ", "i"]
    assert utterance.tier("ann - phones").labels == ["", "SH", "IY1"]
    assert utterance.tier("words").labels == ["she", "had", ""]
    with pytest.raises(AnnotationError, match="tier 'phones': no ipa for timit61 '', 'SH', 'IY1'"):
        load_corpus(f"{reader}:{tmp_path}?labels=timit61:ipa")[0]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("format=praat", "format 'praat'. Expected: one of textgrid"),
        ("labels=ipa", "labels=ipa. Expected: FROM:TO"),
        ("labels=cmu:ipa", "labels=cmu:ipa.*arpabet:ipa"),
        ("annotations=/nowhere", "nowhere is not there"),
        ("speaker=me", "speaker=me"),
    ],
)
def test_options_that_are_none(record, tmp_path: Path, query: str, message: str) -> None:
    record("a.wav")
    with pytest.raises(CorpusError, match=message):
        load_corpus(f"annotated:{tmp_path}?{query}")


def test_recordings_without_annotation(record, tmp_path: Path) -> None:
    record("a.wav")
    with pytest.raises(AnnotationError, match=r"no annotation for a.wav.*a.TextGrid or .eaf or .*beside it"):
        load_corpus(f"annotated:{tmp_path}")[0]
    with pytest.raises(AnnotationError, match=r"no eaf for a.wav. Expected: a.eaf beside it"):
        load_corpus(f"annotated:{tmp_path}?format=eaf")[0]


@pytest.mark.real
def test_a_real_emu_bundle_is_an_annotation_too(assets: Path) -> None:
    root = assets / "corpora/emu-ae/ae_emuDB"
    for utterance in load_corpus(f"annotated:{root}?format=emu&phones=Phonetic&words=Text"):
        gold = load_corpus(f"emu:{root}")[utterance.id]
        assert utterance.tier("phones") == gold.tier("phones")
        assert utterance.tier("words") == gold.tier("words")
