"""``speechinterp report``."""

from __future__ import annotations

import json
from pathlib import Path


def results(folder: Path, command: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"command": command, "model": "m"}), encoding="utf-8")
    (folder / "scores.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return folder


def test_one_page_of_several_folders(run, tmp_path: Path) -> None:
    folders = [results(tmp_path / name, name) for name in ("probe", "mix")]
    result = run("report", *folders, "--out", tmp_path / "page")
    assert result.exit_code == 0, result.output
    html = (tmp_path / "page/report.html").read_text(encoding="utf-8")
    assert "probe · m" in html
    assert "mix · m" in html
    assert json.loads((tmp_path / "page/config.json").read_text())["command"] == "report"


def test_without_a_folder_it_takes_all_runs(run, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("report").exit_code == 1
    results(tmp_path / "runs/one", "one")
    for _ in range(2):  # the page itself is not among them
        result = run("report")
        assert result.exit_code == 0, result.output
        assert "1 folders" in result.output


def test_a_folder_without_results_is_named(run, tmp_path: Path) -> None:
    result = run("report", tmp_path, "--out", tmp_path / "page")
    assert result.exit_code == 1
    assert "config.json cannot be read" in result.output
    assert not (tmp_path / "page/report.html").exists()
