"""The self-check passes on sound models, and each thing that can break turns one of its rows."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

import pytest
import torch
from tiny import FAMILIES, WITH_LOGITS, shared_model, sound, tiny_model

from speechinterp.frames import FrameGrid
from speechinterp.models import SpeechModel, check_model, load_model, tapping, wav2vec2
from speechinterp.models.taps import Attention, Site


def failed(model):
    table = check_model(model)
    return set(table.loc[~table["passed"], "check"])


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_passes(name):
    table = check_model(shared_model(name))
    assert list(table.columns) == ["check", "value", "limit", "passed", "note"]
    assert table["passed"].all(), table[~table["passed"]].to_string()
    assert table["check"].is_unique
    assert (table["value"] >= 0).all()
    assert table["check"].str.contains("logits").any() == (name in WITH_LOGITS)


def test_a_model_in_training_passes_too():
    model = tiny_model("whisper")
    model.module.train()
    assert failed(model) == set()
    assert model.module.training


def test_a_head_over_all_layers_passes_too():
    assert failed(tiny_model("hubert-pre-class", use_weighted_layer_sum=True)) == set()


def no_repair(monkeypatch, model):
    monkeypatch.setattr(wav2vec2, "exact_padding", lambda *_: torch.no_grad())


def a_hook_stays(monkeypatch, model):
    attached = tapping._attached

    def forgetful(site, visit, exactly):
        site.module.register_forward_hook(lambda *_: None)
        return attached(site, visit, exactly)

    monkeypatch.setattr(tapping, "_attached", forgetful)


def wrong_scale(monkeypatch, model):
    def weights(self, query, key, bias, mask):
        scores = torch.einsum("bthd,bshd->bhts", query, key) * 0.5
        scores = scores if bias is None else scores + bias
        return (
            scores.masked_fill(~mask, float("-inf")).softmax(-1) if mask is not None else scores.softmax(-1)
        )

    monkeypatch.setattr(Attention, "weights", weights)


def padding_attended(monkeypatch, model):
    monkeypatch.setattr(wav2vec2, "sample_mask", lambda inputs: None)


def dead_site(monkeypatch, model):
    sites = tapping.block_sites

    def broken(block):
        return sites(block) | {"mlp_hidden": Site(torch.nn.Identity(), "output")}

    monkeypatch.setattr(tapping, "block_sites", broken)


def wrong_site(monkeypatch, model):
    sites = tapping.block_sites

    def broken(block):
        found = sites(block)
        return found | {"value": found["key"]}

    monkeypatch.setattr(tapping, "block_sites", broken)


def writing_ignored(monkeypatch, model):
    sites = tapping.block_sites

    def broken(block):
        found = sites(block)
        old = found["mlp_output"]
        return found | {"mlp_output": Site(old.module, old.side, write=lambda tensor, base, new: tensor)}

    monkeypatch.setattr(tapping, "block_sites", broken)


def weight_drifts(monkeypatch, model):
    encode = model.family.encode

    def drifting(inputs):
        with torch.no_grad():
            model.family.blocks("encoder")[-1].mlp_output.bias.add_(1e-3)
        return encode(inputs)

    monkeypatch.setattr(model.family, "encode", drifting)


def mode_lost(monkeypatch, model):
    encode = model.family.encode

    def leaving(inputs):
        output = encode(inputs)
        model.module.wav2vec2.encoder.dropout.training ^= True
        model.module.wav2vec2.encoder.dropout.p = 0.0
        return output

    monkeypatch.setattr(model.family, "encode", leaving)


def not_normalised(monkeypatch, model):
    model.family.normalize = False


def wrong_norm(monkeypatch, model):
    model.family.pre_norm = not model.family.pre_norm


def wrong_geometry(monkeypatch, model):
    model.family.grid = FrameGrid(16000, 320, 800)


def silent_taps(monkeypatch, model):
    @contextmanager
    def quiet(sites, visits, *, exactly):
        with ExitStack() as stack:
            for tap, site in sites.items():
                visit = tapping._one_head(tap, visits[tap])
                stack.enter_context(tapping._attached(site, visit, exactly))
            yield

    monkeypatch.setattr(tapping, "_all_fired", quiet)


MUTATIONS = [
    ("wav2vec2", no_repair, "batch equals one by one"),
    ("data2vec-ctc", no_repair, "logits of a batch equal one by one"),
    ("hubert-batch-norm", no_repair, "batch equals one by one"),
    ("wav2vec2-pre-ctc", padding_attended, "batch equals one by one"),
    ("wavlm", padding_attended, "batch equals one by one"),
    ("wav2vec2-pre-ctc", a_hook_stays, "model is left as it was found"),
    ("wav2vec2-pre-ctc", weight_drifts, "model is left as it was found"),
    ("wav2vec2-pre-ctc", mode_lost, "model is left as it was found"),
    ("wav2vec2", wrong_scale, "attention x value = context"),
    ("whisper", wrong_scale, "attention x value = context"),
    ("wavlm", wrong_scale, "an intervention without change changes nothing"),
    ("hubert", dead_site, "every tap fires"),
    ("whisper", dead_site, "every tap fires"),
    ("hubert", wrong_site, "attention x value = context"),
    ("hubert", writing_ignored, "zeroing a part changes the output"),
    ("hubert", not_normalised, "input equals Hugging Face's"),
    ("hubert", wrong_norm, "parts sum to the residual stream"),
    ("hubert-pre-class", wrong_norm, "last norm turns raw into normed"),
    ("wavlm", wrong_geometry, "number of frames"),
    ("wavlm", silent_taps, "a tap that never fires is an error"),
]


@pytest.mark.parametrize(("name", "mutate", "row"), MUTATIONS, ids=lambda x: getattr(x, "__name__", str(x)))
def test_what_is_broken_fails(name, mutate, row, monkeypatch):
    model = tiny_model(name)
    mutate(monkeypatch, model)
    assert row in failed(model)


def test_a_positional_convolution_that_is_not_the_checkpoints(tmp_path):
    model = tiny_model("hubert")
    model.module.save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="no preprocessor_config"):
        model = load_model(tmp_path)
    row = "positional convolution equals the checkpoint's"
    assert failed(model) == set()
    assert row in set(check_model(model)["check"])
    with torch.no_grad():
        model.module.encoder.pos_conv_embed.conv.parametrizations.weight.original0 += 1e-6
    assert failed(model) == {row}


def test_coarse_numbers_fail():
    model = SpeechModel(tiny_model("hubert").module.bfloat16())
    assert "states equal Hugging Face's" not in failed(model)
    assert "parts sum to the residual stream" in failed(model)


def test_a_window_that_extractors_cannot_have():
    """Hugging Face's Whisper extractor knows whole seconds only; the other rows stay."""
    table = check_model(tiny_model("whisper", max_source_positions=30))
    assert table["passed"].all()
    assert not table["check"].str.contains("input equals").any()


@pytest.mark.real
@pytest.mark.long
def test_whisper_tiny_passes(assets):
    model = load_model(assets / "models" / "whisper-tiny.en", device="cpu")
    table = check_model(model)
    assert table["passed"].all(), table.to_string()
    assert len(table) == 12


def test_the_seed_chooses_the_sound():
    model = shared_model("hubert")
    tables = [check_model(model, seed) for seed in (0, 0, 1)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])
    assert sound(3)[0] != 0
