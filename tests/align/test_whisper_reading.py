"""How a Whisper reads along: calibration finds the heads and the lag that were planted, and those that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from align.letters import SPANS, letter_model, plant, spoken

import speechinterp as si
from speechinterp.align import whisper_reading
from speechinterp.align.whisper import align_whisper
from speechinterp.align.whisper_reading import KNOWN, calibrate
from speechinterp.errors import AlignmentError

TINY = "models/whisper-tiny.en"


@pytest.mark.parametrize("lag", [0, 2])
def test_calibration_finds_the_head_and_its_lag(monkeypatch, lag):
    plant(monkeypatch, SPANS, 40, lag)
    model = letter_model()
    gold = [(5, 10), (14, 20), (20, 30)]
    tier = si.Tier(
        "words",
        [
            si.Segment(0.02 * a - 0.01, 0.02 * b - 0.01, label)
            for (a, b), label in zip(gold, ["on", "a", "day"], strict=True)
        ],
    )
    pauses = [si.Segment(0, 0.09, ""), si.Segment(0.19, 0.27, "sil"), si.Segment(0.59, 0.8, "")]
    annotated = si.Tier("words", [*tier, *pauses])
    found = calibrate(model, si.Corpus.of([spoken(None, tiers={"words": annotated})], "planted"))
    assert found.heads[0] == (1, 0)
    assert (found.unit, found.row, found.source) == ("letters", 1, "planted")
    assert abs(found.lag - 2 * lag) <= 1
    assert found.error_ms < 10
    assert whisper_reading.reading_of(model) is found
    starts = [w.start for w in align_whisper(model, spoken())["words"]]
    np.testing.assert_allclose(starts, [w.start for w in tier], atol=0.011)


def test_labels_that_are_no_words_cannot_calibrate():
    tier = si.Tier("words", [si.Segment(0, 0.1, "on"), si.Segment(0.1, 0.2, "...")])
    with pytest.raises(AlignmentError, match="2 labels of its tier 'words' are 1 words"):
        calibrate(letter_model(), si.Corpus.of([spoken(None, tiers={"words": tier})]))


@pytest.mark.real
@pytest.mark.long
@pytest.mark.parametrize("name", [TINY, "demo/whisper"])
def test_what_is_known_is_what_calibration_finds(assets, name):
    model = si.load_model(name if name.startswith("demo/") else assets / name, device="cpu")
    known = KNOWN[model.weights_hash]
    found = calibrate(model, si.load_corpus(whisper_reading.CALIBRATION))
    assert replace(found, error_ms=known.error_ms) == known
    assert found.error_ms == pytest.approx(known.error_ms, abs=0.1)
