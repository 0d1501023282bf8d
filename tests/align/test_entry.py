"""One entry for all models: what it takes, warns of and records, and which models it refuses."""

from __future__ import annotations

import re
import warnings

import pytest
from align.letters import SPANS, letter_model, plant, spoken
from align.planted import LETTERS_HEARD, SAID, SPANNING, Planted, frames, utterance
from tiny import tiny_model

import speechinterp as si
from speechinterp.align import Alignment, AlignmentWarning, entry
from speechinterp.errors import AlignmentError, ModelError


@pytest.mark.parametrize("wrong", ["tented noon doe", "toto"])
def test_the_transcript_of_another_file_has_low_confidence_and_a_warning(
    planted: Planted, wrong: str
) -> None:
    planted.hears(SPANNING)
    right = si.align(planted.letters, utterance(SPANNING, "ad do te"))
    with pytest.warns(AlignmentWarning, match="hears something else than its text"):
        other = si.align(planted.letters, utterance(SPANNING, wrong))
    assert other.attrs["confidence"] < -1 < -0.3 < right.attrs["confidence"]


def test_a_transcript_that_leaves_words_out_has_low_confidence(planted: Planted) -> None:
    planted.hears(SPANNING)
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(planted.letters, utterance(SPANNING, "te"))


def test_silence_has_low_confidence(planted: Planted) -> None:
    planted.hears([("_", 30)])
    with pytest.warns(AlignmentWarning, match="hears something else than its text"):
        si.align(planted.letters, utterance([("_", 30)], "ad do te"))


def test_models_that_write_nothing_are_refused() -> None:
    with pytest.raises(ModelError, match="does not write text"):
        si.align(si.load_model("demo/untrained"), utterance([("_", 30)], "add"))


def test_a_file_is_no_utterance() -> None:
    with pytest.raises(AlignmentError, match=r"str 'me.wav'.*si.Utterance"):
        si.align(tiny_model("whisper"), "me.wav")


def test_whole_words_can_be_the_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    from align.planted import log_probs
    from tiny import tiny_model
    from tiny_vocabulary import ctc_tokenizer

    names = ("<pad>", "<s>", "</s>", "<unk>", *(f"w{i}" for i in range(6)), "yes", "no")
    model = tiny_model("wav2vec2-pre-ctc", pad_token_id=0)
    model.read_tokenizer = lambda: ctc_tokenizer(names)
    heard = [("_", 5), ("yes", 6), ("_", 3), ("no", 4), ("_", 2)]
    monkeypatch.setattr(
        "speechinterp.align.ctc.emissions",
        lambda model, u: (log_probs(heard, names), model.grid.with_frames(20)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = si.align(model, u := utterance(heard, "Yes - NO!"))
    assert frames(found["words"], model.frames(u)) == [("Yes", 5, 11), ("NO", 14, 18)]


@pytest.mark.parametrize(
    ("lexicon", "reason"),
    [
        (
            {"no": [("ʘ",)]},
            "no phone is in the vocabulary of tiny/wav2vec2-pre-ctc .*; those of the lexicon are ʘ",
        ),
        ({"x": [("n",)]}, "the lexicon has no such words"),
    ],
)
def test_it_is_said_why_there_are_no_phones(both: Planted, lexicon: dict, reason: str) -> None:
    u = utterance(LETTERS_HEARD, "no te da")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = si.align(both.letters, u, phone_model=both.phones, pronunciations=lexicon)
    assert set(found) == {"words"}
    assert re.search(reason, found.attrs["no_phones"])


def test_a_model_of_letters_is_no_phone_model(both: Planted) -> None:
    with pytest.raises(ModelError, match="writes letters"):
        si.align(
            both.letters, utterance(LETTERS_HEARD, "no te da"), phone_model=both.letters, pronunciations=SAID
        )


def test_a_phone_model_alone_gives_words_and_phones(both: Planted) -> None:
    found = si.align(both.phones, utterance(LETTERS_HEARD, "no te da"), pronunciations=SAID)
    assert frames(found["words"], both.phones.grid) == [("no", 4, 12), ("te", 12, 19), ("da", 23, 30)]
    assert found["phones"].labels == ["n", "oʊ", "t", "e", "d", "aɪ"]
    assert {found["words"][0].start, found["words"][2].end} == {
        found["phones"][0].start,
        found["phones"][5].end,
    }
    assert found.attrs["pronunciations"] == "lexicon"


def test_a_phone_model_alone_needs_pronunciations(both: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    u = utterance(LETTERS_HEARD, "no te da")
    with pytest.raises(AlignmentError, match="no phone is in the vocabulary"):
        si.align(both.phones, u, pronunciations={"no": [("ʘ",)]})
    monkeypatch.setattr("speechinterp.align.entry.pronounced", lambda *_: "no pronunciations: none at all")
    with pytest.raises(AlignmentError, match="writes phones, and there are no pronunciations"):
        si.align(both.phones, u)


def test_the_entry_adds_what_a_result_must_record(monkeypatch):
    plant(monkeypatch, SPANS, 40)
    found = si.align(letter_model(), spoken())
    assert isinstance(found, Alignment)
    assert found.attrs["method"] == "Whisper cross-attention"
    assert found.attrs["confidence"] == pytest.approx(-0.1)
    assert found.attrs["word_confidence"] == pytest.approx([-0.1] * 3)
    assert found.attrs["heads"] == [[1, 0]]
    assert found.attrs["utterance"] == "a/b"


def test_whisper_is_no_phone_model(both: Planted) -> None:
    with pytest.raises(
        ModelError, match=r"has no CTC head.*give Whisper as model, and a CTC model as phone_model"
    ):
        si.align(both.letters, utterance(LETTERS_HEARD, "no te da"), phone_model=letter_model())


def test_without_pronunciations_words_are_placed_all_the_same(
    both: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechinterp.align.entry.pronounced", lambda *_: "no pronunciations: none at all")
    found = si.align(both.letters, utterance(LETTERS_HEARD, "no te da"), phone_model=both.phones)
    assert found["words"].labels == ["no", "te", "da"]
    assert found.attrs["no_phones"] == "no pronunciations: none at all"


def test_the_embedded_model_brings_its_phones_and_its_random_twin_does_not(
    both: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    monkeypatch.setattr(entry, "_load_companion", lambda *given: loaded.append(given) or both.phones)
    monkeypatch.setattr(both.letters, "id", "demo/wav2vec2")
    heard = utterance(LETTERS_HEARD, "no te da")
    found = si.align(both.letters, heard, pronunciations=SAID)
    assert loaded == [("demo/wav2vec2-phones", "cpu")]
    assert found.attrs["phone_model"] == both.phones.id
    monkeypatch.setattr(both.letters, "baseline", "random-init")
    assert "phones" not in si.align(both.letters, heard, pronunciations=SAID)
    assert len(loaded) == 1


def test_a_result_records_the_model_that_was_used(both: Planted) -> None:
    found = si.align(both.letters, utterance(LETTERS_HEARD, None), text="No, te; da!")
    described = both.letters.describe()
    for key in ("model", "revision", "baseline", "weights_sha256", "grid"):
        assert found.attrs[key] == described[key]
    assert (found.attrs["utterance"], found.attrs["text"]) == ("a/b", "No te da")
    assert found.attrs["no_phones"].startswith("no phone model was given")
    assert found.attrs["path_log_probability"] < 0
