"""Results on one page: figures, tables and settings of every folder."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from speechinterp.errors import SpeechInterpError
from speechinterp.report import write_results_report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    out = tmp_path / "probe<b>"
    out.mkdir()
    record = {
        "command": "probe",
        "model": "demo/x",
        "versions": {"torch": "9"},
        "notes": ["Note: <i>"],
        "long": "x" * 500,
    }
    (out / "config.json").write_text(json.dumps(record), encoding="utf-8")
    pd.DataFrame({"label": ["<script>", "b"] * 30, "score": 0.5}).to_csv(out / "scores.csv", index=False)
    (out / "empty.csv").write_text("", encoding="utf-8")
    Figure(figsize=(1, 1)).savefig(out / "scores.png")
    return out


def test_a_page_has_what_the_folders_have(tmp_path: Path, folder: Path) -> None:
    page = write_results_report(tmp_path / "out/report.html", [folder, folder])
    html = page.read_text(encoding="utf-8")
    assert html.count("<img") == 2
    assert html.count("scores.csv, its first 40 rows") == 2
    assert "empty.csv" in html
    assert "demo/x" in html
    assert "torch 9" in html
    assert "Note: &lt;i&gt;" in html
    assert "xxxx" not in html
    assert "<script>" not in html
    assert "probe&lt;b&gt;" in html


def test_what_is_no_result_is_named(tmp_path: Path, folder: Path) -> None:
    page = tmp_path / "report.html"
    with pytest.raises(SpeechInterpError, match="no folder of results"):
        write_results_report(page, [])
    with pytest.raises(SpeechInterpError, match=r"config.json cannot be read"):
        write_results_report(page, [folder, tmp_path / "nothing"])
    (folder / "scores.csv").write_bytes(b'a,b\n"open,1\n')
    with pytest.raises(SpeechInterpError, match=r"scores.csv cannot be read"):
        write_results_report(page, [folder])
    assert not page.exists()
