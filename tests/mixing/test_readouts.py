"""Readouts: nodes of routes say what the head, the decoder or a probe reads in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mixing.route_sound import TOKENS, UNITS, N, frame_units
from tiny import shared_model, sound

from speechinterp.mixing.readouts import head_readout, probe_readout
from speechinterp.mixing.routing import routes


def test_nodes_say_what_the_head_reads_in_them():
    model = shared_model("wav2vec2-pre-ctc")
    graph = routes(model, sound(N), UNITS, target="rose")
    logits = model.logits(model.prepare([sound(N)]))[0].detach()
    frames = [i for i, u in enumerate(frame_units(model)) if u == 1]
    said = logits[frames].softmax(-1).mean(0)
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert [int(symbol) for symbol, _ in reads] == said.argsort(descending=True)[:5].tolist()
    assert [p for _, p in reads] == pytest.approx(sorted(said.tolist(), reverse=True)[:5], abs=1e-5)
    assert all(reads == [] for reads in graph.nodes.reads[graph.nodes.part == "input"])


def test_modules_say_what_they_made_more_probable():
    model = shared_model("wav2vec2-pre-ctc")
    graph = routes(model, sound(N), UNITS, target="rose", mass=1)
    by_id, compared = graph.nodes.set_index("id").reads, 0
    for node in graph.nodes[graph.nodes.part == "mlp"].itertuples():
        ends = (
            f"encoder/{node.layer}/residual_mid/{node.unit}",
            f"encoder/{node.layer + 1}/residual/{node.unit}",
        )
        before, after = (dict(by_id.get(end, [])) for end in ends)
        assert all(gain > 0 for _, gain in node.reads)
        for symbol, gain in node.reads:
            if symbol in before and symbol in after:
                assert gain == pytest.approx(np.log(after[symbol] / before[symbol]), abs=1e-6)
                compared += 1
    assert compared


def test_a_decoder_says_its_next_token():
    model = shared_model("whisper")
    graph = routes(model, sound(N), UNITS, target=3, stack="decoder", tokens=TOKENS)
    logits = model.logits(model.prepare([sound(N)]), torch.tensor([TOKENS]))[0, 2].detach()
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert int(reads[0][0]) == int(logits.argmax())
    encoder = graph.nodes[graph.nodes["stack"] == "encoder"]
    assert all(reads == [] for reads in encoder.reads), "no head reads Whisper's encoder"


def test_a_probe_can_read_instead_of_the_head():
    class Probe:
        classes_ = np.array(["vowel", "consonant"])

        def predict_proba(self, x):
            assert x.shape == (1, 32)
            share = 1 / (1 + np.exp(-x.mean(1)))
            return np.stack([share, 1 - share], 1)

    model = shared_model("hubert")
    assert head_readout(model) is None
    graph = routes(model, sound(N), UNITS, target="rose", readout=probe_readout({2: Probe(), 3: Probe()}))
    read = graph.nodes[graph.nodes.reads.astype(bool)]
    assert set(read.layer) <= {2, 3}
    assert set(read.part) == {"residual"}
    state = model.states([sound(N)])[0][3]
    mean = state[[i for i, u in enumerate(frame_units(model)) if u == 1]].mean(0)
    (reads,) = graph.nodes.reads[graph.nodes.id == graph.target]
    assert dict(reads)["vowel"] == pytest.approx(1 / (1 + np.exp(-float(mean.mean()))), abs=1e-5)
