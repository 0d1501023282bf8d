"""Alignment of a corpus: files, going on, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_vocabulary import reading_model

import speechinterp as si
from speechinterp.align import Alignment, align_corpus
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError, SpeechInterpError

calls: list[str] = []


def aligned(model: object, utterance: si.Utterance, **_: object) -> Alignment:
    """Take the place of an aligner: every word lasts 0.1 s."""
    calls.append(utterance.id)
    words = (utterance.transcript or "").split()
    if not words:
        raise AlignmentError(f"utterance {utterance.id!r} has no words", fix="--on-bad skip")
    segments = [si.Segment(n / 10, (n + 1) / 10, word, -1 / 3) for n, word in enumerate(words)]
    return Alignment(
        {"words": si.Tier("words", segments)}, {"confidence": -0.1, "unknown": [], "no_phones": "none"}
    )


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch) -> si.Corpus:
    monkeypatch.setattr("speechinterp.align.corpus.align", aligned)
    calls.clear()
    sound = Sound(np.full(16000, 0.1, np.float32), 16000)
    gold = {"words": si.Tier("words", [si.Segment(0.02, 0.1, "ab"), si.Segment(0.1, 0.2, "ct")])}
    texts = {"s/one": "ab ct", "s/two": "", "t/three": "ab ct ü", "t/four": "ct"}
    return si.Corpus.of(
        [
            si.Utterance(id_, sound, id_[0], text, gold if id_ == "s/one" else {})
            for id_, text in texts.items()
        ]
    )


MODEL = reading_model("wav2vec2-pre-ctc")


def test_every_utterance_gets_a_textgrid_under_its_id(corpus: si.Corpus, tmp_path: Path) -> None:
    done = []
    found = align_corpus(MODEL, corpus, tmp_path, on_bad="skip", progress=lambda n, of: done.append((n, of)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.TextGrid")) == [
        "s/one.TextGrid", "t/four.TextGrid", "t/three.TextGrid",
    ]  # fmt: skip
    tiers = si.read_annotation(tmp_path / "t/three.TextGrid")
    assert [s for s in tiers["words"] if s.label] == list(found.alignments["t/three"]["words"])
    assert list(found.skipped) == ["s/two"]
    assert found.utterances()["confidence"].tolist() == [-0.1] * 3
    assert found.segments()[["utterance", "label", "score"]].iloc[0].tolist() == ["s/one", "ab", -1 / 3]
    errors = found.errors()
    assert errors["start_error_ms"].round(6).tolist() == [-20, 0]


def test_it_goes_on_where_it_was_stopped(corpus: si.Corpus, tmp_path: Path) -> None:
    with pytest.raises(SpeechInterpError, match="'s/two' has no words"):
        align_corpus(MODEL, corpus, tmp_path)
    assert calls == ["s/one", "s/two"]
    first = align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    assert calls[2:] == ["s/two", "t/four", "t/three"]
    calls.clear()
    log = (tmp_path / "alignments.jsonl").read_bytes()
    again = align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    assert calls == []
    assert again.alignments == first.alignments
    assert again.segments().equals(first.segments())  # scores too
    assert (tmp_path / "alignments.jsonl").read_bytes() == log
    with pytest.raises(SpeechInterpError, match="'s/two' has no words"):
        align_corpus(MODEL, corpus, tmp_path)  # tried again


@pytest.mark.parametrize("kept", [0.4, 0.7, 0.95])
def test_a_record_that_was_cut_off_loses_its_last_line_only(
    corpus: si.Corpus, tmp_path: Path, kept: float
) -> None:
    first = align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    log = tmp_path / "alignments.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[: int(kept * len(whole))])
    calls.clear()
    again = align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    assert again.alignments == first.alignments
    assert 0 < len(calls) < 5
    assert log.read_bytes() == whole


def test_a_textgrid_that_was_removed_is_made_again(corpus: si.Corpus, tmp_path: Path) -> None:
    align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    (tmp_path / "t/four.TextGrid").unlink()
    calls.clear()
    align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    assert calls == ["t/four"]
    assert (tmp_path / "t/four.TextGrid").is_file()


def test_another_study_is_refused(corpus: si.Corpus, tmp_path: Path) -> None:
    align_corpus(MODEL, corpus, tmp_path, on_bad="skip")
    with pytest.raises(AlignmentError, match="alignments of another model, dictionary or corpus"):
        align_corpus(MODEL, corpus, tmp_path, on_bad="skip", pronunciations={"ab": [("a",)]})
    with pytest.raises(AlignmentError, match="give another folder"):
        align_corpus(MODEL.random_twin(), corpus, tmp_path, on_bad="skip")


def test_nothing_aligned_is_an_error(corpus: si.Corpus, tmp_path: Path) -> None:
    with pytest.raises(AlignmentError, match=r"none of the 1 utterances.*has no words"):
        align_corpus(MODEL, corpus.subset(["s/two"]), tmp_path, on_bad="skip")
    assert json.loads((tmp_path / "alignments.jsonl").read_text().splitlines()[1])["utterance"] == "s/two"
