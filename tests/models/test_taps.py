"""Taps: every place is what its name says, to read and to write, and the model stays as it was."""

from __future__ import annotations

import pytest
import torch
from tiny import FAMILIES, shared_model, sound, sounds, tiny_model

from speechinterp.errors import TapError
from speechinterp.models import Inputs, Tap
from speechinterp.models.tapping import site_of

N = 3000
TOKENS = torch.tensor([[4, 7, 9, 11, 30]])
WITH_GRADIENT = ("query", "key", "value", "context", "head_output", "attention_output", "residual_mid")


def run(model, tap, inputs):
    return model.encode(inputs) if tap.stack == "encoder" else model.logits(inputs, TOKENS)


def taps_of(model, stack="encoder", layer=1):
    """List a tap for every part."""
    outer = model.family.outer_sites(stack)
    return [Tap(None if part in outer else layer, part, stack=stack) for part in model.parts(stack)]


def hooks_of(model):
    return [
        (len(m._forward_hooks), len(m._forward_pre_hooks), sorted(m.__dict__)) for m in model.module.modules()
    ]


@pytest.fixture(params=FAMILIES)
def model(request):
    """Return a model, and see that every test leaves it as it was."""
    model = shared_model(request.param)
    before = hooks_of(model)
    yield model
    assert hooks_of(model) == before


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
def test_inside_an_intervention_changes_are_seen_and_around_it_not(model):
    inputs, tap = model.prepare([sound(N)]), Tap(1, "value")
    with (
        model.record([tap]) as around,
        model.intervene({tap: torch.zeros_like}),
        model.record([tap]) as inside,
    ):
        model.encode(inputs)
    assert around[tap].any()
    assert not inside[tap].any()


@torch.no_grad()
def test_sums_see_every_change_whatever_the_order(model):
    inputs = model.prepare([sound(N)])
    edits = {Tap(1, "residual"): lambda x: x + 1, Tap(1, "context"): lambda x: x * 2}
    taps = [Tap(1, "residual_mid"), Tap(1, "head_output")]
    with model.record(taps) as early, model.intervene(edits):
        model.encode(inputs)
    with model.intervene(edits), model.record(taps) as late:
        model.encode(inputs)
    for tap in taps:
        torch.testing.assert_close(early[tap], late[tap], rtol=0, atol=0)


@torch.no_grad()
def test_interventions_add_up(model):
    inputs, output = model.prepare([sound(N)]), Tap(1, "attention_output")
    double, zero = Tap(1, "head_output", 0), Tap(1, "head_output", 2)
    with model.record([double, zero, output]) as plain:
        model.encode(inputs)
    with model.intervene({double: lambda x: 2 * x, zero: torch.zeros_like}), model.record([output]) as both:
        model.encode(inputs)
    expected = plain[output] + plain[double] - plain[zero]
    torch.testing.assert_close(both[output], expected, rtol=0, atol=1e-5)


def test_gradients_with_respect_to_recorded_parts(model):
    """They are those of a leaf that an intervention puts in the part's place."""
    inputs = model.prepare([sound(N)])
    inner = [Tap(1, part) for part in (*WITH_GRADIENT, "mlp_hidden", "residual")] + [Tap(1, "value", 2)]
    plain = model.encode(inputs)
    for tap in [*inner, Tap(None, "cnn")]:
        with model.record([tap]) as record:
            output = model.encode(inputs)
        fused = "wavlm" in model.id  # and then unfused, in another order of additions
        torch.testing.assert_close(output, plain, rtol=0, atol=1e-5 if fused else 0)
        (found,) = torch.autograd.grad(output.square().sum(), record[tap])
        leaf = record[tap].detach().clone().requires_grad_()
        with model.intervene({tap: leaf}):
            output = model.encode(inputs)
        (expected,) = torch.autograd.grad(output.square().sum(), leaf)
        assert expected.any()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_recording_leaves_other_gradients_as_they_are(model):
    inputs = model.prepare([sound(N)])
    values = inputs.values.requires_grad_()
    (expected,) = torch.autograd.grad(model.encode(inputs).square().sum(), values)
    with model.record([Tap(1, part) for part in WITH_GRADIENT]):
        output = model.encode(inputs)
    (found,) = torch.autograd.grad(output.square().sum(), values)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_recording_with_gradients_does_not_even_round(model):
    inputs, after = model.prepare([sound(N)]), Tap(1, "attention_output")
    sums = [Tap(1, "residual_mid"), Tap(1, "head_output"), after]
    with torch.no_grad(), model.record(sums) as plain:
        model.encode(inputs)
    with model.record(sums) as record:
        model.encode(inputs)
    assert torch.equal(record[after], plain[after])


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


@torch.no_grad()
def test_a_tensor_that_is_written_is_not_changed():
    model = shared_model("wav2vec2")
    inputs, tap = model.prepare(sounds(2000, N)), Tap(None, "projection")
    mine = torch.ones(2, max(inputs.n_frames), 32)
    with model.intervene({tap: mine}):
        model.encode(inputs)
    assert bool((mine == 1).all())


