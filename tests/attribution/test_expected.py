"""Expected gradients: against integrated gradients and their own definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.slopes_of import close, heard, inside, target
from tiny import shared_model

from speechinterp import attribution
from speechinterp.attribution.slopes import baseline_point, opened_space
from speechinterp.errors import AttributionError


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


def test_they_are_a_loop_over_points_on_the_ways():
    model, baselines, samples = shared_model("wav2vec2-pre-ctc"), ("silence", "reversed"), 7
    space = opened_space(model, heard(), target(), "spectrogram")
    random, total = np.random.default_rng(4), 0
    for baseline, n in zip(baselines, (4, 3), strict=True):
        start, _ = baseline_point(space, baseline, random)
        for k, shift in enumerate(random.random(n)):
            point = (start + (k + shift) / n * (space.point - start)).requires_grad_()
            (slope,) = torch.autograd.grad(space.scores(point[None])[0, 1], point)
            total = total + (space.point - start) * slope
    found = attribution.expected_gradients(
        model, heard(), target(), "spectrogram", baselines=baselines, samples=samples, seed=4
    )
    close(found[1].values, inside(space, total / samples))
    gap = found.sum(["time", "frequency"]) - (found.value_full - found.value_baseline)
    assert np.allclose(gap, found.completeness_gap)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baselines": ()}, "a list of baselines"),
        ({"samples": 2}, "at least one sample for each"),
        ({"noise": -0.1}, "noise=-0.1"),
    ],
)
def test_too_little_to_average_over_is_refused(options, message):
    with pytest.raises(AttributionError, match=message):
        attribution.expected_gradients(shared_model("hubert"), heard(), target(), **options)
