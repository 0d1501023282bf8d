"""Saliency, input times gradient and SmoothGrad: against Captum and loops; the model stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.slopes_of import RATE, Module, N, close, heard, inside, target
from tiny import shared_model, tiny_model
from tiny_vocabulary import reading_model

from speechinterp import Utterance, attribution, targets
from speechinterp.attribution.slopes import opened_space
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError, TargetError


@pytest.mark.filterwarnings("ignore::speechinterp.attribution.InvarianceWarning")
def test_saliency_and_input_times_gradient_are_those_of_captum(opened):
    captum = pytest.importorskip("captum.attr")
    args = opened.model, heard(), target(), opened.name
    saliency, product = attribution.saliency(*args), attribution.input_x_gradient(*args)
    point = opened.point[None].clone().requires_grad_()
    for i in range(2):
        expected = captum.Saliency(Module(opened)).attribute(point, target=i)[0]
        close(saliency[i].values, inside(opened, expected))
        expected = captum.InputXGradient(Module(opened)).attribute(point, target=i)[0]
        close(product[i].values, inside(opened, expected))
    assert saliency.dims == ("target", *opened.dims)


def test_a_frame_that_is_normalised_gives_no_input_times_gradient():
    model = shared_model("wav2vec2-pre-ctc")
    with pytest.warns(attribution.InvarianceWarning, match="attn_lrp"):
        found = attribution.input_x_gradient(model, heard(), target(), "features")
    assert float(abs(found.sum("channel")).sum()) < 0.01 * float(abs(found).sum())
    complete = attribution.integrated_gradients(model, heard(), target(), "features")
    assert float(abs(complete.sum("channel")).sum()) > 0.05 * float(abs(complete).sum())


def test_smoothgrad_is_the_mean_of_slopes():
    model = shared_model("wav2vec2-pre-ctc")
    space = opened_space(model, heard(), target(), "waveform")
    random = torch.Generator().manual_seed(3)
    width = 0.1 * space.point.std()
    gradients = []
    for _ in range(4):
        point = (space.point + width * torch.randn(N, generator=random)).requires_grad_()
        gradients.append(torch.autograd.grad(space.scores(point[None])[0, 1], point)[0])
    found = attribution.smoothgrad(model, heard(), target(), samples=4, seed=3, signed=True)
    close(found[1].values, torch.stack(gradients).mean(0))
    assert np.allclose(attribution.smoothgrad(model, heard(), target(), samples=4, seed=3), abs(found))
    assert (found.standard_error > 0).all()


def test_silence_absent_words_and_broken_weights_are_refused():
    model = reading_model("wav2vec2-pre-ctc")
    quiet = Utterance("quiet", Sound(np.zeros(N, np.float32), RATE), transcript="a")
    with pytest.raises(AttributionError, match="every sample is 0"):
        attribution.saliency(model, quiet, target())
    with pytest.raises(TargetError, match="not in the transcript: a, note"):
        attribution.saliency(model, heard(), targets.ctc("cat"))
    with pytest.raises(TargetError, match=r"si.targets.named\('a'\)"):
        attribution.saliency(model, heard(), "a")
    broken = tiny_model("hubert")
    with torch.no_grad():
        broken.module.encoder.layers[1].feed_forward.output_dense.weight[0, 0] = float("nan")
    with pytest.raises(AttributionError, match="not finite"):
        attribution.saliency(broken, heard(), target())


def test_the_model_is_left_as_it_was_found():
    model = tiny_model("hubert")
    model.module.train()
    wanted = [p.requires_grad for p in model.module.parameters()]
    attribution.input_x_gradient(model, heard(), target())
    assert [p.requires_grad for p in model.module.parameters()] == wanted
    assert model.module.training
    assert all(p.grad is None for p in model.module.parameters())
