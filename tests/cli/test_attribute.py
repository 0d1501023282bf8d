"""``speechinterp attribute``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import xarray as xr

from speechinterp import read_annotation
from speechinterp.embedded import embedded_models

WORDS = ["a", "note", "to", "tad"]


@pytest.fixture
def spelling(ctc_folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A tiny CTC model on disk, and a table of three speakers whose tiers have four words each."""
    rows = []
    for i in range(3):
        wave = np.random.default_rng(i).standard_normal(16000) * 0.1
        soundfile.write(tmp_path / f"{i}.wav", wave, 16000)
        about = {"file": f"{i}.wav", "speaker": f"s{i}", "transcript": " ".join(WORDS), "tier": "words"}
        rows += [
            about | {"start": 0.1 + 0.2 * k, "end": 0.3 + 0.2 * k, "label": w} for k, w in enumerate(WORDS)
        ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    return ctc_folder, tmp_path / "t.csv"


@pytest.mark.parametrize(
    ("method", "options"),
    [("leave-one-out", []), ("input-x-gradient", ["--space", "spectrogram", "--unit", "0.25"])],
)
def test_it_writes_relevance_tiers_figures_sounds_and_a_page(
    run, spelling, tmp_path: Path, method, options
) -> None:
    model, table = spelling
    out = tmp_path / "out"
    result = run(
        "attribute",
        model,
        f"table:{table}",
        "--method",
        method,
        "--target",
        "word:note",
        "--out",
        out,
        *options,
    )
    assert result.exit_code == 0, result.output
    rows = pd.read_csv(out / "attribution.csv")
    assert len(rows) == 12
    assert list(rows.columns[:11]) == [
        "utterance", "speaker", "method", "space", "baseline", "target", "unit", "label", "start", "end", "relevance",
    ]  # fmt: skip
    every = xr.load_dataarray(out / "attribution.nc", engine="scipy")
    assert every.shape == (3, 1, 4)
    assert np.allclose(every.values.ravel(), rows.relevance, rtol=1e-5)
    faithful = pd.read_csv(out / "faithfulness.csv")
    assert set(faithful.method) == {method, "random"}
    maps = xr.load_dataarray(out / "maps/0.nc", engine="scipy")
    assert maps.dims == (("target", "unit") if method == "leave-one-out" else ("target", "frequency", "time"))
    tiers = read_annotation(out / "0.TextGrid")
    assert [s.label.split(":")[0] for s in tiers["note"] if s.label] == rows.label[:4].astype(str).tolist()
    gated, rate = soundfile.read(out / "sounds/0/1-note.wav")
    plain, _ = soundfile.read(tmp_path / "0.wav")
    assert (len(gated), rate) == (len(plain), 16000)
    assert 0 < np.abs(gated).sum() < np.abs(plain).sum()
    for name in ("attribution", "attribution-3", "faithfulness"):
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data-start=") == 12
    assert page.count("data:audio/wav;base64,") == 6
    assert json.loads((out / "config.json").read_text())["record"][
        "n_units" if method == "leave-one-out" else "space"
    ]


def test_a_second_run_explains_nothing_anew(run, spelling, tmp_path: Path, monkeypatch) -> None:
    model, table = spelling
    arguments = ["attribute", model, f"table:{table}", "--method", "leave-one-out", "--out", tmp_path / "out"]
    arguments += ["--target", "word:note"]
    assert run(*arguments, "--utterances", 2).exit_code == 0
    first = (tmp_path / "out/attribution.csv").read_text()
    monkeypatch.setattr("speechinterp.attribution.study.attribute", None)
    assert run(*arguments, "--utterances", 2).exit_code == 0
    assert (tmp_path / "out/attribution.csv").read_text() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "word:dog"], "'dog' is not in the transcript"),
        (["--target", "ctc:ß"], "'ß' is not in the transcript"),
        (["--target", "label"], "has no classification head"),
        (["--target", "token:1"], "has no decoder"),
        (["--target", "wort:rose"], "word:rose for a word"),
        (["--baseline", "pink"], "one of silence, noise"),
        (["--unit", "syllables"], "syllables"),
        (["--method", "shapley", "--space", "waveform"], "explains by units"),
        (["--method", "saliency", "--space", "log-mel"], "which reads the waveform"),
    ],
)
def test_bad_input_is_told_in_words(run, spelling, tmp_path: Path, options, message) -> None:
    model, table = spelling
    arguments = ["attribute", model, f"table:{table}", "--out", tmp_path / "out"]
    if "--method" not in options:
        arguments += ["--method", "leave-one-out"]
    if "--target" not in options:
        arguments += ["--target", "word:note"]
    result = run(*arguments, *options)
    assert result.exit_code == 1, result.output
    assert message in result.output
    assert "Expected" in result.output


def test_silent_audio_stops_it_or_is_left_out(run, spelling, tmp_path: Path) -> None:
    model, table = spelling
    soundfile.write(tmp_path / "1.wav", np.zeros(16000), 16000)
    arguments = ["attribute", model, f"table:{table}", "--method", "leave-one-out", "--target", "word:note"]
    arguments += ["--out", tmp_path / "out"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "silent" in result.output
    result = run(*arguments, "--on-bad", "skip")
    assert result.exit_code == 0, result.output
    assert "1 left out" in result.output
    assert pd.read_csv(tmp_path / "out/attribution.csv").utterance.nunique() == 2


@pytest.mark.long
@pytest.mark.skipif("demo/commands" not in embedded_models(), reason="demo/commands is not in this checkout")
def test_without_arguments_it_explains_embedded_commands(run, tmp_path: Path) -> None:
    result = run("attribute", "--method", "leave-one-out", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    rows = pd.read_csv(tmp_path / "attribution.csv")
    assert rows.utterance.nunique() == 8
    tops = rows.loc[rows.groupby(["utterance", "target"]).relevance.idxmax()]
    assert (tops.target.str.partition("=")[2] == tops.label).mean() >= 0.9
