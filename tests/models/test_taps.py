"""Taps: every place is what its name says, to read and to write, and the model stays as it was."""

from __future__ import annotations

import pytest
import torch
from models.tapped import N, taps_of
from tiny import FAMILIES, shared_model, sound, sounds

from speechinterp.models import Inputs, Tap

TOKENS = torch.tensor([[4, 7, 9, 11, 30]])


def run(model, tap, inputs):
    return model.encode(inputs) if tap.stack == "encoder" else model.logits(inputs, TOKENS)


def stacks(model):
    return ["encoder", "decoder"] if model.family.has_decoder else ["encoder"]


def test_parts_have_the_shapes_that_are_documented(model):
    inputs = model.prepare([sound(N)])
    t, d, k, f = model.encode(inputs).shape[1], 32, 8, 48
    c = 16 if model.family.max_samples is None else d
    shapes = {
        **dict.fromkeys(["residual", "attention_output", "residual_mid", "mlp_output", "normed"], (t, d)),
        **dict.fromkeys(["projection", "positional"], (t, d)),
        **dict.fromkeys(["query", "key", "value", "context"], (t, 4, k)),
        **dict.fromkeys(["attention", "position_bias"], (4, t, t)),
        "head_output": (t, 4, d),
        "mlp_hidden": (t, f),
        "cnn": (t, c),
    }
    taps = taps_of(model)
    with torch.no_grad(), model.record(taps) as record:
        model.encode(inputs)
    assert {tap.part: tuple(record[tap].shape) for tap in taps} == {
        tap.part: (1, *shapes[tap.part]) for tap in taps
    }


def test_parts_of_a_decoder_have_the_shapes_that_are_documented():
    model = shared_model("whisper")
    t, s, d, k = TOKENS.shape[1], 50, 32, 16
    rows = {"residual", "residual_mid", "residual_cross", "normed", "mlp_output"}
    shapes = {
        **dict.fromkeys([*rows, "attention_output", "cross_attention_output"], (t, d)),
        **dict.fromkeys(["query", "key", "value", "context", "cross_query", "cross_context"], (t, 2, k)),
        **dict.fromkeys(["cross_key", "cross_value"], (s, 2, k)),
        **dict.fromkeys(["head_output", "cross_head_output"], (t, 2, d)),
        "mlp_hidden": (t, 40),
        "attention": (2, t, t),
        "cross_attention": (2, t, s),
    }
    taps = taps_of(model, "decoder")
    with torch.no_grad(), model.record(taps) as record:
        model.logits(model.prepare([sound(N)]), TOKENS)
    assert {tap.part: tuple(record[tap].shape)[1:] for tap in taps} == shapes


@torch.no_grad()
def test_one_head_is_a_slice_of_all(model):
    parts = ["query", "key", "value", "context", "head_output", "attention"]
    every, one = ({part: Tap(2, part, head) for part in parts} for head in (None, 3))
    with model.record([*every.values(), *one.values()]) as record:
        model.encode(model.prepare([sound(N)]))
    for part in parts:
        whole = record[every[part]]
        assert torch.equal(record[one[part]], whole[:, 3] if part == "attention" else whole[:, :, 3])


@torch.no_grad()
def test_what_was_recorded_can_be_written_back_without_a_change(model):
    inputs = model.prepare(sounds(N, 2000))
    inputs = model.prepare([sound(N)]) if model.family.has_decoder else inputs
    for stack in stacks(model):
        taps = [tap for tap in taps_of(model, stack) if tap.part.removeprefix("cross_") != "attention"]
        taps.append(Tap(len(model.family.blocks(stack)), "residual", stack=stack))
        plain = run(model, taps[0], inputs)
        with model.record(taps) as record:
            assert (run(model, taps[0], inputs) - plain).abs().max() < 1e-5
        for tap in taps:
            with model.intervene({tap: record[tap]}):
                assert (run(model, tap, inputs) - plain).abs().max() < 1e-5, tap


