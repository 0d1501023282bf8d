"""Gradient methods against Captum, closed forms and finite differences; spaces; what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny import shared_model, sound, tiny_model
from tiny_vocabulary import reading_model
from torch import nn

from speechinterp import Segment, Tap, Tier, Utterance, attribution, targets
from speechinterp.attribution.slopes import baseline_point, opened_space, slopes
from speechinterp.attribution.spaces import SPACES
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError, TargetError

RATE = 16000
N = 6400
MODELS = {"wav2vec2-pre-ctc": ("waveform", "spectrogram", "features"), "whisper": tuple(SPACES)}
CASES = [(name, space) for name, spaces in MODELS.items() for space in spaces]


def heard(n=N) -> Utterance:
    words = Tier("words", [Segment(0.05, 0.15, "one"), Segment(0.2, 0.35, "two")])
    return Utterance("u", Sound(sound(n), RATE), transcript="a note", tiers={"words": words})


def target():
    return targets.hidden(Tap(2, "residual"), [0, 7], span=(0.1, 0.3))


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def opened(request):
    name, space = request.param
    return opened_space(shared_model(name), heard(), target(), space)


class Module(nn.Module):
    """The scores of a space, as Captum wants them."""

    def __init__(self, space):
        super().__init__()
        self.space = space

    def forward(self, points):
        return self.space.scores(points).float()


def close(found, expected):
    expected = expected.detach().double().numpy()
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())


def inside(opened, tensor):
    return tensor.narrow(opened.dims.index("time"), 0, opened.inside)


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


def test_integrated_gradients_are_those_of_captum(opened):
    captum = pytest.importorskip("captum.attr")
    found = attribution.integrated_gradients(
        opened.model, heard(), target(), opened.name, steps=12, tolerance=None, baseline="mean"
    )
    start, _ = baseline_point(opened, "mean", np.random.default_rng(0))
    method = captum.IntegratedGradients(Module(opened))
    for i in range(2):
        expected = method.attribute(
            opened.point[None], start[None].contiguous(), target=i, n_steps=12, method="gausslegendre"
        )
        close(found[i].values, inside(opened, expected[0]))


def test_the_score_of_the_point_is_that_of_the_sound(opened):
    with torch.no_grad():
        here = opened.scores(opened.point[None])
        there = opened.bound.scores(opened.sound[None])
    assert torch.allclose(here, there, atol=1e-4)


def test_a_spectrogram_is_inverted_exactly():
    space = opened_space(shared_model("wav2vec2-pre-ctc"), heard(), target(), "spectrogram")
    spectrum = torch.polar(space.point, torch.angle(space.transform(space.sound)))
    assert (space.inverse(spectrum[None])[0] - space.sound).abs().max() < 1e-6


class Polynomial:
    """A space whose score is a form of degree 1 or 2, for which there are closed forms."""

    name, dims = "waveform", ("time",)

    def __init__(self, seed=0, n=6, quadratic=True):
        random = torch.Generator().manual_seed(seed)
        self.matrix = torch.randn(n, n, generator=random, dtype=torch.float64) * quadratic
        self.slope = torch.randn(n, generator=random, dtype=torch.float64)
        self.point = torch.randn(n, generator=random, dtype=torch.float64)
        self.model = shared_model("hubert")
        self.bound = type("Bound", (), {"names": ("form",)})

    def scores(self, points, within=None):
        return (torch.einsum("bi,ij,bj->b", points, self.matrix, points) + points @ self.slope)[:, None]


@pytest.mark.parametrize("quadratic", [True, False])
def test_linear_and_quadratic_scores_have_closed_forms(quadratic):
    from speechinterp.attribution.integrated import Walk

    space = Polynomial(quadratic=quadratic)
    symmetric = space.matrix + space.matrix.T
    gradient = symmetric @ space.point + space.slope
    assert torch.allclose(slopes(space, space.point[None]).gradients[0, 0], gradient)
    start = torch.linspace(-1, 1, 6, dtype=torch.float64)
    (panel,) = Walk(space, start, 3).refined(4, 0.01, 64)
    middle = symmetric @ (space.point + start) / 2 + space.slope
    assert torch.allclose(panel.integral[0], (space.point - start) * middle)
    assert float(panel.gap.abs().max()) < 1e-10


def test_the_way_is_refined_where_the_score_changes_until_little_is_missed():
    """A model that normalises its input hears everything at the very start of the way from silence."""
    model = shared_model("wav2vec2-pre-ctc")
    args = model, heard(), targets.hidden(Tap(3, "residual"), 0, span=(0.1, 0.3))
    coarse = attribution.integrated_gradients(*args, steps=32, tolerance=None)
    fine = attribution.integrated_gradients(*args, steps=32, tolerance=0.01, max_steps=800)
    assert fine.attrs["way_gap_relative"] <= 0.01
    assert fine.attrs["completeness_gap_relative"] <= 0.01 < coarse.attrs["completeness_gap_relative"]
    assert fine.attrs["steps"] < 800
    change = fine.value_full - fine.value_baseline
    assert float(fine.sum()) - change.item() == pytest.approx(fine.completeness_gap.item(), abs=1e-9)


def test_several_targets_are_as_good_as_one_by_one(opened, monkeypatch):
    calls = []
    scores = type(opened).scores
    monkeypatch.setattr(type(opened), "scores", lambda *a, **k: calls.append(1) or scores(*a, **k))
    both = attribution.integrated_gradients(
        opened.model, heard(), target(), opened.name, tolerance=None, steps=4
    )
    together = len(calls)
    for i, unit in enumerate((0, 7)):
        single = targets.hidden(Tap(2, "residual"), unit, span=(0.1, 0.3))
        one = attribution.integrated_gradients(
            opened.model, heard(), single, opened.name, tolerance=None, steps=4
        )
        assert np.allclose(one[0], both[i], atol=1e-5 * max(1, float(abs(both).max())))
    assert len(calls) == 3 * together


def test_whisper_hears_its_padding_and_the_account_says_so():
    model = shared_model("whisper")
    found = attribution.integrated_gradients(model, heard(), target(), "log-mel", max_steps=128)
    change = found.value_full - found.value_baseline
    total = found.sum(["time", "frequency"]) + found.padding
    assert np.allclose(total - change, found.completeness_gap)
    assert len(found.time) == N // 160
    assert found.attrs["completeness_gap_relative"] <= 0.01
    assert float(found.frequency[0]) > 0


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


def test_expected_gradients_add_up_in_the_mean_and_are_integrated_gradients_of_one_baseline():
    model = shared_model("whisper")
    args = model, heard(), target(), "log-mel"
    many = attribution.expected_gradients(*args, baselines=["mean"], samples=60)
    exact = attribution.integrated_gradients(*args, baseline="mean", steps=16)
    assert np.corrcoef(many[0].values.ravel(), exact[0].values.ravel())[0, 1] > 0.99
    assert many.attrs["completeness_gap_relative"] < 0.05
    several = attribution.expected_gradients(*args, samples=9, noise=0.05)
    assert several.attrs["baseline"] == "silence, noise, reversed"
    with pytest.raises(AttributionError, match="a list of baselines"):
        attribution.expected_gradients(*args, baselines="silence")


def test_deeplift_runs_through_captum_says_what_it_misses_and_leaves_captum_as_it_was():
    pytest.importorskip("captum.attr")
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    before = dict(SUPPORTED_NON_LINEAR)
    model = tiny_model("hubert-pre-class")
    found = attribution.deeplift(model, heard(), targets.label(scale="logit"), "waveform")
    assert before == SUPPORTED_NON_LINEAR
    total = found.sum("time") - (found.value_full - found.value_baseline)
    assert np.allclose(total, found.completeness_gap)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "cepstrum"}, "space 'cepstrum'"),
        ({"space": "log-mel"}, "reads the waveform"),
        ({"baseline": np.zeros(17, np.float32)}, "exactly 6400 samples"),
        ({"baseline": "delete"}, "whole sound"),
        ({"baseline": "hum"}, "baseline 'hum'"),
        ({"baseline": np.zeros((3, 4))}, "shape"),
        ({"steps": 5}, "multiple of 4"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(AttributionError, match=message):
        attribution.integrated_gradients(shared_model("hubert"), heard(), target(), **options)


def test_silence_absent_words_and_broken_weights_are_refused():
    model = reading_model("wav2vec2-pre-ctc")
    quiet = Utterance("quiet", Sound(np.zeros(N, np.float32), RATE), transcript="a")
    with pytest.raises(AttributionError, match="every sample is 0"):
        attribution.saliency(model, quiet, target())
    with pytest.raises(TargetError, match="not in the transcript: a, note"):
        attribution.saliency(model, heard(), targets.ctc("cat"))
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


def test_results_survive_the_disk(tmp_path):
    import xarray as xr

    found = attribution.integrated_gradients(
        shared_model("whisper"), heard(), target(), "log-mel", steps=4, tolerance=None
    )
    found.to_netcdf(tmp_path / "attribution.nc", engine="scipy")
    again = xr.load_dataarray(tmp_path / "attribution.nc", engine="scipy")
    assert np.array_equal(again, found)
    assert again.attrs["weights_sha256"] == shared_model("whisper").weights_hash
