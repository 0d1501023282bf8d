"""The reader of tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from speechinterp.corpora import load_corpus
from speechinterp.errors import AnnotationError, AudioError, CorpusError
from speechinterp.segments import Segment


@pytest.fixture
def folder(record, tmp_path: Path) -> Path:
    record("s1/a.wav")
    record("s2/b.wav", seconds=0.5)
    return tmp_path


def table(folder: Path, text: str, name: str = "t.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return f"table:{folder / name}"


def test_rows_of_a_file_are_one_utterance(folder: Path) -> None:
    spec = table(
        folder,
        "file,start,end,label,tier,speaker,vowel,session\n"
        "s1/a.wav,0.5,0.75,bee,words,ann,i,7\ns1/a.wav,0.125,0.5,a,words,ann,a,7\n"
        "s1/a.wav,0.25,0.25,H*,tones,ann,,7\ns2/b.wav,0,0.5,see,words,bob,i,8\n",
    )
    corpus = load_corpus(spec)
    assert corpus.ids == ["s1/a", "s2/b"]
    utterance = corpus["s1/a"]
    assert list(utterance.tier("words")) == [Segment(0.125, 0.5, "a"), Segment(0.5, 0.75, "bee")]
    assert list(utterance.tier("tones")) == [Segment(0.25, 0.25, "H*")]
    assert (utterance.speaker, utterance.transcript, utterance.meta) == ("ann", "a bee", {"session": "7"})
    assert corpus["s2/b"].meta == {"vowel": "i", "session": "8"}


@pytest.mark.parametrize("word", ["nan", "NA", "null", "None", "", "007", "1e5", "true", "ə̃", "<b>", "=1+1"])
def test_labels_are_text_and_nothing_else(folder: Path, word: str) -> None:
    spec = table(folder, f"file,start,end,label,speaker\ns1/a.wav,0,1,{word},{word}\n")
    utterance = load_corpus(spec)[0]
    assert utterance.tier("segments").labels == [word]
    assert utterance.speaker == (word or None)


def test_a_label_without_times_is_that_of_the_whole_recording(folder: Path) -> None:
    corpus = load_corpus(table(folder, "file,label,transcript\ns1/a.wav,angry,\ns2/b.wav,,hello there\n"))
    assert list(corpus[0].tier("segments")) == [Segment(0.0, 1.0, "angry")]
    assert corpus[1].tiers == {}
    assert (corpus[0].transcript, corpus[1].transcript) == (None, "hello there")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.parquet"])
def test_the_same_from_every_kind_of_table(folder: Path, name: str) -> None:
    frame = pd.DataFrame(
        {
            "file": ["s1/a.wav", "s1/a.wav"],
            "start": [0.1, None],
            "end": [1 / 3, None],
            "label": ['a "b", c', "null"],
        }
    )
    path = folder / name
    if name == "t.parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if name == "t.csv" else "\t")
    segments = load_corpus(f"table:{path}")[0].tier("segments")
    assert list(segments) == [Segment(0.0, 1.0, "null"), Segment(0.1, 1 / 3, 'a "b", c')]


def test_a_spreadsheets_own_csv(folder: Path) -> None:
    (folder / "t.csv").write_bytes("\ufefffile,label\r\ns1/a.wav,ə\r\n\r\n".encode())
    assert load_corpus(f"table:{folder / 't.csv'}")[0].tier("segments").labels == ["ə"]


def test_ids_channels_and_tiers_of_a_dialogue(record, tmp_path: Path) -> None:
    record("call.wav", channels=2)
    text = "id,file,channel,speaker,label\ncall-a,call.wav,0,ann,yes\ncall-b,call.wav,1,bob,no\n"
    corpus = load_corpus(table(tmp_path, text))
    assert [(u.id, u.channel, u.speaker) for u in corpus] == [("call-a", 0, "ann"), ("call-b", 1, "bob")]
    assert not (corpus[0].waveform(16000) == corpus[1].waveform(16000)).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\nx,y\n", "no column file; it has: path, label"),
        ("file;label\nx;y\n", "no column file; it has: file;label.*semicolons"),
        ("file,start,end\nx,0,1\n", "no column label; it has: file, start, end"),
        ("file,label\nx,y,z\n", "row 2 has 3 cells.*2, one for every"),
        ('file,label\nx,"y\n', "row 2"),
        ("file,label\n", "holds no utterance"),
        ("id,file\na,x.wav\na,y.wav\n", "'a' stands for both x.wav and y.wav in t.csv"),
        ("file\nx.wav\nx.flac\n", "'x' stands for both x.flac and x.wav"),
        ("file,channel\nx.wav,0\nx.wav,1\n", "'x' stands for both x.wav, channel 0 and x.wav, channel 1"),
        ("file\n../x.wav\n", r"'\.\./x' cannot be used.*give an id column"),
    ],
)
def test_tables_that_cannot_be_read(folder: Path, text: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_corpus(table(folder, text))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (",0,1,a", "the file is empty"),
        ("s1/a.wav,0.5,,a", r"t.csv, row 3 \(s1/a.wav\): start without end"),
        ("s1/a.wav,,0.5,a", "row 3 .*end without start"),
        ('s1/a.wav,"0,5",1,a', "row 3 .*start '0,5' and end '1'.*numbers of seconds.*decimal comma"),
    ],
)
def test_bad_cells_are_named_by_row_at_once(folder: Path, row: str, message: str) -> None:
    spec = table(folder, f"file,start,end,label\ns1/a.wav,0,1,x\n{row}\n")
    with pytest.raises(AnnotationError, match=message):
        load_corpus(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,start,end,label\ns1/a.wav,1,0.5,x\n", "t.csv, row 2: segment 'x' runs from 1.0 s to 0.5 s"),
        ("file,start,end,label\ns1/a.wav,0,nan,x\n", "t.csv, row 2: segment 'x'"),
        ("file,start,end,label\ns1/a.wav,500,750,x\n", "'x' ends at 750.000 s.*1.000 s.*another unit"),
        ("file,speaker\ns1/a.wav,ann\ns1/a.wav,bob\n", "speaker is 'ann' here and 'bob'"),
        ("file,channel\ns1/a.wav,left\n", "channel 'left'"),
    ],
)
def test_bad_utterances_are_refused_when_asked_for(folder: Path, text: str, message: str) -> None:
    corpus = load_corpus(table(folder, text))
    with pytest.raises(AnnotationError, match=message):
        corpus[0]


def test_a_missing_recording_does_not_stand_in_the_way_of_others(folder: Path) -> None:
    corpus = load_corpus(table(folder, "file,label\ngone.wav,x\ns1/a.wav,y\n"))
    with pytest.raises(AudioError, match=r"no sound file .*gone\.wav"):
        corpus["gone"]
    assert corpus["s1/a"].duration == 1.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"x", "a name ending in .csv"),
        ("t.parquet", b"PAR1 not", "t.parquet"),
        ("t.csv", b"", "t.csv is empty"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises((CorpusError, AnnotationError), match=message):
        load_corpus(f"table:{tmp_path / name}")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no table"):
        load_corpus(f"table:{tmp_path / 't.csv'}")
