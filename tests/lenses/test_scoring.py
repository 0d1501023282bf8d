"""Rates: error rates, regressive words, the control of exchanged transcripts, intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lenses.reference import word_error_rate

import speechinterp as si
from speechinterp.errors import LensError

SAID = ["the cat sat on the mat", "a dog ran", "birds sing songs"]
TEXTS = {
    0: ["x", "", "a b c d"],
    1: ["the cat sat", "a dog ran", "birds sing songs"],
    2: ["the cat sat on a mat", "the dog ran", "birds sing"],
}


def table(**changes):
    rows = [
        {
            "model": "m", "baseline": "none", "lens": "decoder", "symbols": "pieces", "layer": layer,
            "utterance": f"u{i}", "speaker": f"s{i}", "transcript": text, "reference": SAID[i],
            "steps": i + 1, "entropy": float(layer + i), "kl": None, "agreement": None, "settled": None,
        }
        for layer, texts in TEXTS.items()
        for i, text in enumerate(texts)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changes)


def score(rates, metric, layer, baseline="none"):
    chosen = rates[(rates.metric == metric) & (rates.layer == layer) & (rates.baseline == baseline)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_error_rates_are_summed_errors_over_summed_words():
    rates = si.lenses.rates(table())
    for layer, texts in TEXTS.items():
        pairs = list(zip(SAID, texts, strict=True))
        assert score(rates, "wer", layer).score == pytest.approx(word_error_rate(pairs))
        letters = [(" ".join(a.replace(" ", "_")), " ".join(b.replace(" ", "_"))) for a, b in pairs]
        assert score(rates, "cer", layer).score == pytest.approx(word_error_rate(letters))
        assert score(rates, "wer", layer).n == 3


def test_regressive_and_progressive_words():
    rates = si.lenses.rates(table())
    assert score(rates, "regressive", 1).score == pytest.approx(2 / 12)  # a (dog ran), songs
    assert score(rates, "progressive", 1).score == pytest.approx(2 / 12)  # on, mat
    assert score(rates, "regressive", 2).score == score(rates, "progressive", 2).score == 0
    listed = si.lenses.regressive(table())
    assert listed[["utterance", "position", "unit", "layers"]].to_numpy().tolist() == [
        ["u1", 0, "a", "1"],
        ["u2", 2, "songs", "1"],
    ]
    assert listed.top.iloc[0] == "the"
    assert pd.isna(listed.top.iloc[1])


def test_means_are_weighted_by_steps():
    rates = si.lenses.rates(table())
    assert score(rates, "entropy", 2).score == pytest.approx((1 * 2 + 2 * 3 + 3 * 4) / 6)
    assert "kl" not in set(rates.metric)


def test_transcripts_of_others_are_the_control():
    rates = si.lenses.rates(table())
    right = score(rates, "wer", 1).score
    assert score(rates, "wer", 1, "shuffled-transcripts").score > right + 0.5
    assert "shuffled-transcripts" not in set(si.lenses.rates(table(baseline="random-init")).baseline)
    assert "shuffled-transcripts" not in set(si.lenses.rates(table(reference="the same")).baseline)


def test_the_control_never_meets_its_own_words():
    from speechinterp.lenses.scoring import _exchanged

    said = table(reference=["a b", "a b", "c"] * 3, transcript=["a b", "a b", "c"] * 3)
    for seed in range(20):
        numbers = _exchanged(said, str, seed)["wer"]
        assert min(numbers["_is"]) > 0


def test_texts_are_compared_in_the_form_asked_for():
    shouted = table(transcript=[t.upper() + "." for texts in TEXTS.values() for t in texts])
    assert score(si.lenses.rates(shouted), "wer", 1).score == 1
    clean = si.lenses.rates(shouted, normalise=lambda text: text.lower().rstrip("."))
    assert score(clean, "wer", 1).score == score(si.lenses.rates(table()), "wer", 1).score


def test_intervals_resample_speakers():
    random = np.random.default_rng(0)
    rows = []
    for speaker in range(40):
        wrong = random.random() < 0.3
        for take in range(3):
            text = "x" if wrong else "a"
            rows.append({"layer": 0, "utterance": f"{speaker}-{take}", "speaker": str(speaker),
                         "transcript": text, "reference": "a"})  # fmt: skip
    many = pd.DataFrame(rows).assign(model="m", baseline="none", lens="decoder", symbols="pieces", steps=1)
    found = score(si.lenses.rates(many), "wer", 0)
    spread = np.sqrt(found.score * (1 - found.score) / 40)
    assert found.ci_high - found.ci_low == pytest.approx(2 * 1.96 * spread, rel=0.2)
    one = si.lenses.rates(many[many.utterance == "0-0"])
    assert one[["ci_low", "ci_high"]].isna().all(axis=None)


def test_tables_survive_a_csv(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    again = pd.read_csv(tmp_path / "t.csv", keep_default_na=True)
    again["transcript"] = again["transcript"].fillna("")
    pd.testing.assert_frame_equal(si.lenses.rates(again), si.lenses.rates(table()))


def test_what_is_no_table_of_a_lens():
    with pytest.raises(LensError, match="no column reference"):
        si.lenses.rates(table().drop(columns="reference"))
    with pytest.raises(LensError, match="no rows"):
        si.lenses.rates(table()[:0])
