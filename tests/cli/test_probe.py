"""``speechinterp probe``."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

COLUMNS = [
    "model", "layer", "target", "probe", "metric", "score", "ci_low", "ci_high", "n_train", "n_test", "baseline",
]  # fmt: skip


def test_it_writes_table_figure_report_and_record(run, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("probe", "demo/untrained", f"table:{table}", "--probe", "ridge", "--out", out)
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(out / "scores.csv")
    assert list(scores.columns) == COLUMNS
    assert set(scores.baseline) == {"none", "random-init", "mfcc", "shuffled-labels", "majority"}
    assert sorted(scores.layer[scores.baseline == "none"].unique()) == [0, 1, 2, 3, 4]
    assert (out / "scores.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "scores.pdf").read_bytes().startswith(b"%PDF")
    assert "demo/untrained" in (out / "report.html").read_text(encoding="utf-8")
    assert json.loads((out / "config.json").read_text())["probe"] == "ridge"


def test_a_second_run_and_a_store_give_the_same_scores(run, table: Path, tmp_path: Path) -> None:
    settings = ["demo/untrained", f"table:{table}", "--probe", "lda", "--baselines", "none"]
    assert run("probe", *settings, "--out", tmp_path / "a").exit_code == 0
    first = (tmp_path / "a/scores.csv").read_text()
    assert run("probe", *settings, "--out", tmp_path / "a").exit_code == 0
    assert (tmp_path / "a/scores.csv").read_text() == first
    store = tmp_path / "a/stores/model"
    result = run("probe", *settings, "--store", store, "--out", tmp_path / "b")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "b/scores.csv").read_text() == first
    assert not (tmp_path / "b/stores").exists()


def test_mfcc_can_stand_in_the_place_of_a_model(run, table: Path, tmp_path: Path) -> None:
    result = run(
        "probe", "mfcc", f"table:{table}", "--probe", "lda", "--baselines", "logmel", "--out", tmp_path / "o"
    )
    assert result.exit_code == 0, result.output
    assert set(pd.read_csv(tmp_path / "o/scores.csv").baseline) == {
        "none",
        "logmel",
        "shuffled-labels",
        "majority",
    }


def test_units_that_one_of_them_had_to_leave_out_are_left_out_of_all(
    run, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "sound/bob/take1.wav").write_bytes(b"")
    result = run(
        "probe",
        "demo/untrained",
        f"table:{table}",
        "--probe",
        "lda",
        "--on-bad",
        "skip",
        "--out",
        tmp_path / "p",
    )
    assert result.exit_code == 0, result.output


def test_one_speaker_is_refused_with_the_way_out(run, table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    one = tmp_path / "one.csv"
    rows[rows.speaker == "ana"].to_csv(one, index=False)
    result = run("probe", "demo/untrained", f"table:{one}", "--baselines", "none", "--out", tmp_path / "o")
    assert result.exit_code == 1
    assert "ProbeError" in result.output
    assert "utterance" in result.output


def test_a_label_seen_once_is_left_out_and_said(run, table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table)
    rows.loc[(rows.tier == "phones").idxmax(), "label"] = "ʘ"
    rows.to_csv(table, index=False)
    result = run(
        "probe", "mfcc", f"table:{table}", "--probe", "lda", "--baselines", "none", "--out", tmp_path / "o"
    )
    assert result.exit_code == 0, result.output
    assert "ʘ" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--unit", "syllables"], "it has: phones, words"),
        (["--target", "tone"], "tone"),
        (["--folds", "village"], "village"),
    ],
)
def test_wrong_names_list_those_there_are(
    run, table: Path, tmp_path: Path, change: list[str], message: str
) -> None:
    result = run("probe", "mfcc", f"table:{table}", "--baselines", "none", "--out", tmp_path / "o", *change)
    assert result.exit_code == 1
    assert message in result.output


def test_frames_are_compared_with_the_windows_nearest_to_them(run, table: Path, tmp_path: Path) -> None:
    settings = ["demo/untrained", f"table:{table}", "--probe", "lda", "--pool", "all", "--baselines", "mfcc"]
    result = run("probe", *settings, "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    scores = pd.read_csv(tmp_path / "o/scores.csv").groupby("baseline").score.max()
    assert scores["mfcc"] > scores["none"]


def test_features_have_no_random_twin(run, table: Path, tmp_path: Path) -> None:
    for command in (["probe", "mfcc", f"table:{table}", "--baselines", "random-init"],
                    ["extract", "mfcc", f"table:{table}", "--random-init"]):  # fmt: skip
        assert run(*command, "--out", tmp_path / "o").exit_code == 2


def test_an_unknown_baseline_is_wrong_usage(run, table: Path, tmp_path: Path) -> None:
    result = run("probe", "mfcc", f"table:{table}", "--baselines", "mcff", "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "none of random-init, mfcc, logmel" in result.output


@pytest.mark.real
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_real_phones_rise_over_the_layers_of_a_real_model(assets: Path, tmp_path: Path) -> None:
    import speechinterp as si
    from speechinterp.representations import AcousticFeatures

    corpus = si.load_corpus(f"timit:{assets / 'corpora/timit-sample'}")
    some = corpus.subset([id_ for id_ in corpus.ids if "/sx" in id_][::2])
    model = si.load_model(assets / "models/whisper-tiny.en")
    mfcc = si.extract(AcousticFeatures("mfcc"), some)
    scores = si.probe(si.extract(model, some), probe="ridge", baselines={"mfcc": mfcc})
    scores = scores[scores.metric == "accuracy"].set_index(["baseline", "layer"]).score
    layers = [scores["none", layer] for layer in range(5)]
    assert layers[0] < layers[1] < layers[2] < max(layers[3:])
    assert max(layers) > 0.75
    assert max(layers) > scores["mfcc"].iloc[0] + 0.15
    assert scores["shuffled-labels"].max() < 0.3
