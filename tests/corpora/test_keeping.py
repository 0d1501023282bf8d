"""What is finished stays: a run goes on where it was, and tells what it left out."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from speechinterp.corpora.keeping import Journal, keep_each, write_whole
from speechinterp.errors import AudioError, CorpusError, MixingError, StoreError

IDS = ["a/1", "a/2", "b/1"]


class Listed(SimpleNamespace):
    """A corpus of three utterances, of which some cannot be read."""

    ids = IDS

    def __len__(self):
        return len(IDS)

    def __getitem__(self, id_):
        if id_ in self.broken:
            raise self.broken[id_]
        self.read.append(id_)
        return id_


def corpus(**broken):
    return Listed(broken={key.replace("_", "/"): error for key, error in broken.items()}, read=[])


def keep(corpus, folder, check=lambda path: None, on_bad="raise", progress=None):
    return keep_each(
        corpus, folder, str.upper, lambda text, path: write_whole(lambda p: p.write_text(text), path), check,
        fatal=MixingError, on_bad=on_bad, progress=progress,
    )  # fmt: skip


def test_each_is_made_once_and_then_checked(tmp_path: Path) -> None:
    checked, told = [], []
    first, again = corpus(), corpus()
    keep(first, tmp_path, progress=lambda done, n: told.append((done, n)))
    paths, skipped = keep(again, tmp_path, check=checked.append)
    assert (first.read, again.read) == (IDS, [])
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert checked == list(paths.values()) == [tmp_path / f"{id_}.nc" for id_ in IDS]
    assert [path.read_text() for path in paths.values()] == [id_.upper() for id_ in IDS]
    assert not skipped
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("error", [CorpusError("bad"), PermissionError(13, "Permission denied")])
def test_what_cannot_be_read_is_left_out_and_said_or_stops(tmp_path: Path, error: Exception) -> None:
    paths, skipped = keep(corpus(a_2=error), tmp_path, on_bad="skip")
    assert list(paths) == ["a/1", "b/1"]
    assert str(error.args[-1]) in skipped["a/2"]
    with pytest.raises((CorpusError, AudioError)):
        keep(corpus(a_2=error), tmp_path)


def test_another_study_stops_whatever_was_asked(tmp_path: Path) -> None:
    def other(path: Path) -> None:
        raise MixingError("another study")

    keep(corpus(), tmp_path)
    with pytest.raises(MixingError, match="another study"):
        keep(corpus(), tmp_path, check=other, on_bad="skip")


def test_a_full_disk_is_not_a_bad_utterance(tmp_path: Path) -> None:
    def full(text: str, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        keep_each(corpus(), tmp_path, str.upper, full, print, fatal=MixingError, on_bad="skip", progress=None)


def test_a_journal_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "parts" / "scores.jsonl"
    journal = Journal(path, {"model": "m", "seed": 0})
    journal.write({"utterance": "a/1", "rows": [{"layer": 0, "score": 0.1 + 0.2, "label": "ə"}]})
    journal.write({"utterance": "a/2", "skipped": "no words"})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"utterance": "b/1", "rows": [{"lay')
    again = Journal(path, {"model": "m", "seed": 0})
    assert again.rows == {"a/1": [{"layer": 0, "score": 0.1 + 0.2, "label": "ə"}]}
    assert again.skipped == {"a/2": "no words"}
    again.write({"utterance": "b/1", "rows": []})
    assert list(Journal(path, {"model": "m", "seed": 0}).rows) == ["a/1", "b/1"]


def test_a_journal_of_another_study_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    Journal(path, {"model": "m", "seed": 0})
    with pytest.raises(StoreError, match="another study: seed differs"):
        Journal(path, {"model": "m", "seed": 1})
