"""Tapping: what is seen and changed when, with gradients, and which places are refused."""

from __future__ import annotations

import pytest
import torch
from models.tapped import N, taps_of
from tiny import shared_model, sound, sounds

from speechinterp.errors import TapError
from speechinterp.models import Tap
from speechinterp.models.tapping import site_of

WITH_GRADIENT = ("query", "key", "value", "context", "head_output", "attention_output", "residual_mid")


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
