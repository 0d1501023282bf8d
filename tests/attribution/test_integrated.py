"""Integrated gradients: against Captum and closed forms; the way, the padding, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.slopes_of import Module, N, close, heard, inside, target
from tiny import shared_model

import speechinterp as si
from speechinterp import Tap, attribution, targets
from speechinterp.attribution.slopes import baseline_point, slopes
from speechinterp.errors import AttributionError


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


def test_results_survive_the_disk(tmp_path):
    import xarray as xr

    found = attribution.integrated_gradients(
        shared_model("whisper"), heard(), target(), "log-mel", steps=4, tolerance=None
    )
    found.to_netcdf(tmp_path / "attribution.nc", engine="scipy")
    again = xr.load_dataarray(tmp_path / "attribution.nc", engine="scipy")
    assert np.array_equal(again, found)
    assert again.attrs["weights_sha256"] == shared_model("whisper").weights_hash


@pytest.mark.real
@pytest.mark.long
@pytest.mark.filterwarnings("ignore::speechinterp.audio.RepairWarning")
def test_a_real_word_is_explained_by_its_own_time(assets):
    model = si.load_model(assets / "models" / "whisper-tiny.en", device="cpu")
    corpus = si.load_corpus(f"timit:{assets / 'corpora' / 'timit-sample'}")
    utterance = corpus[next(id_ for id_ in corpus.ids if id_.endswith("sa1"))]
    rel = attribution.integrated_gradients(
        model,
        utterance,
        si.targets.word("water"),
        "log-mel",
        baseline="mean",
        steps=16,
        tolerance=0.02,
        max_steps=96,
    )
    assert rel.attrs["completeness_gap_relative"] < 0.02
    (said,) = [word for word in utterance.tier("words") if word.label == "water"]
    table = attribution.localisation({"ig": rel}, [said]).set_index("metric")
    assert table.value["mass"] > 0.5 > 3 * table.random["mass"]
