"""Whisper alignment: attention of the real modules, planted attention, bad input, and real speech."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from align import reference_whisper as oracle
from tiny import sound, tiny_model
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

import speechinterp as si
from speechinterp.align import Alignment, AlignmentWarning, whisper, whisper_attention, whisper_reading
from speechinterp.align.whisper import align_whisper
from speechinterp.align.whisper_attention import Spelt, listen, read, spell
from speechinterp.align.whisper_reading import KNOWN, Reading, calibrate
from speechinterp.audio import Sound
from speechinterp.errors import AlignmentError, AudioError
from speechinterp.models import SpeechModel

HEADS = [(layer, head) for layer in range(2) for head in range(2)]
TIMIT = "corpora/timit-sample"
TINY = "models/whisper-tiny.en"


def letter_model(**changes: object) -> SpeechModel:
    """Return a tiny Whisper whose tokenizer knows small letters, the space, and nothing else."""
    model = tiny_model("whisper", max_target_positions=32, **changes)
    names = ["<|unk|>", "<|pad|>", "<|bos|>", "<|eos|>", "<|start|>", " ", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(WordLevel({name: i for i, name in enumerate(names)}, unk_token="<|unk|>"))
    tokenizer.pre_tokenizer = Split(Regex("."), "isolated")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<|unk|>", pad_token="<|pad|>", bos_token="<|bos|>", eos_token="<|eos|>"
    )  # fmt: skip
    model.read_tokenizer = lambda: fast
    whisper_reading._readings[model] = Reading("letters", 1, ((1, 0),), 0, 0.0, "a test")
    return model


def spoken(transcript: str | None = "on a day", n_frames: int = 40, **more: object) -> si.Utterance:
    return si.Utterance("a/b", Sound(sound(320 * n_frames), 16000), "s", transcript, **more)


@pytest.mark.parametrize("row", [0, 1])
def test_attention_and_probabilities_are_those_of_the_module(row):
    model = letter_model(attn_implementation="eager")
    heard = listen(model, spoken())
    spelt = spell(model, ["on", "a", "day"], "letters", "here")
    attention, ratios = read(model, heard, spelt, HEADS, row)
    tokens = torch.tensor([[*heard.prompt, *spelt.tokens]])
    with torch.no_grad():
        output = model.module(heard.inputs.values, decoder_input_ids=tokens, output_attentions=True)
    start = len(heard.prompt)
    rows = slice(start - 1 + row, start - 1 + row + len(spelt.tokens))
    for layer, head in HEADS:
        expected = output.cross_attentions[layer][0, head, rows, :40].double()
        np.testing.assert_allclose(
            attention[layer, head], expected / expected.sum(-1, keepdim=True), atol=1e-5
        )
    logs = output.logits[0].log_softmax(-1)
    for place, token in enumerate(spelt.tokens):
        expected = logs[start - 1 + place, token] - logs[start - 1 + place].max()
        assert ratios[place] == pytest.approx(float(expected), abs=1e-4)


def test_letters_belong_to_words_and_are_small():
    model = letter_model()
    spelt = spell(model, ["On", "day"], "letters", "here")
    assert "".join(model.vocabulary.symbols[i] for i in spelt.tokens) == " on day"
    assert spelt.word_of == (0, 0, 0, 1, 1, 1, 1)
    assert spelt.first.tolist() == [True, False, False, True, False, False, False]


def test_a_text_longer_than_the_decoder_is_read_in_parts_with_context():
    model = letter_model()
    heard = listen(model, spoken())
    words = ["day", "to", "night", "and", "on", "again", "now", "we", "go", "then"]
    spelt = spell(model, words, "letters", "here")
    parts = list(whisper_attention._parts(model, heard, spelt))
    room = 32 - len(heard.prompt)
    assert len(parts) > 1
    done = 0
    for tokens, new in parts:
        assert 0 < new <= len(tokens) <= room
        assert tokens == list(spelt.tokens[done + new - len(tokens) : done + new])
        done += new
    assert done == len(spelt.tokens)
    assert all(len(tokens) > new for tokens, new in parts[1:])
    attention, ratios = read(model, heard, spelt, HEADS)
    assert {len(a) for a in attention.values()} == {len(ratios)} == {len(spelt.tokens)}
    first, _ = read(model, heard, Spelt(tuple(parts[0][0]), spelt.word_of[: parts[0][1]]), HEADS)
    np.testing.assert_allclose(attention[0, 1][: parts[0][1]], first[0, 1], atol=1e-6)


def test_change_is_that_of_the_definition():
    heard = listen(letter_model(), spoken(n_frames=30))
    assert heard.steps == 2
    slow = np.array(oracle.change(heard.inputs.values[0, :, :60].double().tolist()))
    np.testing.assert_allclose(heard.change, (slow - slow.mean()) / slow.std(), atol=1e-6)


def plant(monkeypatch: pytest.MonkeyPatch, spans: list[tuple[int, int]], n_frames: int, lag: int = 0) -> None:
    """Let head (1, 0) attend, for every letter, to a span of frames, `lag` frames late; other heads to everything."""

    def planted(model, heard, spelt, heads=(), row=1):
        found = {head: np.full((len(spelt.tokens), n_frames), 1 / n_frames) for head in heads}
        if (1, 0) in found and row == 1:
            sharp = np.full((len(spelt.tokens), n_frames), 1e-6)
            for letter, (start, stop) in enumerate(spans[: len(spelt.tokens)]):
                sharp[letter, start + lag : stop + lag] = 1
            found[1, 0] = sharp / sharp.sum(-1, keepdims=True)
        return found, np.full(len(spelt.tokens), -0.1)

    for module in (whisper, whisper_reading):
        monkeypatch.setattr(module, "read", planted)
    monkeypatch.setattr(whisper_attention.Listening, "change", np.zeros(2 * n_frames))


SPANS = [(5, 6), (6, 9), (9, 10), (14, 15), (15, 20), (20, 21), (21, 24), (24, 28), (28, 30)]
"""Of the space and letters of `on a day`, in frames: a pause before, after the first word, and at the end."""


def test_words_are_where_their_letters_attend(monkeypatch):
    plant(monkeypatch, SPANS, 40)
    words = align_whisper(letter_model(), spoken())["words"]
    assert words.labels == ["on", "a", "day"]
    found = np.array([(w.start, w.end) for w in words])
    np.testing.assert_allclose(found, 0.02 * np.array([(5, 10), (14, 20), (20, 30)]), atol=0.021)
    assert all(w.score is not None and np.log(0.9) < w.score <= 0 for w in words)


def test_words_that_nothing_places_have_low_scores(monkeypatch):
    plant(monkeypatch, [(0, 40)] * 9, 40)
    words = align_whisper(letter_model(), spoken())["words"]
    assert words[1].score < np.log(0.6)


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


def test_the_entry_adds_what_a_result_must_record(monkeypatch):
    plant(monkeypatch, SPANS, 40)
    found = si.align(letter_model(), spoken())
    assert isinstance(found, Alignment)
    assert found.attrs["method"] == "Whisper cross-attention"
    assert found.attrs["confidence"] == pytest.approx(-0.1)
    assert found.attrs["word_confidence"] == pytest.approx([-0.1] * 3)
    assert found.attrs["heads"] == [[1, 0]]
    assert found.attrs["utterance"] == "a/b"


@pytest.mark.parametrize("transcript", [None, "", " - "])
def test_no_words_are_refused(transcript):
    with pytest.raises(AlignmentError, match="no words"):
        align_whisper(letter_model(), spoken(transcript))


def test_a_sound_without_sound_is_refused():
    silent = si.Utterance("a/b", Sound(np.zeros(6400, np.float32), 16000), "s", "on")
    with pytest.raises(AlignmentError, match=r"nothing but zeros.*muted"):
        align_whisper(letter_model(), silent)


def test_more_text_than_time_is_refused():
    with pytest.raises(
        AlignmentError, match=r"5 words of 10 letters in 0.16 s.*another or a longer recording"
    ):
        align_whisper(letter_model(), spoken("on on on on on", n_frames=8))


def test_a_sound_longer_than_the_window_is_refused():
    with pytest.raises(AudioError, match=r"1.20 s long.*window.*1.00 s.*cut it at pauses"):
        align_whisper(letter_model(), spoken(n_frames=60))


def test_words_that_cannot_be_written_are_refused():
    with pytest.raises(AlignmentError, match=r"'1' cannot be written in the vocabulary"):
        spell(letter_model(), ["on", "1"], "letters", "here")


def test_a_text_without_spaces_is_refused():
    with pytest.raises(AlignmentError, match="half of what the decoder"):
        align_whisper(letter_model(), spoken("a" * 20))


def test_labels_that_are_no_words_cannot_calibrate():
    tier = si.Tier("words", [si.Segment(0, 0.1, "on"), si.Segment(0.1, 0.2, "...")])
    with pytest.raises(AlignmentError, match="2 labels of its tier 'words' are 1 words"):
        calibrate(letter_model(), si.Corpus.of([spoken(None, tiers={"words": tier})]))


@pytest.fixture(scope="module")
def tiny_en(assets: Path) -> SpeechModel:
    return si.load_model(assets / TINY, device="cpu")


@pytest.fixture(scope="module")
def timit(assets: Path) -> si.Corpus:
    return si.load_corpus(f"timit:{assets / TIMIT}")


def words_of(utterance: si.Utterance) -> str:
    return " ".join(utterance.tier("words").labels)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_real_words_are_found_and_texts_of_others_are_not_believed(tiny_en, timit):
    utterances = [timit[i] for i in (3, 40, 77, 114, 151)]
    found = [align_whisper(tiny_en, u, words_of(u)) for u in utterances]
    errors = np.concatenate(
        [
            [w.start - g.start for w, g in zip(a["words"], u.tier("words"), strict=True)]
            for a, u in zip(found, utterances, strict=True)
        ]
    )
    assert np.median(np.abs(errors)) < 0.025
    assert np.mean(np.abs(errors) < 0.05) > 0.65
    assert min(a.attrs["confidence"] for a in found) > -0.8
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(tiny_en, utterances[0], text=words_of(utterances[2]))
    noise = 0.001 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    with pytest.warns(AlignmentWarning, match="hears something else"):
        si.align(tiny_en, si.Utterance("noise", Sound(noise, 16000), None, "nobody is here"))
    own = tiny_en.transcribe(utterances[0])
    assert align_whisper(tiny_en, utterances[0], own).attrs["confidence"] > -0.2


@pytest.mark.real
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_all_words_of_the_sample_are_placed_within_the_bounds(tiny_en, timit):
    errors = np.array(
        [
            word.start - gold.start
            for u in timit
            for word, gold in zip(
                align_whisper(tiny_en, u, words_of(u))["words"], u.tier("words"), strict=True
            )
        ]
    )
    assert len(errors) == 1394
    assert np.median(np.abs(errors)) < 0.015
    assert np.mean(np.abs(errors) < 0.05) > 0.85


@pytest.mark.real
@pytest.mark.long
@pytest.mark.parametrize("name", [TINY, "demo/whisper"])
def test_what_is_known_is_what_calibration_finds(assets, name):
    model = si.load_model(name if name.startswith("demo/") else assets / name, device="cpu")
    known = KNOWN[model.weights_hash]
    found = calibrate(model, si.load_corpus(whisper_reading.CALIBRATION))
    assert replace(found, error_ms=known.error_ms) == known
    assert found.error_ms == pytest.approx(known.error_ms, abs=0.1)
