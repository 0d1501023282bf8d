"""Every family against the Hugging Face module itself, called directly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from reference import number_of_frames
from tiny import BUILDERS, FAMILIES, READ_WAVEFORMS, WITH_LOGITS, shared_model, sound, tiny_model, tiny_module

from speechinterp.errors import ModelError
from speechinterp.models import Inputs, SpeechModel, Tap

N = 12000


def extracted(name, wave):
    """Let Hugging Face's own feature extractor prepare a sound."""
    if "whisper" in name:
        extractor = transformers.WhisperFeatureExtractor(feature_size=20, chunk_length=1)
    else:
        extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=True)
    values = extractor(wave, sampling_rate=16000, return_tensors="pt")
    return next(iter(values.values()))


def encoder_of(module):
    base = getattr(module, module.base_model_prefix, module)
    return getattr(base, "encoder", base) if module.config.model_type == "whisper" else base


@torch.no_grad()
def direct(name, wave):
    """Run the module itself, with eager attention, and return everything it can tell."""
    module = tiny_module(name, attn_implementation="eager")
    return encoder_of(module)(extracted(name, wave), output_hidden_states=True, output_attentions=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_states_equal_hugging_faces(name):
    wave, model = sound(N), shared_model(name)
    reference = direct(name, wave)
    n = model.frames(N).n_frames
    raw, normed = (model.states([wave], form=form)[0] for form in ("raw", "normed"))
    expected = torch.stack(reference.hidden_states)[:, 0, :n]
    assert raw.shape == (model.n_states, n, model.width)
    torch.testing.assert_close(raw[:-1], expected[:-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(normed[:-1], raw[:-1], rtol=0, atol=0)
    torch.testing.assert_close(normed[-1], reference.last_hidden_state[0, :n], rtol=0, atol=1e-5)
    # what Hugging Face gives as the last hidden state differs by family
    last = normed if "whisper" in name else raw
    torch.testing.assert_close(last[-1], expected[-1], rtol=0, atol=1e-5)
    assert torch.equal(raw, normed) is not model.pre_norm
    with torch.no_grad():
        torch.testing.assert_close(model.family.final_norm(raw[-1]), normed[-1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_attention_equals_hugging_faces_eager_weights(name):
    wave, model = sound(N), shared_model(name)
    reference = direct(name, wave).attentions
    taps = [Tap(layer, "attention") for layer in range(model.n_layers)]
    with torch.no_grad(), model.record(taps) as record:
        model.encode(model.prepare([wave]))
    for tap, expected in zip(taps, reference, strict=True):
        found = record[tap]
        assert found.std(-1).mean() > 0.1 / found.shape[-1], "attention as good as uniform tests little"
        if "wavlm" in name:  # it returns the mean over heads, once for every head
            found = found.mean(1, keepdim=True).expand_as(found)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_logits_equal_hugging_faces(name):
    wave, model = sound(N), shared_model(name)
    with torch.no_grad():
        expected = tiny_module(name, attn_implementation="eager")(extracted(name, wave)).logits
        torch.testing.assert_close(model.logits(model.prepare([wave])), expected, rtol=0, atol=1e-5)


def test_the_decoder_equals_hugging_faces():
    wave, model, tokens = sound(N), shared_model("whisper"), torch.tensor([[4, 7, 9, 11, 30]])
    with torch.no_grad():
        reference = tiny_module("whisper", attn_implementation="eager")(
            extracted("whisper", wave),
            decoder_input_ids=tokens,
            output_hidden_states=True,
            output_attentions=True,
        )
        layers = range(2)
        parts = ("attention", "cross_attention", "residual")
        taps = {(part, i): Tap(i, part, stack="decoder") for part in parts for i in layers}
        taps["normed", 2] = Tap(None, "normed", stack="decoder")
        with model.record(list(taps.values())) as record:
            logits = model.logits(model.prepare([wave]), tokens)
    expected = {
        "attention": reference.decoder_attentions,
        "cross_attention": reference.cross_attentions,
        "residual": reference.decoder_hidden_states,
        "normed": reference.decoder_hidden_states,
    }
    torch.testing.assert_close(logits, reference.logits, rtol=0, atol=1e-5)
    for (part, layer), tap in taps.items():
        torch.testing.assert_close(record[tap], expected[part][layer], rtol=0, atol=1e-5)


def sums(model, stack, run):
    """Compare each layer's output with the sum of its parts, through the norms of a post-norm layer."""
    for layer, block in enumerate(model.family.blocks(stack)):
        names = ["residual", "head_output", "attention_output", "residual_mid", "mlp_output", "mlp_hidden"]
        names += ["cross_head_output", "residual_cross"] if stack == "decoder" else []
        taps = {part: Tap(layer, part, stack=stack) for part in names}
        after = Tap(layer + 1, "residual", stack=stack)
        with torch.no_grad(), model.record([*taps.values(), after]) as record:
            run()
        part = {name: record[tap] for name, tap in taps.items()}
        mid = part["residual"] + part["head_output"].sum(2) + block.attention.output.bias
        torch.testing.assert_close(part["residual_mid"], mid, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            part["residual"] + part["attention_output"], part["residual_mid"], rtol=0, atol=1e-6
        )
        if stack == "decoder":
            mid = mid + part["cross_head_output"].sum(2) + block.cross.output.bias
            torch.testing.assert_close(part["residual_cross"], mid, rtol=0, atol=1e-5)
        mlp = part["mlp_hidden"] @ block.mlp_output.weight.T + block.mlp_output.bias
        torch.testing.assert_close(mlp, part["mlp_output"], rtol=0, atol=1e-5)
        total = mid + mlp if model.pre_norm else block.mlp_norm(block.attention_norm(mid) + mlp)
        torch.testing.assert_close(total, record[after], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_parts_sum_to_the_residual_stream(name):
    model = shared_model(name)
    inputs = model.prepare([sound(N)])
    sums(model, "encoder", lambda: model.encode(inputs))
    if model.family.has_decoder:
        sums(model, "decoder", lambda: model.logits(inputs, torch.tensor([[4, 8, 6]])))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("n_samples", [400, 4001, 15999])
def test_preparation_equals_hugging_faces(name, n_samples):
    wave = sound(n_samples)
    torch.testing.assert_close(
        shared_model(name).prepare([wave]).values, extracted(name, wave), rtol=0, atol=2e-6
    )


def test_without_normalisation_the_sound_is_taken_as_it_is():
    model = SpeechModel(tiny_module("hubert"), preprocessor={"do_normalize": False})
    np.testing.assert_array_equal(model.prepare([sound(N)]).values[0], sound(N))
    assert model.describe()["normalize"] is False


@pytest.mark.parametrize("name", [name for name in READ_WAVEFORMS if "pre" in name or "data2vec" in name])
def test_a_frame_sees_exactly_its_samples(name):
    model, frame = shared_model(name), 4
    values = model.prepare([sound(4000)]).values.requires_grad_()
    with model.record([Tap(None, "cnn")]) as record:
        model.encode(Inputs(values, (4000,), model.prepare([sound(4000)]).n_frames))
    (gradient,) = torch.autograd.grad(record[Tap(None, "cnn")][0, frame].square().sum(), values)
    seen = gradient[0].nonzero().flatten().tolist()
    assert seen == list(range(*model.grid.samples_of(frame)))


@pytest.mark.parametrize("frame", [0, 7, 49])
def test_a_whisper_frame_sees_exactly_its_spectra(frame):
    model = shared_model("whisper")
    inputs = model.prepare([sound(16000)])
    values = inputs.values.requires_grad_()
    with model.record([Tap(None, "cnn")]) as record:
        model.encode(inputs)
    (gradient,) = torch.autograd.grad(record[Tap(None, "cnn")][0, frame].square().sum(), values)
    start, stop = model.grid.samples_of(frame)
    windows = [j for j in range(100) if start <= 160 * j - 200 and 160 * j + 200 <= stop]
    assert gradient[0].abs().sum(0).nonzero().flatten().tolist() == windows


@given(st.integers(0, 30000))
def test_the_number_of_frames(n_samples):
    model = shared_model("hubert")
    config = model.family.config
    layers = [(k, s, 0) for k, s in zip(config.conv_kernel, config.conv_stride, strict=True)]
    n = model.frames(n_samples).n_frames
    assert n == number_of_frames(layers, n_samples)
    assert n == 0 or model.grid.samples_of(n - 1)[1] <= n_samples < model.grid.samples_of(n)[1]


@given(st.integers(1, 16000))
def test_the_number_of_whisper_frames(n_samples):
    model = shared_model("whisper")
    times = model.frames(n_samples).times
    assert times[-1] < n_samples / 16000 <= times[-1] + 0.02


def test_the_frames_of_a_run_are_as_many_as_the_grid_says():
    model = shared_model("wavlm")
    for n_samples in (400, 719, 720, 721, 9999):
        state = model.states([sound(n_samples)])[0]
        assert state.shape[1] == model.frames(n_samples).n_frames


def test_whisper_gives_the_frames_of_the_sound_only():
    model = shared_model("whisper")
    assert [model.states([sound(n)])[0].shape[1] for n in (1, 320, 321, 16000)] == [1, 1, 2, 50]


def test_other_front_ends_have_their_own_grid():
    changes = {"conv_dim": (8, 8), "conv_kernel": (8, 4), "conv_stride": (4, 4), "num_feat_extract_layers": 2}
    model = SpeechModel(tiny_module("wav2vec2", **changes), preprocessor={"sampling_rate": 8000})
    grid = model.grid
    assert (grid.sample_rate, grid.hop, grid.receptive_field, grid.offset) == (8000, 16, 20, 0)
    assert model.states([sound(20), sound(51)])[1].shape[1] == 2


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("wav2vec2", {"add_adapter": True}, "add_adapter"),
        ("wav2vec2-pre-ctc", {"adapter_attn_dim": 4}, "adapter_attn_dim=4"),
    ],
)
def test_layers_that_break_the_sums_are_refused(name, changes, said):
    with pytest.raises(ModelError, match=said):
        tiny_model(name, **changes)


def test_a_decoder_alone_is_refused():
    _, _, settings = BUILDERS["whisper"]
    with pytest.raises(ModelError, match="WhisperForCausalLM has no encoder"):
        SpeechModel(transformers.WhisperForCausalLM(transformers.WhisperConfig(**settings)))
