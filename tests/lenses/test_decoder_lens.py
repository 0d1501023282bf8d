"""DecoderLens: the top is the model, every layer is read after the last norm."""

from __future__ import annotations

import pytest
import torch
from tiny_vocabulary import reading_model

import speechinterp as si
from speechinterp.corpora import Corpus
from speechinterp.errors import AnnotationError, LensError, ModelError
from speechinterp.lenses import decoder_lens


def test_the_decoder_reads_every_layer_after_the_last_norm(model, words):
    table = si.lenses.decoder(model, words)
    assert table.attrs["residual"] == 0
    module = model.module
    texts = set()
    for utterance in words:
        rows = table[table.utterance == utterance.id].sort_values("layer")
        values = model.prepare([utterance]).values
        with torch.no_grad():
            states = module.model.encoder(values, output_hidden_states=True).hidden_states
            states = [module.model.encoder.layer_norm(s) for s in states[:-1]] + [states[-1]]
        for row, state in zip(rows.itertuples(), states, strict=True):
            tokens = torch.tensor([[4]])
            with torch.no_grad():
                for _ in range(15):
                    best = module(encoder_outputs=(state,), decoder_input_ids=tokens).logits[:, -1].argmax(-1)
                    if best == 3:
                        break
                    tokens = torch.cat([tokens, best[:, None]], 1)
            assert row.transcript == model.vocabulary.text(tokens[0, 1:].tolist())
            assert row.ended == bool(best == 3)
        assert rows.transcript.iloc[-1] == model.transcribe(utterance)
        texts.update(rows.transcript)
    assert len(texts) > 4, "layers are told apart"


def test_the_decoder_is_followed_along_the_text_of_the_top(model, words):
    table = si.lenses.decoder(model, words)
    top = table[table.layer == model.n_layers]
    assert (top.kl == 0).all()
    assert (top.agreement == 1).all()
    utterance = words[0]
    rows = table[table.utterance == utterance.id].sort_values("layer")
    comes = [*model.vocabulary.ids(rows.transcript.iloc[-1])] + ([3] if rows.ended.iloc[-1] else [])
    state = model.family.final_norm(_states(model, utterance)[1])
    with torch.no_grad():
        tokens = torch.tensor([[4, *comes[:-1]]])
        logits = model.module(encoder_outputs=(state[None],), decoder_input_ids=tokens).logits[0]
    expected = -logits.double().log_softmax(-1)[torch.arange(len(comes)), comes].mean()
    assert rows.surprisal.iloc[1] == pytest.approx(float(expected), rel=1e-5)
    assert rows.steps.iloc[1] == len(comes)


def _states(model, utterance):
    """All frames, those of the padding too."""
    with torch.no_grad():
        return [
            s[0]
            for s in model.module.model.encoder(
                model.prepare([utterance]).values, output_hidden_states=True
            ).hidden_states
        ]


def test_layers_are_decoded_in_as_many_parts_as_fit(model, words, monkeypatch):
    whole = si.lenses.decoder(model, words)
    monkeypatch.setattr(decoder_lens, "CACHE_BYTES", 1)
    parts = si.lenses.decoder(model, words)
    assert parts.transcript.tolist() == whole.transcript.tolist()
    assert (parts.kl - whole.kl).abs().max() < 1e-5


def test_languages_are_those_of_the_model(model, words):
    settings = model.module.generation_config
    settings.lang_to_id = {"<|en|>": 30, "<|nl|>": 31}
    settings.task_to_id = {"transcribe": 33}
    try:
        dutch, english = (si.lenses.decoder(model, words, language=code) for code in ("nl", "en"))
        assert (dutch.surprisal - english.surprisal).abs().min() > 1e-3
        with pytest.raises(ModelError, match="does not know the language 'de'"):
            si.lenses.logit(model, words, language="de")
    finally:
        del settings.lang_to_id, settings.task_to_id


def test_what_does_not_fit(model, words):
    ctc = reading_model("data2vec-ctc")
    for lens in (si.lenses.decoder, si.lenses.logit):
        with pytest.raises(ModelError, match=r"no decoder.*lenses.ctc"):
            lens(ctc, words)
    with pytest.raises(LensError, match="text 'gold'"):
        si.lenses.logit(model, words, text="gold")
    bare = Corpus.of([si.Utterance("a", words[0].audio)])
    with pytest.raises(AnnotationError, match=r"'a' has no transcript.*text='model'"):
        si.lenses.logit(model, bare, text="reference")


@pytest.mark.real
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_the_top_of_whisper_writes_what_was_said(assets):
    model = si.load_model(assets / "models" / "whisper-tiny.en", device="cpu")
    corpus = si.load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")
    few = corpus.subset(corpus.ids[1:40:13])
    rates = si.lenses.rates(si.lenses.decoder(model, few), normalise=model.vocabulary.normalise)
    rates = rates[rates.baseline == "none"].set_index(["metric", "layer"]).score
    assert rates["wer", 4] < 0.3 < 0.9 < rates["wer", 1]
    assert rates["surprisal", 4] < rates["surprisal", 3] < rates["surprisal", 0]
