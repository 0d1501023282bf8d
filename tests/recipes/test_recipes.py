"""Every recipe works without arguments; here on a few utterances of the embedded corpus."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "recipes"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the tests stand alone here, without the recipes")


@pytest.fixture
def recipe(monkeypatch, tmp_path: Path):
    """Run a recipe in this process; gives its folder of results."""

    def run(name: str, *arguments: object) -> Path:
        monkeypatch.syspath_prepend(str(FOLDER))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--out", str(tmp_path), *map(str, arguments)])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return tmp_path

    return run


STUDIES = {
    "03_phone_probe": (["--utterances", 8, "--probe", "lda"], ["accuracy", "description_length"]),
    "04_word_probe": (["--utterances", 24], ["words", "words_without_duration"]),
    "05_phonological_features": (["--utterances", 8], ["manner", "place", "voicing"]),
    "06_acoustic_regression": (["--utterances", 8, "--channels", "energy,f1"], ["energy", "f1"]),
    "07_similarity": (
        ["--utterances", 4, "--model", "demo/untrained"],
        ["layers", "mfcc", "features", "mfcc_by_svcca", "phones_by_rsa", "agreement_of_speakers"],
    ),
    "08_abx": (["--utterances", 16, "--by", "none", "--across", "none"], ["errors", "pairs"]),
    "10_number_probe": ([], ["in_the_sentence", "cue_before", "cue_after", "heard_alone"]),
    "13_command_words": (["--utterances", 2, "--exact", 1], ["tops", "faithfulness", "sweeps"]),
    "14_phone_context": (["--utterances", 2], ["offsets", "manner"]),
    "15_recognised_word": (["--utterances", 2, "--steps", 16], ["places", "completeness"]),
    "16_continuum": (["--corpus", "demo?type=assimilation", "--model", "demo/untrained"], ["continuum"]),
}


@pytest.mark.parametrize("name", STUDIES)
def test_it_writes_tables_figures_and_a_page(recipe, name: str) -> None:
    arguments, tables = STUDIES[name]
    out = recipe(name, *arguments)
    for table in tables:
        rows = pd.read_csv(out / f"{table}.csv")
        assert len(rows)
        if "baseline" in rows:
            assert "random-init" in set(rows.baseline)
            assert (out / f"{table}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((out / "config.json").read_text())["command"] == name
    page = (out / "report.html").read_text()
    assert all(f"{table}.csv" in page for table in tables)


@pytest.mark.long
def test_lenses_of_the_embedded_whisper(recipe) -> None:
    out = recipe("09_lenses", "--corpus", "demo?type=command", "--utterances", 8)
    rates = pd.read_csv(out / "rates.csv")
    errors = rates[(rates.metric == "wer") & (rates.baseline == "none")].sort_values("layer").score.tolist()
    assert errors[-1] < 0.1 < errors[0]
    assert errors[-1] == min(errors)
    tuned = pd.read_csv(out / "tuned.csv").query("metric == 'kl' and layer == 0").set_index("lens").score
    assert tuned["tuned"] < tuned["untuned"]
    assert (out / "steps_tuned.png").read_bytes().startswith(b"\x89PNG")


def test_a_phone_is_heard_by_itself_and_its_neighbours(recipe) -> None:
    table = pd.read_csv(recipe("14_phone_context", "--utterances", 2) / "offsets.csv").set_index(
        ["weights", "unit"]
    )
    mean = table["mean"]
    assert mean["model", "itself"] > 2
    assert mean["model", "itself"] > 2 * mean["model", "-1"] > 0
    assert abs(mean["random weights", "itself"]) < 0.2


def test_an_error_is_one_message_and_exit_code_one(recipe, capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        recipe("03_phone_probe", "--corpus", "timit:/no/such/folder")
    assert stop.value.code == 1
    assert "Fix" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(FOLDER.glob("[0-9]*.py")), ids=lambda path: path.stem)
def test_recipes_say_how_to_run_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert f"python recipes/{path.name}" in text.split('"""')[1]
    assert re.search(r"^def main\(\)", text, re.MULTILINE)
