"""Killed and repeated, or shared by several processes: the same files, byte by byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from echo import Echo, noise_corpus, spoken

from speechinterp import extract, load_corpus
from speechinterp.corpora import Corpus
from speechinterp.errors import AudioError, StoreError
from speechinterp.representations.store import Store

HERE = Path(__file__).parent
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def files(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@can_fork
@pytest.mark.parametrize("how", ["steps", "moments", "shared"])
def test_however_a_run_is_stopped_or_shared_the_files_are_the_same(tmp_path, how):
    command = [sys.executable, str(HERE / "runs_in_children.py"), how, str(tmp_path)]
    paths = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    runs = json.loads(done.stdout)
    expected = files(tmp_path / "whole")
    assert sorted(expected) == [
        "manifest.json",
        *(f"shards/0000{n}.parquet" for n in range(2)),
        "skipped.jsonl",
    ]
    assert json.loads(expected["manifest.json"])["complete"] is True
    assert len(expected["skipped.jsonl"].splitlines()) == 3
    for name in runs:
        assert files(tmp_path / name) == expected, name
    assert sum(runs.values()) > len(runs) + 3


def test_a_finished_store_is_not_written_again(tmp_path):
    extract(Echo(), noise_corpus(40, 0.2), out=tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    echo = Echo()
    extract(echo, noise_corpus(40, 0.2), out=tmp_path)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    assert echo.batches == []


def test_parts_give_their_own_units_and_together_the_whole(tmp_path):
    corpus = noise_corpus(100, 0.2)
    whole = extract(Echo(), corpus)
    parts = [extract(Echo(), corpus, out=tmp_path, shard=(i, 3)) for i in range(3)]
    assert [set(part.units["utterance"]) for part in parts] == [
        {id_ for i, id_ in enumerate(corpus.ids) if i // 32 % 3 == part} for part in range(3)
    ]
    assert not parts[0].meta["complete"]
    assert extract(Echo(), corpus, out=tmp_path).units.equals(whole.units)


def test_a_part_without_shards_is_empty(tmp_path):
    empty = extract(Echo(), noise_corpus(2), out=tmp_path, shard=(1, 2))
    assert (len(empty), empty.layers) == (0, (0, 1))
    assert empty.layer(1).shape == (0, 3)
    with pytest.raises(StoreError, match="lacks 1 of its 1 shards"):
        Store(tmp_path).open()


def test_only_what_is_missing_is_made(tmp_path):
    corpus = noise_corpus(70, 0.2)
    extract(Echo(), corpus, out=tmp_path, shard=(1, 3))
    echo = Echo(limit=1)
    extract(echo, corpus, out=tmp_path)
    assert len(echo.batches) == 70 - 32


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"model": Echo("other")}, "model: 'echo' there, 'other' now"),
        ({"corpus": noise_corpus(3)}, "n_utterances: 2 there, 3 now"),
        ({"corpus": noise_corpus(2, name="other")}, "corpus: 'noise' there, 'other' now"),
        (
            {"corpus": Corpus.of([spoken("a", 1), spoken("b", 1)], "noise")},
            r"ids_sha256: '\w{11}\.\.\. there",
        ),
        ({"unit": "words"}, "unit: 'phones' there, 'words' now"),
        ({"pool": "max"}, "pool: 'mean' there, 'max' now"),
        ({"rule": "overlap"}, "rule: 'centre' there, 'overlap' now"),
    ],
)
def test_another_study_is_refused_and_told_apart(tmp_path, change, differs):
    settings = {"model": Echo(), "corpus": noise_corpus(2), "unit": "phones", "out": tmp_path}
    extract(**settings)
    before = files(tmp_path)
    with pytest.raises(StoreError, match=rf"another study \((.*; )?{differs}.*another folder"):
        extract(**(settings | change))
    assert files(tmp_path) == before


def test_another_set_of_labels_is_another_study(tmp_path):
    def corpus(labels):
        return Corpus("timit", dict(noise_corpus(2)._sources), {"labels": labels})

    extract(Echo(), corpus(39), out=tmp_path / "out")
    with pytest.raises(StoreError, match=r"corpus_options: \{'labels': 39\} there, \{'labels': 61\} now"):
        extract(Echo(), corpus(61)[:2], out=tmp_path / "out")


def test_options_of_a_reader_are_recorded(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    (tmp_path / "t.csv").write_text("file,label\na.wav,x\n")
    assert load_corpus(f"table:{tmp_path / 't.csv'}").options == {}
    assert load_corpus(f"textgrid:{tmp_path}?speaker=none").options == {
        "annotations": None,
        "words": None,
        "phones": None,
        "labels": None,
        "speaker": "none",
        "channel": None,
    }


def test_settings_without_finished_work_may_change(tmp_path):
    def broken():
        raise AudioError("it is broken")

    with pytest.raises(AudioError):
        extract(Echo(), Corpus("c", {"a": broken}), out=tmp_path)
    reps = extract(Echo(), noise_corpus(2), unit="words", out=tmp_path)
    assert Store(tmp_path).manifest()["identity"]["unit"] == reps.meta["unit"] == "words"


def test_two_studies_that_start_at_once_do_not_mix(tmp_path):
    class Intruded(Echo):
        def states(self, heard):
            extract(Echo("intruder"), noise_corpus(2), out=tmp_path)
            return super().states(heard)

    with pytest.raises(StoreError, match="another study"):
        extract(Intruded(), noise_corpus(2), out=tmp_path)
    reps = extract(Echo("intruder"), noise_corpus(2), out=tmp_path)
    assert reps.meta["model"] == "intruder"
    assert len(reps.layer(1)) == len(reps)


def test_versions_of_all_runs_are_recorded(tmp_path, monkeypatch):
    from speechinterp.representations import extraction

    corpus = noise_corpus(40, 0.2)
    extract(Echo(), corpus, out=tmp_path, shard=(1, 2))
    versions = extraction._versions()
    monkeypatch.setattr(extraction, "_versions", lambda: versions | {"torch": "0.1"})
    found = extract(Echo(), corpus, out=tmp_path).meta["versions"]
    assert found == versions | {"torch": f"0.1, {versions['torch']}"}
