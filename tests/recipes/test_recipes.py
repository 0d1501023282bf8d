"""Every recipe works without arguments; here on a few utterances of the embedded corpus."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest

import speechinterp as si

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
    "01_own_recording": ([], ["words", "geometry", "frames"]),
    "02_align_corpus": (["--model", "demo/whisper", "--utterances", 2], ["utterances", "boundaries"]),
    "03_phone_probe": (["--utterances", 8, "--probe", "lda"], ["accuracy", "description_length"]),
    "04_word_probe": (["--utterances", 24], ["words", "words_without_duration"]),
    "05_phonological_features": (["--utterances", 8], ["manner", "place", "voicing"]),
    "06_acoustic_regression": (["--utterances", 8, "--channels", "energy,f1"], ["energy", "f1"]),
    "07_similarity": (
        ["--utterances", 4, "--model", "demo/untrained"],
        ["layers", "mfcc", "features", "mfcc_by_svcca", "phones_by_rsa", "agreement_of_speakers"],
    ),
    "08_abx": (["--utterances", 16, "--by", "none", "--across", "none"], ["errors", "pairs"]),
    "10_number_probe": (
        ["--utterances", 33, "--model", "demo/untrained"],
        ["in_the_sentence", "cue_before", "cue_after", "heard_alone"],
    ),
    "11_homophones": (
        ["--utterances", 2, "--model", "demo/wav2vec2"],
        ["removed", "cues", "table", "summary", "homophones-encoder"],
    ),
    "12_routes": (["--utterances", 2], ["sources", "cue", "parts_of_the_encoder", "routes"]),
    "13_command_words": (["--utterances", 1, "--exact", 1], ["tops", "faithfulness", "sweeps"]),
    "14_phone_context": (["--utterances", 2], ["offsets", "manner"]),
    "15_recognised_word": (["--utterances", 1, "--steps", 8], ["places", "completeness"]),
    "16_continuum": (["--corpus", "demo?type=assimilation", "--model", "demo/untrained"], ["continuum"]),
    "17_planted_truth": (
        ["--utterances", 2, "--methods", "leave-one-out,saliency"],
        ["mixing", "attribution_hit", "attribution_auc"],
    ),
}
WITHOUT_FIGURE = {"cues", "table", "summary"}
LONG = ("11_homophones", "13_command_words", "15_recognised_word", "17_planted_truth")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in STUDIES]
)
def test_it_writes_tables_figures_and_a_page(recipe, name: str) -> None:
    arguments, tables = STUDIES[name]
    out = recipe(name, *arguments)
    for table in tables:
        rows = pd.read_csv(out / f"{table}.csv")
        assert len(rows)
        if "baseline" in rows and table not in WITHOUT_FIGURE:
            assert "random-init" in set(rows.baseline)
            assert (out / f"{table}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((out / "config.json").read_text())["command"] == name
    page = (out / "report.html").read_text()
    assert all(f"{table}.csv" in page for table in set(tables) - {"cues", "table"})


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


def stopping(function, after: int):
    """Count calls, and break down after some of them."""

    def wrapped(*args, **options):
        wrapped.calls += 1
        if wrapped.calls > after:
            raise RuntimeError("pulled the plug")
        return function(*args, **options)

    wrapped.calls = 0
    return wrapped


def test_utterances_that_are_finished_are_not_asked_again(recipe, monkeypatch, tmp_path: Path) -> None:
    asked = ("14_phone_context", "--utterances", 2, "--corpus", "demo?type=command")
    real = si.attribution.leave_one_out
    first, second, whole = stopping(real, 3), stopping(real, 99), stopping(real, 99)
    monkeypatch.setattr(si.attribution, "leave_one_out", first)
    with pytest.raises(RuntimeError, match="plug"):
        recipe(*asked)
    assert not (tmp_path / "offsets.csv").exists()
    monkeypatch.setattr(si.attribution, "leave_one_out", second)
    resumed = (recipe(*asked) / "offsets.csv").read_text()
    monkeypatch.setattr(si.attribution, "leave_one_out", whole)
    recipe(*asked, "--out", tmp_path / "whole")
    assert (first.calls - 1, second.calls, whole.calls) == (3, 1, 4)
    assert resumed == (tmp_path / "whole" / "offsets.csv").read_text()


def test_tables_that_are_finished_are_not_made_again(recipe, monkeypatch, tmp_path: Path) -> None:
    asked = ("05_phonological_features", "--utterances", 8)
    real = si.probe
    first, second = stopping(real, 2), stopping(real, 99)
    monkeypatch.setattr(si, "probe", first)
    with pytest.raises(RuntimeError, match="plug"):
        recipe(*asked)
    before = (tmp_path / "place.csv").read_text()
    monkeypatch.setattr(si, "probe", second)
    out = recipe(*asked)
    assert second.calls == 1
    assert (out / "place.csv").read_text() == before
    assert "voicing.csv" in (out / "report.html").read_text()


def test_a_folder_of_other_settings_is_not_mixed_with_these(recipe, capsys) -> None:
    asked = ("14_phone_context", "--utterances", 1, "--corpus", "demo?type=command")
    recipe(*asked)
    with pytest.raises(SystemExit):
        recipe(*asked, "--baseline", "noise")
    assert "another study: baseline differs" in capsys.readouterr().err


def test_a_model_without_what_a_recipe_needs_is_told_what_to_use(recipe, capsys) -> None:
    with pytest.raises(SystemExit):
        recipe("09_lenses", "--model", "demo/hubert", "--utterances", 1)
    assert "demo/whisper" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        recipe("13_command_words", "--model", "demo/whisper", "--utterances", 1)
    assert "demo/commands" in capsys.readouterr().err


NUMBERED = sorted(FOLDER.glob("[0-9]*.py"))


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_recipes_are_thin_and_say_how_to_run_them(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    doc = text.split('"""')[1]
    assert len(text.splitlines()) < 80
    assert f"python recipes/{path.name}" in doc
    assert doc.splitlines()[0].endswith("?")
    assert re.search(r"^After .+\(\d{4}\)\. .+\.$", doc, re.MULTILINE | re.DOTALL)
    assert re.search(r"^def main\(\)", text, re.MULTILINE)
    assert "with study(" in text


def test_every_recipe_is_in_the_table_and_in_a_test() -> None:
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| .*\| `(\d\d_\w+)\.py` \| [\d.]+ min \|", table, re.MULTILINE)
    assert listed == [path.stem for path in NUMBERED]
    assert {path.stem for path in NUMBERED} == {*STUDIES, "09_lenses"}
    for path in FOLDER.glob("benchmark/*.py"):
        assert f"`{path.name}`" in table, path.name
