"""``speechinterp extract``."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest


def test_it_writes_the_store_of_the_contract(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("extract", "demo/untrained", f"table:{table}", "--unit", "words", "--out", out)
    assert result.exit_code == 0, result.output
    assert "40 words of 8 utterances, 5 layers" in result.output
    columns = pq.read_table(next((out / "shards").glob("*.parquet"))).column_names
    assert {"utterance", "speaker", "tier", "label", "start", "end", "layer_00", "layer_04"} <= set(columns)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["identity"]["rule"] == "centre"
    assert json.loads((out / "config.json").read_text())["unit"] == "words"


def test_a_store_of_another_model_is_refused(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("extract", "demo/untrained", f"table:{table}", "--out", out).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*.parquet")}
    result = run("extract", "demo/untrained", f"table:{table}", "--out", out, "--random-init", "--seed", "1")
    assert result.exit_code == 1
    assert "another study" in result.output
    assert "weights_sha256" in result.output
    assert "give another folder (--out)" in result.output
    assert before == {path: path.read_bytes() for path in out.rglob("*.parquet")}


def test_bad_utterances_stop_it_or_are_left_out(run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "sound/bob/take1.wav").write_bytes(b"")
    (tmp_path / "sound/cem/take0.wav").write_text("this is no sound")
    out = tmp_path / "out"
    stopped = run("extract", "mfcc", f"table:{table}", "--out", out)
    assert stopped.exit_code == 1
    assert "AudioError" in stopped.output
    assert "take1.wav is empty (0 bytes)" in stopped.output
    skipped = run("extract", "mfcc", f"table:{table}", "--out", out, "--on-bad", "skip")
    assert skipped.exit_code == 0, skipped.output
    assert "of 6 utterances" in skipped.output
    assert "2 left out, with the reason in" in skipped.output
    lines = [json.loads(line) for line in (out / "skipped.jsonl").read_text().splitlines()]
    assert [line["utterance"] for line in lines] == ["sound/bob/take1", "sound/cem/take0"]


def test_narrowband_sound_is_noted_once(run, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.random.default_rng(0).standard_normal(8000) * 0.1, 8000)
    (tmp_path / "t.csv").write_text("file,label,speaker\na.wav,yes,x\nb.wav,no,y\n")
    result = run(
        "extract", "mfcc", f"table:{tmp_path / 't.csv'}", "--unit", "segments", "--out", tmp_path / "o"
    )
    assert result.exit_code == 0, result.output
    assert result.output.count("recorded at 8000 Hz is used at 16000 Hz") == 1


@pytest.mark.parametrize("shard", ["1", "2/2", "a/b", "-1/2"])
def test_a_wrong_shard_is_wrong_usage(run, table: Path, tmp_path: Path, shard: str) -> None:
    result = run("extract", "mfcc", f"table:{table}", "--out", tmp_path / "o", "--shard", shard)
    assert result.exit_code == 2
    assert "is not i/n" in result.output


def test_a_folder_that_cannot_be_written_is_named(run, table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("extract", "mfcc", f"table:{table}", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert "--out" in result.output
