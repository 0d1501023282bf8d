"""Errors of boundaries and what sums them up."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.align import boundary_errors, boundary_scores
from speechinterp.audio import Sound


def tier(name: str, *segments: tuple[float, float, str]) -> si.Tier:
    return si.Tier(name, [si.Segment(*s) for s in segments])


def utterance(id_: str, speaker: str | None, seconds: float = 2.0, **tiers: si.Tier) -> si.Utterance:
    sound = Sound(np.zeros(round(16000 * seconds), np.float32), 16000)
    return si.Utterance(id_, sound, speaker, None, tiers)


GOLD = tier(
    "words", (0.0, 0.2, "h#"), (0.2, 0.5, "one"), (0.5, 1.0, "two"), (1.2, 1.6, "three"), (1.6, 2.0, "")
)
FOUND = tier("words", (0.21, 0.5, "ONE"), (0.5, 0.93, "two"), (1.165, 1.605, "three"))


def test_every_matched_segment_has_signed_errors() -> None:
    errors = boundary_errors({"words": FOUND, "phones": FOUND}, utterance("a", "s", words=GOLD))
    assert errors["status"].tolist() == ["matched"] * 3
    assert errors["label"].tolist() == ["one", "two", "three"]
    np.testing.assert_allclose(errors["start_error_ms"], [10, 0, -35], atol=1e-9)
    np.testing.assert_allclose(errors["end_error_ms"], [0, -70, 5], atol=1e-9)
    # eleven letters over two seconds
    np.testing.assert_allclose(errors["even_error_ms"], [-200, 2000 * 3 / 11 - 500, 2000 * 6 / 11 - 1200])


def test_the_sums_are_those_of_the_errors() -> None:
    row = boundary_scores(boundary_errors({"words": FOUND}, utterance("a", "s", words=GOLD))).iloc[0]
    assert (row["tier"], row["n"], row["missed"], row["extra"]) == ("words", 3, 0, 0)
    assert row["mean_ms"] == pytest.approx(15)
    assert row["median_ms"] == pytest.approx(10)
    assert row["bias_ms"] == pytest.approx(-25 / 3)
    shares = [row[f"within_{ms}ms"] for ms in (10, 20, 50, 100)]
    assert shares == [2 / 3, 2 / 3, 1, 1]  # 10 ms counts as within 10 ms
    assert row["end_median_ms"] == pytest.approx(5)
    assert row["end_within_20ms"] == 2 / 3
    assert row["end_bias_ms"] == pytest.approx(-65 / 3)
    # boundaries: gold .2 .5 1 1.2 1.6, found .21 .5 .93 1.165 1.605: hits .2 .5 1.6
    assert row["precision"] == row["recall"] == 3 / 5
    assert row["r_value"] == pytest.approx(1 - (0.4 + 0.4 / math.sqrt(2)) / 2)
    assert math.isnan(row["median_ci_low"])


def test_the_r_value_of_over_segmentation_by_hand() -> None:
    gold = tier("words", (0.2, 0.6, "a"), (0.6, 1.0, "b"))
    found = tier("words", (0.2, 0.3, "a"), (0.3, 0.45, "x"), (0.45, 0.6, "y"), (0.6, 1.0, "b"))
    row = boundary_scores(boundary_errors({"words": found}, utterance("a", "s", words=gold))).iloc[0]
    hit, over = 1.0, 5 / 3 - 1
    r1, r2 = math.sqrt((1 - hit) ** 2 + over**2), (-over + hit - 1) / math.sqrt(2)
    assert row["r_value"] == pytest.approx(1 - (abs(r1) + abs(r2)) / 2)
    assert (row["n"], row["missed"], row["extra"]) == (2, 0, 2)


def test_perfect_boundaries_score_one() -> None:
    row = boundary_scores(boundary_errors({"words": GOLD}, utterance("a", "s", words=GOLD))).iloc[0]
    assert (row["median_ms"], row["precision"], row["recall"], row["r_value"]) == (0, 1, 1, 1)


def test_other_labels_are_missed_and_extra_and_still_have_boundaries() -> None:
    found = tier("words", (0.2, 0.5, "eins"), (0.5, 1.0, "zwei"), (1.2, 1.6, "drei"))
    row = boundary_scores(boundary_errors({"words": found}, utterance("a", "s", words=GOLD))).iloc[0]
    assert (row["n"], row["missed"], row["extra"], row["recall"]) == (0, 3, 3, 1)


def test_labels_make_rows_of_their_own() -> None:
    scores = boundary_scores(
        boundary_errors({"words": FOUND}, utterance("a", "s", words=GOLD)), by=("tier", "label")
    )
    assert scores.set_index("label")["mean_ms"].round(6).to_dict() == {"one": 10, "two": 0, "three": 35}
    assert "r_value" not in scores


def test_intervals_are_over_speakers() -> None:
    shifts = {"s1": 0.01, "s2": 0.02, "s3": 0.03, "s4": 0.04}
    tables = []
    for speaker, shift in shifts.items():
        gold = tier("words", *((i / 2, i / 2 + 0.3, f"w{i}") for i in range(1, 3)))
        moved = tier("words", *((s.start + shift, s.end, s.label) for s in gold))
        tables += [
            boundary_errors({"words": moved}, utterance(f"{speaker}/{n}", speaker, words=gold))
            for n in (1, 2)
        ]
    row = boundary_scores(pd.concat(tables)).iloc[0]
    assert row["median_ms"] == pytest.approx(25)
    assert 10 <= row["median_ci_low"] < 20
    assert 30 < row["median_ci_high"] <= 40.001
    again = boundary_scores(pd.concat(tables)).iloc[0]
    assert row["median_ci_low"] == again["median_ci_low"]


def test_utterances_without_gold_give_no_rows() -> None:
    assert boundary_errors({"words": FOUND}, utterance("a", "s")).empty
