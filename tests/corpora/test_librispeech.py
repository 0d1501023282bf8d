"""The reader of LibriSpeech."""

from __future__ import annotations

from pathlib import Path

import pytest

from speechinterp.corpora import load_corpus
from speechinterp.errors import AnnotationError, CorpusError
from speechinterp.segments import Segment

SPEAKERS = "; Some notes |\n;ID  |SEX| SUBSET |MINUTES| NAME\n84   | F | dev-clean | 8.0 | Christie\n"


@pytest.fixture
def chapter(record, tmp_path: Path) -> Path:
    for number in ("0000", "0001"):
        record(f"LibriSpeech/dev-clean/84/121123/84-121123-{number}.flac")
    (tmp_path / "LibriSpeech/SPEAKERS.TXT").write_text(SPEAKERS)
    folder = tmp_path / "LibriSpeech/dev-clean/84/121123"
    (folder / "84-121123.trans.txt").write_text("84-121123-0000 GO NOW\n84-121123-0001 YES\n")
    return folder


@pytest.mark.parametrize("root", ["LibriSpeech", "LibriSpeech/dev-clean", "LibriSpeech/dev-clean/84/121123"])
def test_an_utterance_from_any_root(chapter: Path, tmp_path: Path, root: str) -> None:
    utterance = load_corpus(f"librispeech:{tmp_path / root}")[0]
    assert utterance.id.endswith("84-121123-0000")
    assert (utterance.speaker, utterance.transcript) == ("84", "GO NOW")
    assert utterance.meta == {"chapter": "121123", "sex": "f"}
    assert utterance.tiers == {}


def test_without_the_list_of_speakers_sex_is_not_known(chapter: Path, tmp_path: Path) -> None:
    (tmp_path / "LibriSpeech/SPEAKERS.TXT").unlink()
    assert load_corpus(f"librispeech:{chapter}")[0].meta == {"chapter": "121123"}


def test_alignments_of_the_chapter(chapter: Path) -> None:
    (chapter / "84-121123.alignment.txt").write_text(
        '84-121123-0000 ",GO,,NOW," "0.1,0.4,0.5,0.9,1.0"\n84-121123-0001 "YES" "1.0"\n'
    )
    corpus = load_corpus(f"librispeech:{chapter}")
    assert list(corpus[0].tier("words")) == [
        Segment(0.0, 0.1, ""),
        Segment(0.1, 0.4, "GO"),
        Segment(0.4, 0.5, ""),
        Segment(0.5, 0.9, "NOW"),
        Segment(0.9, 1.0, ""),
    ]
    assert corpus[1].tier("words").labels == ["YES"]


@pytest.mark.parametrize(
    "line",
    [
        '84-121123-0000 "GO" "x"',
        '84-121123-0000 "GO,ON" "0.5"',
        "84-121123-0000 GO",
        '84-121123-0000 "A,B" "0.5,0.3"',
    ],
)
def test_damaged_alignments_are_named(chapter: Path, line: str) -> None:
    (chapter / "84-121123.alignment.txt").write_text(line + "\n")
    with pytest.raises(AnnotationError, match=r"84-121123.alignment.txt, 84-121123-0000"):
        load_corpus(f"librispeech:{chapter}")[0]


def test_a_textgrid_goes_before_the_alignments(chapter: Path) -> None:
    (chapter / "84-121123.alignment.txt").write_text("unused\n")
    (chapter / "84-121123-0000.TextGrid").write_text(
        '"ooTextFile" "TextGrid" 0 1 <exists> 1 "IntervalTier" "phones" 0 1 1 0 1 "G"'
    )
    assert load_corpus(f"librispeech:{chapter}")[0].tier("phones").labels == ["G"]


def test_a_missing_transcript_is_named(chapter: Path) -> None:
    trans = chapter / "84-121123.trans.txt"
    trans.write_text("84-121123-0001 YES\n")
    with pytest.raises(AnnotationError, match=r"no line for 84-121123-0000 in 84-121123.trans.txt"):
        load_corpus(f"librispeech:{chapter}")[0]
    trans.unlink()
    with pytest.raises(AnnotationError, match=r"no 84-121123.trans.txt"):
        load_corpus(f"librispeech:{chapter}")[0]


def test_other_layouts_are_refused(record, tmp_path: Path) -> None:
    record("84/84-121123-0000.flac")
    with pytest.raises(CorpusError, match="not laid out as in LibriSpeech"):
        load_corpus(f"librispeech:{tmp_path}")
