"""The embedded corpus as it is read; what is planted in it is counted in tests/test_embedded.py."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from speechinterp import load_corpus
from speechinterp.corpora.demo import TYPES, read_demo
from speechinterp.embedded import data_folder, embedded_file
from speechinterp.errors import CorpusError


def test_it_reads_tiers_and_meta() -> None:
    corpus = load_corpus("demo")
    assert len(corpus) == 216
    utterance = corpus["aunty/homophone-01"]
    assert utterance.speaker == "aunty"
    assert utterance.transcript == "one new rose lay on the bench"
    assert utterance.tier("words").labels == utterance.transcript.split()
    assert utterance.tier("cue").labels == ["one"] == [utterance.meta["cue"]]
    assert utterance.tier("phones").labels[:4] == ["w", "ʌ", "n", "n"]
    assert utterance.meta["homophones"] == "rose/rows"
    assert utterance.meta["number"] == "singular"
    assert utterance.meta["sex"] == "f"
    assert "action" not in utterance.meta
    assert len(utterance.waveform(16000)) == round(utterance.duration * 16000)


@pytest.mark.parametrize("type_", TYPES)
def test_a_type_can_be_taken_alone(type_: str) -> None:
    for corpus in (load_corpus(f"demo?type={type_}"), load_corpus("demo", type=type_)):
        assert {utterance.meta["type"] for utterance in corpus} == {type_}


def test_an_unknown_type_or_option_is_refused() -> None:
    with pytest.raises(CorpusError, match=r"type=noise.*sentence, homophone, command"):
        load_corpus("demo?type=noise")
    with pytest.raises(CorpusError, match=r"no option 'voice'.*type"):
        load_corpus("demo?voice=m4")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data folder that may be damaged."""
    shutil.copytree(data_folder() / "demo", tmp_path / "demo")
    shutil.copy(data_folder() / "checksums.sha256", tmp_path)
    monkeypatch.setattr("speechinterp.embedded.data_folder", lambda: tmp_path)
    return tmp_path


def test_a_damaged_file_is_named_with_the_way_to_restore_it(copy: Path) -> None:
    sound = copy / "demo/m4/command-01.flac"
    assert load_corpus("demo")["m4/command-01"].duration > 1
    sound.write_bytes(sound.read_bytes()[:-1] + b"x")
    with pytest.raises(
        CorpusError, match=r"m4/command-01.flac is damaged.*git checkout.*corpus\.py --split test"
    ):
        _ = load_corpus("demo")["m4/command-01"]
    assert load_corpus("demo")["m4/command-02"].duration > 1


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "demo/m4/command-01.TextGrid").unlink()
    with pytest.raises(CorpusError, match=r"m4/command-01.TextGrid is missing"):
        _ = load_corpus("demo")["m4/command-01"]
    shutil.rmtree(copy / "demo")
    with pytest.raises(CorpusError, match=r"demo/speakers.csv is missing"):
        load_corpus("demo")


def test_a_file_without_a_checksum_is_refused(copy: Path) -> None:
    (copy / "demo/more.csv").write_text("")
    with pytest.raises(CorpusError, match=r"more.csv has no checksum"):
        embedded_file("demo/more.csv")


def test_every_file_is_recorded_and_whole() -> None:
    names = [
        line.partition("  ")[2] for line in (data_folder() / "checksums.sha256").read_text().splitlines()
    ]
    files = {path.relative_to(data_folder()).as_posix() for path in (data_folder() / "demo").rglob("*.*")}
    assert files == {name for name in names if name.startswith("demo/")}
    assert Counter(names).most_common(1)[0][1] == 1
    for name in names:
        assert embedded_file(name).is_file()


def test_a_folder_that_the_recipe_made_is_read_like_it(copy: Path) -> None:
    made = read_demo(copy / "demo")
    assert made.ids == load_corpus(f"demo:{copy / 'demo'}").ids == load_corpus("demo").ids
    (copy / "demo/utterances.csv").unlink()
    with pytest.raises(CorpusError, match=r"no utterances.csv in"):
        read_demo(copy / "demo")
