"""The store: nothing half-written is taken for whole, and nothing of another study for this one."""

import errno
import json
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from echo import Echo, noise_corpus

from speechinterp import Representations, extract
from speechinterp.errors import StoreError
from speechinterp.representations.store import Store


@pytest.fixture
def folder(tmp_path):
    """A finished store of two shards."""
    extract(Echo(), noise_corpus(40, 0.3), out=tmp_path / "store")
    return tmp_path / "store"


def edit_manifest(folder, text):
    (folder / "manifest.json").write_text(text, encoding="utf-8")


def test_the_layout_is_the_one_that_is_documented(folder):
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.*")) == [
        "manifest.json",
        "shards/00000.parquet",
        "shards/00001.parquet",
    ]
    table = pq.read_table(folder / "shards" / "00000.parquet")
    assert table.column_names == [
        *("utterance", "speaker", "tier", "label", "start", "end", "frames", "time"),
        *("layer_00", "layer_01"),
    ]
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is True
    assert manifest["identity"]["n_utterances"] == manifest["utterances"] == 40
    units = Representations.open(folder).units
    assert manifest["units"] == len(units)
    assert manifest["units_without_frames"] == (units["frames"] == 0).sum() > 0
    assert manifest["skipped"] == 0


def test_any_other_program_can_read_a_shard(folder):
    table = pd.read_parquet(folder / "shards" / "00001.parquet")
    reps = Representations.open(folder)
    assert np.array_equal(np.stack(table["layer_01"]), reps.layer(1)[-len(table) :])
    assert table["label"].tolist() == reps.units["label"].tolist()[-len(table) :]


def test_layers_are_read_into_arrays_of_their_own(folder):
    reps = Representations.open(folder)
    layer = reps.layer(0)
    layer += 1
    assert not np.array_equal(reps.layer(0), layer)
    assert layer.dtype == np.float32
    assert layer.shape == (len(reps), 3)


@pytest.mark.parametrize("layer", [-1, 2, "0"])
def test_a_layer_that_is_not_there_is_refused(folder, layer):
    with pytest.raises(StoreError, match=r"no layer .*one of 0, 1\."):
        Representations.open(folder).layer(layer)


def test_representations_of_vectors_at_hand():
    vectors = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    units = pd.DataFrame({"label": list("abc")}, index=[5, 6, 7])
    reps = Representations.of(units, vectors, {"model": "mine", "unit": "phones"})
    assert repr(reps) == "Representations('mine', 3 phones, 2 layers)"
    assert np.array_equal(reps.layer(1), vectors[1])
    assert reps.units.index.tolist() == [0, 1, 2]


def test_a_store_may_be_moved(folder, tmp_path):
    before = Representations.open(folder)
    after = Representations.open(shutil.move(folder, tmp_path / "elsewhere"))
    assert after.units.equals(before.units)
    assert after.layer(1).shape == (len(before), 3)
    with pytest.raises(StoreError, match=r"cannot be read.*moved"):
        before.layer(1)


def test_a_folder_without_a_store(tmp_path):
    for path in (tmp_path, tmp_path / "no", Path(__file__)):
        with pytest.raises(StoreError, match=r"has no manifest\.json.*made by extract.*--out"):
            Representations.open(path)


BROKEN = [
    "",
    "{",
    "[]",
    "null",
    '{"format": 1}',
    '{"format": 1, "identity": {}}',
    '{"format": 1, "identity": 3}',
    "\udcff",
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_manifest_is_refused_and_can_be_removed(folder, text):
    before = Representations.open(folder)
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreError, match=r"manifest\.json is .*remove this file"):
        Representations.open(folder)
    with pytest.raises(StoreError, match="remove this file"):
        extract(Echo(), noise_corpus(40, 0.3), out=folder)
    (folder / "manifest.json").unlink()
    echo = Echo()
    assert extract(echo, noise_corpus(40, 0.3), out=folder).units.equals(before.units)
    assert echo.batches == []


