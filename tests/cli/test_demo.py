"""``speechinterp demo``, and what every command does alike."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


@pytest.mark.long
def test_the_demo_runs_and_says_what_it_is(run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = run("demo", "--out", out)
    assert result.exit_code == 0, result.output
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "no number here says anything about human speech" in page
    assert page.count("<img") == 4
    assert page.count("<audio") == 1
    scores = pd.read_csv(out / "scores.csv")
    accuracy = scores[scores.metric == "accuracy"].groupby("baseline").score.max()
    assert accuracy["none"] > accuracy["mfcc"] > accuracy["random-init"] > accuracy["shuffled-labels"]
    heard = pd.read_csv(out / "heard.csv")
    assert heard["right"].mean() >= 0.95
    cues = pd.read_csv(out / "cues.csv")
    top = cues.groupby(["baseline", "layer"]).top.mean().groupby("baseline").max()
    assert top["none"] >= 0.8
    assert top["random-init"] < 0.4
    words = pd.read_csv(out / "words.csv")
    assert words["value"].mean() >= 0.95 > 0.5 > words["random"].mean()
    assert f"{heard['right'].mean():.0%} of 64 homophones" in page
    assert json.loads((out / "config.json").read_text())["command"] == "demo"


@pytest.mark.parametrize("command", ["demo", "check", "extract", "probe", "lens"])
def test_every_help_has_an_example(run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"speechinterp {command}" in result.output.replace("\n", " ")
    assert "Example" in result.output


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "speechinterp", "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert "Exit codes" in done.stdout


def test_wrong_usage_has_exit_code_2(run) -> None:
    assert run("extract", "mfcc", "demo").exit_code == 2
    assert run("nothing").exit_code == 2


def test_an_interrupt_says_that_the_same_command_goes_on(run, tmp_path: Path, monkeypatch) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("speechinterp.models.load_model", interrupted)
    result = run("extract", "demo/untrained", "demo", "--out", tmp_path / "o")
    assert result.exit_code == 130
    assert "the same command goes on" in result.output
