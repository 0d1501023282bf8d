"""CTC lens: the top is the model, every layer is the head on its state, and texts follow."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import pytest
import torch
from lenses.reference import ctc_probability
from tiny_vocabulary import LETTERS, reading_model

import speechinterp as si
from speechinterp.errors import AnnotationError, AudioError, LensError, ModelError, StoreError
from speechinterp.lenses.corpus import COLUMNS
from speechinterp.lenses.reading import read_encoder

BOTH = pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "data2vec-ctc"])


def by_hand(model, wave):
    """Every layer through the head, from Hugging Face's own hidden states."""
    module = model.module.eval()
    inputs = model.prepare([wave])
    with torch.no_grad():
        output = module(inputs.values, output_hidden_states=True)
        rows = []
        for state in output.hidden_states:
            normed = module.wav2vec2.encoder.layer_norm(state) if model.pre_norm else state
            rows.append(module.lm_head(normed)[0])
    return torch.stack(rows), output.logits[0]


@BOTH
def test_every_layer_is_the_head_on_hugging_faces_state(name, corpus):
    model = reading_model(name)
    for utterance in corpus:
        wave = utterance.waveform(16000)
        rows, logits = by_hand(model, wave)
        (reading,) = read_encoder(model, model.prepare([wave]))
        lens = torch.stack(list(reading.through_head(model)))
        torch.testing.assert_close(lens, rows, rtol=0, atol=1e-5)
        assert torch.equal(lens[-1], logits), "the top is the model's output, to the bit"
        assert reading.residual(model) == 0
        assert not torch.allclose(lens[0], lens[-1], atol=0.01)


@BOTH
def test_transcripts_by_layer(name, corpus):
    model = reading_model(name)
    table = si.lenses.ctc(model, corpus)
    assert list(table.columns) == COLUMNS
    assert len(table) == len(corpus) * model.n_states
    assert table.attrs["residual"] == 0
    assert table.attrs["weights_sha256"] == model.weights_hash
    for utterance in corpus:
        rows = table[table.utterance == utterance.id].sort_values("layer")
        assert rows.layer.tolist() == list(range(model.n_states))
        assert rows.transcript.iloc[-1] == model.transcribe(utterance)
        assert set(rows.reference) == {utterance.transcript}
        logits, _ = by_hand(model, utterance.waveform(16000))
        spoken = logits[-1].argmax(-1) != 0
        for layer, row in enumerate(rows.itertuples()):
            path = [s for s, _ in itertools.groupby(logits[layer].argmax(-1).tolist()) if s != 0]
            text = "".join(" " if s == 4 else LETTERS[s] for s in path if s > 3)
            assert row.transcript == " ".join(text.split())
            same = (logits[layer].argmax(-1) == logits[-1].argmax(-1))[spoken]
            assert row.steps == int(spoken.sum())
            assert row.agreement == pytest.approx(float(same.double().mean()))
    top = table[table.layer == model.n_layers]
    assert (top.kl == 0).all()
    assert (top.agreement == 1).all()
    assert table[table.layer == 0].kl.min() > 0


def test_surprisal_sums_over_every_path():
    from speechinterp.lenses.ctc_lens import _surprisal

    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    probs = logits.double().softmax(-1).tolist()
    for target in ([1], [1, 2], [2, 2], [1, 2, 1]):
        expected = -math.log(ctc_probability(probs, tuple(target), 0)) / len(target)
        assert _surprisal(logits, target, 0) == pytest.approx(expected)
    assert _surprisal(logits, [1, 1, 1, 1], 0) is None, "no path is that short"
    assert _surprisal(logits, [], 0) is None


def test_a_padded_batch_reads_as_one_by_one(corpus):
    model = reading_model("data2vec-ctc")
    waves = [utterance.waveform(16000) for utterance in corpus]
    for one, wave in zip(read_encoder(model, model.prepare(waves)), waves, strict=True):
        (alone,) = read_encoder(model, model.prepare([wave]))
        torch.testing.assert_close(one.states, alone.states, rtol=0, atol=1e-4)
        torch.testing.assert_close(one.logits, alone.logits, rtol=0, atol=1e-4)


def test_phones_are_scored_against_the_tier_of_phones(corpus):
    model = reading_model("data2vec-ctc", phones=True)
    table = si.lenses.ctc(model, corpus)
    assert table[table.utterance == "s1/u1"].reference.iloc[0] == "d oʊ n"
    assert set(si.lenses.rates(table).metric) >= {"per", "regressive", "surprisal"}


def test_phones_of_another_alphabet_are_refused(corpus):
    model = reading_model("data2vec-ctc", phones=True)
    other = si.Corpus.of(
        [
            si.Utterance(
                u.id, u.audio, tiers={"phones": u.tiers["phones"].relabel(lambda label: label.upper() + "1")}
            )
            for u in corpus
        ]
    )
    with pytest.raises(AnnotationError, match=r"no symbol for D1.*relabel"):
        si.lenses.ctc(model, other)


def test_without_transcripts_there_are_texts_and_no_error_rates(corpus):
    model = reading_model("data2vec-ctc")
    bare = si.Corpus.of([si.Utterance(u.id, u.audio) for u in corpus])
    table = si.lenses.ctc(model, bare)
    assert table.reference.isna().all()
    assert set(si.lenses.rates(table).metric) == {"entropy", "kl", "agreement", "settled"}


def test_a_stopped_run_goes_on(corpus, tmp_path, monkeypatch):
    model = reading_model("data2vec-ctc")
    whole = si.lenses.ctc(model, corpus)
    calls = []

    def stop(done, total):
        calls.append(done)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        si.lenses.ctc(model, corpus, out=tmp_path, progress=stop)
    path = tmp_path / "ctc-none.jsonl"
    path.write_text(path.read_text()[:-40])  # killed while it wrote
    read = []
    monkeypatch.setattr(
        "speechinterp.lenses.ctc_lens.read_encoder", lambda *a: read.append(1) or read_encoder(*a)
    )
    again = si.lenses.ctc(model, corpus, out=tmp_path)
    assert len(read) == len(corpus) - 2
    pd.testing.assert_frame_equal(again, whole, check_dtype=False)
    with pytest.raises(StoreError, match=r"another study.*weights_sha256"):
        si.lenses.ctc(reading_model("data2vec-ctc", seed=5), corpus, out=tmp_path)


def test_bad_utterances_stop_it_or_are_left_out(corpus, tmp_path):
    model = reading_model("data2vec-ctc")
    short = si.Utterance("s0/short", _tiny())
    mixed = si.Corpus.of([*corpus, short], "noise")
    with pytest.raises(AudioError, match="s0/short"):
        si.lenses.ctc(model, mixed, out=tmp_path)
    table = si.lenses.ctc(model, mixed, out=tmp_path, on_bad="skip")
    assert table.utterance.nunique() == len(corpus)
    assert [entry["utterance"] for entry in table.attrs["skipped"]] == ["s0/short"]
    with pytest.raises(AudioError, match="s0/short"):
        si.lenses.ctc(model, mixed, out=tmp_path)
    with pytest.raises(LensError, match=r"no utterance.*s0/short"):
        si.lenses.ctc(model, si.Corpus.of([short], "noise"), on_bad="skip")


def _tiny():
    from tiny import sound

    from speechinterp.audio import Sound

    return Sound(sound(100), 16000)


@pytest.mark.parametrize("name", ["whisper"])
def test_models_without_a_ctc_head(name, corpus):
    with pytest.raises(ModelError, match=r"no CTC head.*lenses.decoder"):
        si.lenses.ctc(reading_model(name), corpus)