def test_the_last_run_stays():
    model = shared_model("hubert")
    with torch.no_grad(), model.record([Tap(0, "attention"), Tap(0, "attention")]) as record:
        for n in (N, 2000):
            model.encode(model.prepare([sound(n)]))
    assert record[Tap(0, "attention")].shape[-1] == model.frames(2000).n_frames


@pytest.mark.parametrize(
    ("tap", "said"),
    [
        (Tap(0, "gate"), "no such part in its encoder.*attention, attention_output.*value"),
        (Tap(0, "position_bias"), "no such part"),
        (Tap(0, "cross_query"), "no such part in its encoder.*stack='decoder'"),
        (Tap(0, "query", stack="decoder"), "no such part in its decoder.*no such stack"),
        (Tap(3, "query"), "there is no layer 3.*from 0 to 2"),
        (Tap(-1, "query"), "there is no layer -1"),
        (Tap(4, "residual"), "there is no layer 4"),
        (Tap(None, "query"), "there is no layer None"),
        (Tap(2, "cnn"), r"outside the layers.*Tap\(None, 'cnn'\)"),
        (Tap(0, "query", 4), "query has 4 heads"),
        (Tap(0, "attention", -1), "attention has 4 heads"),
        (Tap(0, "mlp_hidden", 0), "mlp_hidden has no heads to choose"),
        (Tap(3, "residual", 0), "residual has no heads to choose"),
        (Tap(None, "cnn", 0), "cnn has no heads to choose"),
    ],
    ids=str,
)
def test_places_that_are_not_there(tap, said):
    model = shared_model("hubert")
    with pytest.raises(TapError, match=said), model.record([tap]):
        pytest.fail("the block is not entered")
    with pytest.raises(TapError), model.intervene({tap: torch.zeros_like}):
        pytest.fail("the block is not entered")


def test_parts_of_a_stack_that_is_not_there():
    assert shared_model("wavlm").parts("decoder") == []
    assert shared_model("whisper-class").parts("decoder") == []
    with pytest.raises(TapError, match="no such part"):
        site_of(shared_model("whisper-class").family, Tap(0, "residual", stack="decoder"))


@pytest.mark.parametrize(
    "edit", [lambda x: x[:, :-1], lambda x: None, torch.zeros(2, 2), lambda x: x.sum(-1)]
)
def test_edits_of_another_shape(edit, model):
    inputs = model.prepare([sound(N)])
    said = r"the intervention at Tap\(1, 'value'\) gives.*shape \(1, .*same shape"
    with pytest.raises(TapError, match=said), model.intervene({Tap(1, "value"): edit}):
        model.encode(inputs)


def test_a_tap_that_never_fires(model):
    with pytest.raises(TapError, match=r"never reached: Tap\(0, 'key'\)"), model.record([Tap(0, "key")]):
        pass
    with pytest.raises(TapError, match="never reached"), model.intervene({Tap(0, "key"): torch.clone}):
        pass
    if model.family.has_decoder:
        tap = Tap(0, "cross_attention", stack="decoder")
        with pytest.raises(TapError, match="only its encoder"), model.record([tap]):
            model.encode(model.prepare([sound(N)]))


def test_an_exception_passes_and_nothing_stays(model):
    with (
        pytest.raises(ZeroDivisionError),
        model.record(taps_of(model)),
        model.intervene({Tap(0, "key"): 1 / 0}),
    ):
        pytest.fail("the block is not entered")
    with pytest.raises(ZeroDivisionError), model.intervene({Tap(0, "query"): lambda x: x / 0 + 1 / 0}):
        model.encode(model.prepare([sound(N)]))
    assert model._recordings == []


def test_attention_cannot_be_written(model):
    said = r"cannot be written.*intervene on query"
    with pytest.raises(TapError, match=said), model.intervene({Tap(0, "attention"): torch.clone}):
        pytest.fail("the block is not entered")


def test_what_was_not_recorded():
    model = shared_model("hubert")
    said = "not recorded; recorded: nothing yet"
    with pytest.raises(TapError, match=said), model.record([Tap(0, "key")]) as record:
        _ = record[Tap(0, "key")]
    with torch.no_grad(), model.record([Tap(0, "key")]) as record:
        model.encode(model.prepare([sound(N)]))
    with pytest.raises(TapError, match=r"Tap\(1, 'key'\) was not recorded; recorded: Tap\(0, 'key'\)"):
        _ = record[Tap(1, "key")]


@torch.no_grad()
def test_attention_needs_the_lengths():
    model = shared_model("hubert")
    with model.record([Tap(0, "attention")]) as record:
        model.module(model.prepare([sound(N)]).values)
    with pytest.raises(TapError, match=r"lengths of the 1 utterances are not known.*called directly"):
        _ = record[Tap(0, "attention")]


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