def test_a_store_of_a_later_format_is_refused(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    edit_manifest(folder, json.dumps(manifest | {"format": 2}))
    with pytest.raises(StoreError, match=r"of format 2\. Expected: .*format 1"):
        Representations.open(folder)


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        del content[len(content) // 2 :]
    elif kind == "empty":
        content.clear()
    elif kind == "text":
        content[:] = b"not a shard"
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "missing"])
def test_a_damaged_shard_is_named_and_made_again(folder, kind):
    shard = folder / "shards" / "00001.parquet"
    whole = shard.read_bytes()
    shard.unlink() if kind == "missing" else damage(shard, kind)
    with pytest.raises(StoreError, match=r"lacks 1 of its 2 shards: 1\..*same extract command again"):
        Representations.open(folder)
    extract(Echo(), noise_corpus(40, 0.3), out=folder)
    assert shard.read_bytes() == whole


def test_a_changed_number_is_noticed(folder):
    shard = folder / "shards" / "00000.parquet"
    reps = Representations.open(folder)
    wanted, content = reps.layer(1)[20].tobytes(), bytearray(shard.read_bytes())
    content[content.index(wanted)] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be read: .*CRC.*damaged"):
        Representations.open(folder).layer(1)
    assert np.isfinite(Representations.open(folder).layer(0)).all()


def test_a_shard_of_another_study_is_not_taken(folder, tmp_path):
    extract(Echo("other"), noise_corpus(40, 0.3), out=tmp_path / "other")
    shutil.copy(tmp_path / "other" / "shards" / "00000.parquet", folder / "shards" / "00000.parquet")
    with pytest.raises(StoreError, match="lacks 1 of its 2 shards: 0"):
        Representations.open(folder)


def test_finished_work_is_read_from_a_folder_that_cannot_be_written(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    for name in ("write_text", "replace", "mkdir", "unlink"):
        monkeypatch.setattr(Path, name, refuse)
    assert len(extract(Echo(), noise_corpus(40, 0.3), out=folder)) == len(Representations.open(folder))


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match=r"manifest\.json cannot be written: .*another folder \(--out\)"):
            extract(Echo(), noise_corpus(2, 0.3), out=out)


def test_a_full_disk_keeps_what_is_finished(tmp_path, monkeypatch):
    out, write, written = tmp_path / "store", pq.ParquetWriter.write_table, []

    def until_full(self, table, *args, **kwargs):
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(self, table, *args, **kwargs))

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", until_full)
        with pytest.raises(
            StoreError, match=r"00001\.parquet cannot be written: No space left.*finished stay"
        ):
            extract(Echo(), noise_corpus(40, 0.3), out=out)
    assert [p.name for p in (out / "shards").iterdir()] == ["00000.parquet"]
    first = (out / "shards" / "00000.parquet").stat().st_mtime_ns
    assert len(extract(Echo(), noise_corpus(40, 0.3), out=out)) > 0
    assert (out / "shards" / "00000.parquet").stat().st_mtime_ns == first


def test_leftovers_of_killed_runs_are_cleared_and_other_files_left_alone(tmp_path):
    out = tmp_path / "store"
    (out / "shards").mkdir(parents=True)
    leftovers = [out / ".manifest.json.00.draft", out / "shards" / ".00000.parquet.00.draft"]
    for path in [*leftovers, out / "config.json"]:
        path.write_text("half")
    extract(Echo(), noise_corpus(2, 0.3), out=out)
    assert not any(path.exists() for path in leftovers)
    assert (out / "config.json").read_text() == "half"


def test_a_draft_that_another_process_cleared_away_is_no_fault(tmp_path):
    store = Store(tmp_path)
    with store.writing(tmp_path / "a") as draft:
        draft.write_text("x")
        (tmp_path / "a").write_text("x")
        draft.unlink()
    with pytest.raises(StoreError, match="cannot be written"), store.writing(tmp_path / "b"):
        pass


def test_an_error_leaves_no_draft(tmp_path):
    with suppress(KeyError), Store(tmp_path).writing(tmp_path / "a") as draft:
        draft.write_text("half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []
