"""Alignment by the embedded models, of voices that they have not heard."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.align import LOW, Alignment, AlignmentWarning, boundary_errors, boundary_scores
from speechinterp.audio import Sound
from speechinterp.embedded import embedded_models
from speechinterp.models import SpeechModel

pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")

MISSING = {"demo/wav2vec2", "demo/wav2vec2-phones"} - set(embedded_models())
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{' and '.join(sorted(MISSING))} not among the embedded models of this checkout"
)

CORPUS = si.load_corpus("demo")
SOME = CORPUS.ids[::9]
"""Of every voice three utterances, of all types."""


@cache
def model() -> SpeechModel:
    return si.load_model("demo/wav2vec2", device="cpu")


@cache
def aligned(id_: str) -> Alignment:
    return si.align(model(), CORPUS[id_])


def scores(ids: list[str]) -> pd.DataFrame:
    tables = [boundary_errors(aligned(id_), CORPUS[id_]) for id_ in ids]
    return boundary_scores(pd.concat(tables)).set_index("tier")


def test_words_and_phones_of_unseen_voices_are_within_20_ms() -> None:
    found = scores(SOME)
    assert (found["missed"] == 0).all()
    assert (found["median_ms"] <= 20).all()
    assert (found["within_50ms"] > 0.85).all()
    assert (found["median_ms"] < found["even_median_ms"] / 3).all()


@pytest.mark.long
def test_words_and_phones_of_the_whole_corpus_are_within_20_ms() -> None:
    found = scores(CORPUS.ids)
    assert (found["median_ms"] <= 20).all()


def test_phones_lie_within_their_words() -> None:
    for id_ in SOME[:8]:
        words, phones = aligned(id_)["words"], aligned(id_)["phones"]
        inside = [[p for p in phones if w.start <= p.start and p.end <= w.end] for w in words]
        assert sum(map(len, inside)) == len(phones)
        assert all(
            group[0].start == w.start and group[-1].end == w.end
            for w, group in zip(words, inside, strict=True)
        )


def test_a_twin_with_random_weights_finds_nothing() -> None:
    twin = model().random_twin(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        tables = [boundary_errors(si.align(twin, CORPUS[id_]), CORPUS[id_]) for id_ in SOME[:8]]
    blind = boundary_scores(pd.concat(tables)).set_index("tier")
    assert blind["median_ms"]["words"] > 3 * scores(SOME[:8])["median_ms"]["words"]


def test_right_and_wrong_transcripts_are_told_apart() -> None:
    right = [aligned(id_).attrs["confidence"] for id_ in SOME]
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AlignmentWarning)
        for id_, other in zip(SOME, [*SOME[5:], *SOME[:5]], strict=True):
            if CORPUS[id_].transcript != CORPUS[other].transcript:
                wrong.append(
                    si.align(model(), CORPUS[id_], text=CORPUS[other].transcript).attrs["confidence"]
                )
    assert min(right) > LOW > np.quantile(wrong, 0.9)
    assert max(wrong) < min(right)


def long_recording(ids: list[str]) -> tuple[si.Utterance, dict[str, np.ndarray]]:
    """Join utterances; return what is said with the boundaries that their parts have alone."""
    pieces, texts, start = [], [], 0.0
    starts: dict[str, list[float]] = {"words": [], "phones": []}
    gold: dict[str, list[si.Segment]] = {"words": [], "phones": []}
    for id_ in ids:
        utterance = CORPUS[id_]
        for name, times in starts.items():
            times += [start + s.start for s in aligned(id_)[name]]
            gold[name] += [si.Segment(start + s.start, start + s.end, s.label) for s in utterance.tiers[name]]
        pieces.append(utterance.waveform(16000))
        texts.append(utterance.transcript or "")
        start += len(pieces[-1]) / 16000
    tiers = {name: si.Tier(name, segments) for name, segments in gold.items()}
    sound = Sound(np.concatenate(pieces), 16000)
    return si.Utterance("long", sound, None, " ".join(texts), tiers), {
        n: np.array(t) for n, t in starts.items()
    }


def assert_as_its_parts(ids: list[str]) -> None:
    """Nearly all boundaries stay to the frame; the model hears the neighbours, which moves a few by two."""
    utterance, parts = long_recording(ids)
    whole = si.align(model(), utterance)
    for name, starts in parts.items():
        found = np.array([s.start for s in whole[name]])
        assert len(found) == len(starts)
        apart = np.abs(found - starts)
        assert (apart <= 0.0201).mean() >= 0.97
        assert (apart <= 0.0501).mean() >= 0.99


def test_two_minutes_are_aligned_as_their_parts() -> None:
    assert_as_its_parts(CORPUS.ids[::4])


@pytest.mark.long
def test_thirty_minutes_are_aligned_as_their_parts() -> None:
    assert_as_its_parts(CORPUS.ids * 4)
