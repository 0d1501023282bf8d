"""``speechinterp mix``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import speechinterp as si
from speechinterp.mixing import value_zeroing


def test_it_writes_maps_tables_figures_and_the_record(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("mix", "demo/untrained", f"table:{table}", "--out", out)
    assert result.exit_code == 0, result.output
    assert "value zeroing of 8 utterances" in result.output.replace("_", " ").replace("-", " ")
    corpus, model = si.load_corpus(f"table:{table}"), si.load_model("demo/untrained")
    maps = xr.load_dataarray(out / "mixing.nc", engine="scipy")
    assert maps.utterance.values.tolist() == corpus.ids
    expected = value_zeroing(model, corpus[0], unit="words")
    n = expected.sizes["target"]
    np.testing.assert_allclose(maps[0, :, :n, :n], expected, atol=1e-6)
    assert {path.name for path in (out / "maps-random-init").rglob("*.nc")} == {"take0.nc", "take1.nc"}
    cells = pd.read_csv(out / "mixing.csv")
    assert len(cells) == 8 * expected.size
    assert cells[cells.utterance == corpus.ids[0]].share.sum() == pytest.approx(
        float(expected.sum()), rel=1e-5
    )
    readings = pd.read_csv(out / "readings.csv")
    assert {"none", "random-init"} <= set(readings.baseline)
    for name in ("mixing", "distance"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert json.loads((out / "config.json").read_text())["command"] == "mix"


def test_the_same_command_goes_on_and_another_is_refused(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = [
        "mix",
        "demo/untrained",
        f"table:{table}",
        "--method",
        "attention",
        "--no-random-init",
        "--out",
        out,
    ]
    assert run(*asked).exit_code == 0
    first = {path: path.stat().st_mtime_ns for path in (out / "maps").rglob("*.nc")}
    assert len(first) == 8
    assert run(*asked).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "maps").rglob("*.nc")} == first
    result = run(*asked, "--gaps", "merge")
    assert result.exit_code == 1
    assert "is a map of another study" in result.output


def test_a_sound_file_is_a_corpus_of_one(run, table: Path, tmp_path: Path) -> None:
    sound, out = table.parent / "sound/ana/take0.wav", tmp_path / "out"
    words = si.load_corpus(f"table:{table}")[0].tier("words")
    si.write_annotation(sound.with_suffix(".TextGrid"), {"words": words}, audio=sound)
    result = run("mix", "demo/untrained", sound, "--method", "attention", "--no-random-init", "--out", out)
    assert result.exit_code == 0, result.output
    (path,) = (out / "maps").iterdir()
    mix = xr.load_dataarray(path, engine="scipy")
    assert mix.source_label.values.tolist() == [word.label for word in words if word.label]


def test_bad_utterances_stop_it_or_are_left_out(run, table: Path, tmp_path: Path) -> None:
    (table.parent / "sound/bob/take1.wav").write_bytes(b"")
    asked = ["mix", "demo/untrained", f"table:{table}", "--method", "attention", "--no-random-init"]
    asked += ["--out", tmp_path / "out"]
    result = run(*asked)
    assert result.exit_code == 1
    assert "take1.wav is empty" in result.output
    assert len(list((tmp_path / "out/maps").rglob("*.nc"))) == 3, "what was finished stays"
    result = run(*asked, "--on-bad", "skip")
    assert result.exit_code == 0, result.output
    assert "1 left out" in result.output
    (line,) = (tmp_path / "out/skipped.tsv").read_text().splitlines()
    assert line.split("\t")[0].endswith("bob/take1")
