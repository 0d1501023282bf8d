"""Heads: who has none, and what one would not be reached by."""

from __future__ import annotations

import pytest
import torch
from tiny import shared_model, sound, tiny_model

from speechinterp.errors import ModelError, TapError
from speechinterp.models import Tap

N = 3000


def test_what_needs_a_head():
    encoder, decoder = shared_model("hubert"), shared_model("whisper")
    with pytest.raises(ModelError, match=r"HubertModel.*has no head.*not fine-tuned"):
        encoder.logits(encoder.prepare([sound(N)]))
    with pytest.raises(ModelError, match=r"no tokens for the decoder.*tokens="):
        decoder.logits(decoder.prepare([sound(N)]))


@pytest.mark.parametrize("name", ["hubert-pre-class", "whisper-class"])
@torch.no_grad()
def test_a_head_that_reads_all_layers(name):
    """It takes the states from beside the residual stream: what is written there would reach it in part."""
    model = tiny_model(name, use_weighted_layer_sum=True)
    inputs = model.prepare([sound(N)])
    plain = model.logits(inputs)
    with model.intervene({Tap(1, "value"): torch.zeros_like}):
        assert not torch.equal(model.logits(inputs), plain)
    with model.intervene({Tap(1, "residual"): torch.zeros_like}):
        model.encode(inputs)
        with pytest.raises(TapError, match=r"Tap\(1, 'residual'\).*weighted sum of all layers"):
            model.logits(inputs)
    assert torch.equal(model.logits(inputs), plain)
