"""``speechinterp similarity``."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

COLUMNS = [
    "model", "layer", "other", "other_layer", "measure", "score", "ci_low", "ci_high", "null", "null_high", "n",
    "baseline",
]  # fmt: skip


def test_it_compares_layers_with_each_other(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("similarity", "demo/untrained", f"table:{table}", "--out", out)
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(out / "similarity.csv")
    assert list(scores.columns) == COLUMNS
    assert set(scores.baseline) == {"none", "random-init"}
    assert len(scores) == 2 * 10  # pairs of five layers
    assert (out / "similarity.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "similarity.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((out / "config.json").read_text())
    assert record["measure"] == "cka"
    assert record["result"]["null"] == "shift"


def test_a_second_run_gives_the_same(run, table: Path, tmp_path: Path) -> None:
    command = ["similarity", "demo/untrained", f"table:{table}", "--with", "mfcc", "--out", tmp_path / "o"]
    assert run(*command).exit_code == 0
    first = (tmp_path / "o/similarity.csv").read_text()
    assert run(*command).exit_code == 0
    assert (tmp_path / "o/similarity.csv").read_text() == first
    assert set(pd.read_csv(tmp_path / "o/similarity.csv").other) == {"mfcc"}


@pytest.mark.parametrize("measure", ["cca", "pwcca", "procrustes", "rsa", "cka"])
def test_every_measure_compares_with_labels(run, table: Path, tmp_path: Path, measure: str) -> None:
    result = run(
        "similarity",
        "mfcc",
        f"table:{table}",
        "--measure",
        measure,
        "--with",
        "label",
        "--out",
        tmp_path / "o",
    )
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "o/similarity.csv")
    assert scores.measure.tolist() == ["svcca" if measure == "cca" else measure]
    assert scores.score[0] > scores.null[0]


def test_two_models_are_compared_layer_by_layer(run, table: Path, tmp_path: Path) -> None:
    result = run(
        "similarity", "demo/untrained", f"table:{table}", "--with", "demo/untrained", "--baselines", "none", "--out",
        tmp_path / "o",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "o/similarity.csv").set_index(["layer", "other_layer"]).score
    assert len(scores) == 25
    assert scores[2, 2] == pytest.approx(1)


def test_abx_has_the_sound_and_the_random_twin_beside_it(run, table: Path, tmp_path: Path) -> None:
    result = run(
        "similarity",
        "demo/untrained",
        f"table:{table}",
        "--measure",
        "abx",
        "--by",
        "none",
        "--out",
        tmp_path / "o",
    )
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "o/similarity.csv")
    assert set(scores.baseline) == {"none", "random-init", "mfcc"}
    assert scores.score.between(0, 0.6).all()
    assert scores.score[scores.baseline == "mfcc"].iloc[0] < 0.2  # tones of four speakers
    assert scores.null.to_numpy() == pytest.approx(0.5, abs=0.1)


def test_features_come_from_the_inventory(run, table: Path, tmp_path: Path) -> None:
    settings = ["mfcc", f"table:{table}", "--measure", "rsa"]
    good = run("similarity", *settings, "--with", "features:arpabet", "--out", tmp_path / "o")
    assert good.exit_code == 1  # `a` is no label of ARPABET
    assert "arpabet" in good.output
    assert run("similarity", *settings, "--with", "features:ipa", "--out", tmp_path / "p").exit_code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (["--measure", "abx", "--with", "mfcc"], 2),
        (["--baselines", "mfccs"], 2),
        (["--measure", "abx", "--by", "tone"], 1),
        (["--measure", "kappa"], 2),
    ],
)
def test_wrong_usage_is_said(run, table: Path, tmp_path: Path, change: list[str], code: int) -> None:
    assert (
        run("similarity", "demo/untrained", f"table:{table}", *change, "--out", tmp_path / "o").exit_code
        == code
    )
