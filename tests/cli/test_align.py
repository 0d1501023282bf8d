"""``speechinterp align``."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pandas as pd
import pytest
import soundfile

import speechinterp as si
from speechinterp.align import Alignment
from speechinterp.errors import AlignmentError

CONTRACT = ["tier", "n", "mean_ms", "median_ms", "within_20ms", "within_50ms"]


def late(model: object, utterance: si.Utterance, **_: object) -> Alignment:
    """Take the place of an aligner: it finds the gold tiers 30 ms late, and is not sure of one voice."""
    tiers = {
        name: si.Tier(
            name,
            [
                si.Segment(s.start + 0.03, max(s.start + 0.03, s.end), s.label, -0.2)
                for s in utterance.tiers[name]
            ],
        )
        for name in ("words", "phones")
        if name in utterance.tiers
    }
    if not tiers:
        raise AlignmentError(f"utterance {utterance.id!r} has no words")
    return Alignment(tiers, {"confidence": -2.5 if "bob" in utterance.id else -0.1, "unknown": []})


@pytest.fixture
def aligner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechinterp.align.corpus.align", late)


@pytest.mark.usefixtures("aligner")
def test_it_writes_what_the_contract_says(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("align", "demo/untrained", f"table:{table}", "--out", out)
    assert result.exit_code == 0, result.output
    corpus = si.load_corpus(f"table:{table}")
    assert all((out / f"{id_}.TextGrid").is_file() for id_ in corpus.ids)
    scores = pd.read_csv(out / "boundaries.csv")
    assert set(CONTRACT) <= set(scores.columns)
    assert scores["tier"].tolist() == ["words", "phones"]
    assert scores["median_ms"].round(6).tolist() == [30, 30]
    assert scores["within_20ms"].tolist() == [0, 0]
    segments = pd.read_csv(out / "segments.csv")
    assert {"utterance", "tier", "label", "start", "end", "score"} == set(segments.columns)
    assert len(segments) == scores["n"].sum()
    by_label = pd.read_csv(out / "boundaries_by_label.csv")
    assert by_label["n"].sum() == scores["n"].sum()
    assert json.loads((out / "config.json").read_text())["command"] == "align"
    for name in ("errors.csv", "alignments.csv", "alignment.png", "alignment.pdf"):
        assert (out / name).stat().st_size > 0, name
    assert "2 with a confidence below -1" in result.output
    assert "sound/bob/take0, sound/bob/take1" in result.output


@pytest.mark.usefixtures("aligner")
def test_bad_utterances_stop_it_or_are_left_out_and_finished_work_stays(
    run, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "sound/bob/take1.wav").write_bytes(b"")
    out = tmp_path / "out"
    stopped = run("align", "demo/untrained", f"table:{table}", "--out", out)
    assert stopped.exit_code == 1
    assert "take1.wav is empty" in stopped.output
    assert (out / "sound/ana/take0.TextGrid").is_file()
    skipped = run("align", "demo/untrained", f"table:{table}", "--out", out, "--on-bad", "skip")
    assert skipped.exit_code == 0, skipped.output
    assert "7 utterances" in skipped.output
    assert "1 left out, with the reason in alignments.jsonl" in skipped.output


@pytest.mark.usefixtures("aligner")
def test_a_corpus_without_tiers_gets_textgrids_and_no_scores(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np
    import soundfile

    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(16000) * 0.1, 16000)
    (tmp_path / "t.csv").write_text("file,transcript,speaker\na.wav,one two,x\n")
    monkeypatch.setattr(
        "speechinterp.align.corpus.align",
        lambda *_, **__: Alignment(
            {"words": si.Tier("words", [si.Segment(0, 0.5, "one", -0.1), si.Segment(0.5, 1, "two", -0.1)])},
            {"confidence": -0.1, "unknown": [], "no_phones": "no phone model was given"},
        ),
    )
    out = tmp_path / "out"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run("align", "demo/untrained", f"table:{tmp_path / 't.csv'}", "--out", out)
    assert result.exit_code == 0, result.output
    assert "No phones in 1: no phone model was given" in result.output
    assert "no tiers to compare with" in result.output
    assert not (out / "boundaries.csv").exists()
    assert (out / "a.TextGrid").is_file()


def test_a_dictionary_that_is_none_is_named(run, table: Path, tmp_path: Path) -> None:
    result = run(
        "align", "demo/untrained", f"table:{table}", "--pronunciations", table, "--out", tmp_path / "o"
    )
    assert result.exit_code == 1
    assert "corpus.csv has the columns" in result.output


def test_a_model_that_writes_nothing_is_refused(run, table: Path, tmp_path: Path) -> None:
    result = run("align", "demo/untrained", f"table:{table}", "--out", tmp_path / "o")
    assert result.exit_code == 1
    assert "does not write text" in result.output


@pytest.mark.parametrize("how", ["option", "beside"])
def test_one_file_needs_nothing_but_what_is_said(run, tmp_path: Path, how: str) -> None:
    utterance = si.load_corpus("demo?type=sentence")[0]
    file = tmp_path / "me.wav"
    soundfile.write(file, utterance.waveform(16000), 16000)
    asked = ["--transcript", utterance.transcript] if how == "option" else []
    if how == "beside":
        file.with_suffix(".txt").write_text(f"{utterance.transcript}\n", encoding="utf-16")
    out = tmp_path / "out"
    result = run("align", "demo/whisper", file, "--out", out, *asked)
    assert result.exit_code == 0, result.output
    assert (out / "alignment.png").stat().st_size > 0
    words = si.read_annotation(out / "me.TextGrid")["words"]
    assert " ".join(word.label for word in words if word.label) == utterance.transcript


def test_a_corpus_has_more_than_one_transcript(run, tmp_path: Path) -> None:
    result = run("align", "demo/whisper", "demo", "--transcript", "one", "--out", tmp_path)
    assert result.exit_code == 1
    assert "leave --transcript out" in result.output
