"""``speechinterp lens``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile


@pytest.fixture
def spelling(ctc_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A tiny CTC model on disk, and a table of four speakers with transcripts."""
    rows = []
    for i in range(8):
        wave = np.random.default_rng(i).standard_normal(8000 + 500 * i) * 0.1
        soundfile.write(tmp_path / f"{i}.wav", wave, 16000)
        rows.append(
            {"file": f"{i}.wav", "speaker": f"s{i % 4}", "transcript": ["a note", "don't", "ado"][i % 3]}
        )
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    return ctc_folder, tmp_path / "t.csv"


@pytest.mark.parametrize("kind", ["auto", "tuned"])
def test_it_writes_tables_figures_and_the_record(run, spelling, tmp_path: Path, kind: str) -> None:
    model, table = spelling
    out = tmp_path / "out"
    result = run("lens", model, f"table:{table}", "--kind", kind, "--out", out)
    assert result.exit_code == 0, result.output
    assert "layer 3:" in result.output
    transcripts = pd.read_csv(out / "transcripts.csv")
    assert set(transcripts.baseline) == {"none", "random-init"}
    assert set(transcripts.lens) == ({"ctc"} if kind == "auto" else {"tuned", "untuned"})
    assert sorted(set(transcripts.layer)) == [0, 1, 2, 3]
    rates = pd.read_csv(out / "lens.csv")
    assert list(rates.columns) == [
        "model", "baseline", "lens", "layer", "metric", "score", "ci_low", "ci_high", "n",
    ]  # fmt: skip
    assert {"wer", "cer", "kl", "agreement", "settled", "regressive"} <= set(rates.metric)
    assert {"none", "random-init", "shuffled-transcripts"} == set(rates.baseline)
    assert set(pd.read_csv(out / "regressive.csv").columns) >= {"utterance", "unit", "layers", "top"}
    for name in ("lens", "trajectory"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((out / "config.json").read_text())
    assert record["record"]["residual"] == 0
    assert record["record"]["symbols"] == "letters"


def test_a_second_run_reads_nothing_anew(run, spelling, tmp_path: Path, monkeypatch) -> None:
    model, table = spelling
    arguments = ["lens", model, f"table:{table}", "--out", tmp_path / "out"]
    assert run(*arguments).exit_code == 0
    first = (tmp_path / "out/transcripts.csv").read_text()
    monkeypatch.setattr("speechinterp.lenses.ctc_lens.read_encoder", None)
    assert run(*arguments).exit_code == 0
    assert (tmp_path / "out/transcripts.csv").read_text() == first


def test_bad_utterances_stop_it_or_are_left_out(run, spelling, tmp_path: Path) -> None:
    model, table = spelling
    (tmp_path / "3.wav").write_bytes(b"")
    arguments = ["lens", model, f"table:{table}", "--out", tmp_path / "out", "--baselines", "none"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "3.wav is empty" in result.output
    assert len((tmp_path / "out/parts/ctc-none.jsonl").read_text().splitlines()) == 4, (
        "what was finished stays"
    )
    result = run(*arguments, "--on-bad", "skip")
    assert result.exit_code == 0, result.output
    assert "1 left out" in result.output
    assert pd.read_csv(tmp_path / "out/transcripts.csv").utterance.nunique() == 7


def test_what_does_not_fit(run, spelling, tmp_path: Path) -> None:
    model, table = spelling
    result = run("lens", model, f"table:{table}", "--kind", "decoder", "--out", tmp_path / "o")
    assert result.exit_code == 1
    assert "has no decoder" in result.output
    result = run("lens", "demo/untrained", f"table:{table}", "--out", tmp_path / "o")
    assert result.exit_code == 1
    assert "does not write text" in result.output
    result = run("lens", model, f"table:{table}", "--baselines", "mfcc", "--out", tmp_path / "o")
    assert result.exit_code == 2