@torch.no_grad()
def test_zeroing_a_head_subtracts_its_output(model):
    inputs = model.prepare([sound(N)])
    for stack in stacks(model):
        for prefix in ("", "cross_") if stack == "decoder" else ("",):
            head, sums = (
                Tap(1, f"{prefix}head_output", 1, stack),
                Tap(1, f"{prefix}attention_output", None, stack),
            )
            with model.record([head, sums]) as plain:
                run(model, head, inputs)
            for part in ("value", "context", "head_output"):
                edit = {Tap(1, prefix + part, 1, stack): torch.zeros_like}
                with model.intervene(edit), model.record([sums]) as without:
                    run(model, head, inputs)
                difference = plain[sums] - plain[head] - without[sums]
                assert difference.abs().max() < 1e-5, part


@pytest.mark.parametrize("name", ["wav2vec2", "wav2vec2-pre-ctc", "data2vec-ctc", "whisper"])
@torch.no_grad()
def test_writing_the_residual_stream_runs_the_rest_of_the_model_on_it(name):
    model = shared_model(name)
    inputs = model.prepare([sound(N)])
    state = torch.randn(model.encode(inputs).shape, generator=torch.Generator().manual_seed(0))
    blocks = model.family.blocks("encoder")
    for layer in range(model.n_layers + 1):
        expected = state
        for block in blocks[layer:]:
            expected = block.module(expected, None)
        with model.intervene({Tap(layer, "residual"): state}):
            found = model.encode(inputs)
        torch.testing.assert_close(found, model.family.final_norm(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_writing_residual_mid_leaves_only_the_mlp(name):
    model = shared_model(name)
    inputs = model.prepare([sound(N)])
    state = torch.randn(model.encode(inputs).shape, generator=torch.Generator().manual_seed(0))
    block, after = model.family.blocks("encoder")[1], Tap(2, "residual")
    with (
        model.intervene({Tap(1, "residual_mid"): state}),
        model.record([after, Tap(1, "mlp_output")]) as record,
    ):
        model.encode(inputs)
    mlp = record[Tap(1, "mlp_output")]
    expected = state + mlp if model.pre_norm else block.mlp_norm(block.attention_norm(state) + mlp)
    torch.testing.assert_close(record[after], expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_position_bias_of_every_layer():
    model = shared_model("wavlm")
    inputs = model.prepare([sound(N)])
    biases = [Tap(layer, "position_bias") for layer in range(3)]
    with model.record(biases) as record:
        plain = model.encode(inputs)
    assert not torch.equal(record[biases[0]], record[biases[1]]), "each layer gates it for itself"
    for tap in biases:
        with model.intervene({tap: torch.zeros_like}), model.record([Tap(tap.layer, "attention")]) as without:
            assert (model.encode(inputs) - plain).abs().max() > 1e-3
        query, key = Tap(tap.layer, "query"), Tap(tap.layer, "key")
        with model.intervene({tap: torch.zeros_like}), model.record([query, key]) as parts:
            model.encode(inputs)
        scores = torch.einsum("bthd,bshd->bhts", parts[query], parts[key]) / 8**0.5
        expected = scores.softmax(-1)
        torch.testing.assert_close(without[Tap(tap.layer, "attention")], expected, rtol=0, atol=1e-5)


def test_taps_name_themselves():
    assert str(Tap(3, "value")) == "Tap(3, 'value')"
    assert str(Tap(3, "value", 2, "decoder")) == "Tap(3, 'value', head=2, stack='decoder')"
    assert Tap(3, "value") in {Tap(3, "value"): 1}


def test_inputs_made_by_hand():
    """Attribution puts other values into a batch: the lengths stay what they were."""
    model = shared_model("hubert")
    inputs = model.prepare(sounds(N, 2000))
    silence = Inputs(torch.zeros_like(inputs.values), inputs.n_samples, inputs.n_frames)
    assert model.encode(silence).shape == model.encode(inputs).shape
