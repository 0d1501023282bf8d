"""Specs of corpora, and the finding of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from speechinterp.corpora import load_corpus
from speechinterp.corpora.files import find_audio, read_text
from speechinterp.errors import AnnotationError, CorpusError

PHN = "0 8000 ix\n8000 16000 q\n"


@pytest.fixture
def timit(record, tmp_path: Path) -> Path:
    for name in ("sa1", "sx3"):
        record(f"dr1-fabc0/{name}.wav").with_suffix(".phn").write_text(PHN)
    return tmp_path


def test_options_mean_the_same_in_a_spec_and_as_keywords(timit: Path) -> None:
    for corpus in (
        load_corpus(f"timit:{timit}?labels=61&sa=no"),
        load_corpus(f"timit:{timit}", labels=61, sa=False),
        load_corpus(f"timit:{timit}", labels="61", sa="no"),
        load_corpus(f"timit:{timit}?labels=39", labels=61, sa=False),
    ):
        assert corpus.ids == ["dr1-fabc0/sx3"]
        assert corpus[0].tier("phones").labels == ["ix", "q"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("/data/TIMIT", "names no reader.*emu, librispeech, speechcommands, table, textgrid, timit"),
        ("timid:/data", "no reader 'timid'.*timit"),
        ("timit:", "has no path"),
        ("timit:/nowhere", "/nowhere is not there"),
        ("timit:{}?label=61", "no option 'label'.*one of labels, sa"),
        ("timit:{}?labels", "'labels' .* has no value"),
        ("timit:{}?labels=many", "labels=many.*a whole number"),
        ("timit:{}?labels=40", "labels=40.*39, 48 or 61"),
        ("timit:{}?sa=maybe", "sa=maybe.*yes or no"),
        ("librispeech:{}?x=1", "no option 'x'.*no options"),
        ("textgrid:{}?speaker=prefix:0", "speaker=prefix:0.*prefix:N"),
        ("textgrid:{}?annotations=/nowhere", "/nowhere is not there"),
    ],
)
def test_what_a_spec_cannot_mean_is_refused(timit: Path, spec: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        load_corpus(spec.format(timit))


def test_values_may_hold_escaped_signs(record, tmp_path: Path) -> None:
    grid = 'File type = "ooTextFile"\n"TextGrid"\n0 1 <exists> 1 "IntervalTier" "A & B" 0 1 1 0 1 "yes"'
    record("a.wav").with_suffix(".TextGrid").write_text(grid)
    assert load_corpus(f"textgrid:{tmp_path}?words=A %26 B")[0].transcript == "yes"


def test_a_home_folder_is_found(timit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(timit.parent))
    assert len(load_corpus(f"timit:~/{timit.name}")) == 2


def test_a_file_is_no_folder(timit: Path) -> None:
    with pytest.raises(CorpusError, match="is a file"):
        load_corpus(f"timit:{timit}/dr1-fabc0/sa1.wav")


def test_sound_is_found_at_any_depth_and_hidden_files_are_not(record, tmp_path: Path) -> None:
    for name in ("x.wav", "a/b/c/Größe ə.FLAC", "a.b.ogg", "._x.wav", ".trash/y.wav"):
        record(name)
    (tmp_path / "notes.txt").write_text("no sound")
    assert sorted(find_audio(tmp_path)) == ["a.b", "a/b/c/Größe ə", "x"]


def test_no_sound_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"x")
    with pytest.raises(CorpusError, match=r"no sound file below.*\.wav.*m4a"):
        find_audio(tmp_path)


def test_two_files_with_one_id_are_refused(record, tmp_path: Path) -> None:
    record("s/a.wav")
    record("s/a.flac")
    with pytest.raises(CorpusError, match=r"'s/a' stands for both s/a.flac and s/a.wav"):
        find_audio(tmp_path)


def test_a_doubled_suffix_is_the_same_recording(record, tmp_path: Path) -> None:
    for name in ("SA1.WAV", "SA1.WAV.wav", "SA2.WAV.wav"):
        record(name)
    assert {id_: path.name for id_, path in find_audio(tmp_path).items()} == {
        "SA1": "SA1.WAV",
        "SA2": "SA2.WAV.wav",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_every_unicode_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("File ə\r\nθ\rx".encode(encoding))
    assert read_text(path, "a.txt") == "File ə\nθ\nx"


def test_big_endian_text_with_a_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xfe\xff" + "ə".encode("utf-16-be"))
    assert read_text(path, "a.txt") == "ə"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.txt is empty"),
        (b" \n\r\n", "a.txt is empty"),
        ("é".encode("latin-1"), "not text in UTF-8: byte 0.*iconv"),
    ],
)
def test_text_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        read_text(path, "a.txt")


def test_loading_opens_no_sound_and_no_annotation(timit: Path) -> None:
    for path in timit.rglob("*.*"):
        path.write_bytes(b"")
    assert len(load_corpus(f"timit:{timit}")) == 2


def test_relative_paths_work(timit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(timit.parent)
    corpus = load_corpus(f"timit:{os.path.relpath(timit)}")
    assert corpus["dr1-fabc0/sx3"].meta["dialect"] == "dr1"
