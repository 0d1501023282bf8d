"""Logit lens: every layer of the decoder is read through the right norm."""

from __future__ import annotations

import pytest
import torch

import speechinterp as si


@pytest.mark.parametrize("text", ["model", "reference"])
def test_every_decoder_layer_is_the_embeddings_on_its_normed_state(model, words, text):
    table = si.lenses.logit(model, words, text=text)
    assert table.attrs["residual"] == 0
    module = model.module
    for utterance in words:
        rows = table[table.utterance == utterance.id].sort_values("layer")
        written = model.transcribe(utterance) if text == "model" else utterance.transcript
        assert set(rows.reference) == {written}
        ids = model.vocabulary.ids(written)
        ended = rows.steps.iloc[0] > len(ids)
        comes = [*ids, 3] if ended else ids
        with torch.no_grad():
            values = model.prepare([utterance]).values
            output = module(
                values, decoder_input_ids=torch.tensor([[4, *comes[:-1]]]), output_hidden_states=True
            )
            states = [module.model.decoder.layer_norm(s) for s in output.decoder_hidden_states[:-1]] + [
                output.decoder_hidden_states[-1]
            ]
            every = [module.proj_out(state)[0].double().log_softmax(-1) for state in states]
        for row, log_probs in zip(rows.itertuples(), every, strict=True):
            best = log_probs.argmax(-1).tolist()
            assert row.transcript == model.vocabulary.text(best)
            assert row.accuracy == pytest.approx(
                sum(a == b for a, b in zip(best, comes, strict=True)) / len(comes)
            )
            expected = -sum(float(log_probs[i, token]) for i, token in enumerate(comes)) / len(comes)
            assert row.surprisal == pytest.approx(expected, rel=1e-5)
        assert rows.agreement.iloc[-1] == 1
        if text == "model":
            assert rows.accuracy.iloc[-1] == 1, "the top says what it wrote"
