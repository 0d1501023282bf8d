"""Masks over the spectrogram: their statistics, the slope by a loop, and a place that is known to decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.games import RATE, wave
from tiny import shared_model

import speechinterp as si
from speechinterp.attribution import masks
from speechinterp.attribution.masks import mask_slopes, rise, smooth_masks
from speechinterp.errors import AttributionError

ALL = si.targets.label("all", scale="logit")


def test_masks_are_open_as_often_as_asked_and_smooth():
    drawn = smooth_masks(400, (30, 40), (7.5, 10.0), 0.3, np.random.default_rng(0)).numpy()
    assert drawn.shape == (400, 30, 40)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert drawn.mean(0) == pytest.approx(np.full((30, 40), 0.3), abs=0.1)
    assert np.abs(np.diff(drawn, axis=1)).max() <= 1 / 7.5 + 1e-9
    assert np.abs(np.diff(drawn, axis=2)).max() <= 1 / 10 + 1e-9


def test_slopes_equal_regressions_point_by_point():
    shape, grid = (6, 8), (2.0, 2.0)
    weights = np.random.default_rng(1).normal(size=(2, *shape))

    def score(m):
        return torch.from_numpy(np.einsum("tfn,bfn->bt", weights, m.numpy()) + 100)

    slopes, errors = mask_slopes(
        score, shape, grid, 0.5, samples=60, batch=7, random=np.random.default_rng(2)
    )
    random = np.random.default_rng(2)
    drawn = np.concatenate(
        [smooth_masks(min(7, 60 - i), shape, grid, 0.5, random).numpy() for i in range(0, 60, 7)]
    )
    y = score(torch.from_numpy(drawn)).numpy()
    from scipy.stats import linregress

    for t, f, n in [(0, 0, 0), (1, 3, 4), (0, 5, 7)]:
        line = linregress(drawn[:, f, n], y[:, t])
        assert slopes[t, f, n] == pytest.approx(line.slope, abs=1e-9)
        assert errors[t, f, n] == pytest.approx(line.stderr, abs=1e-9)


def test_the_place_that_decides_is_found(monkeypatch):
    model, x = shared_model("hubert-pre-class"), wave(20)

    class Loud:
        """Hear the energy between 2 and 3 kHz and 0.3 and 0.4 s."""

        names, spans = ("loud",), (None,)

        def __init__(self, model):
            self.model = model

        def scores(self, sounds):
            part = torch.fft.rfft(sounds[:, round(0.3 * RATE) : round(0.4 * RATE)])
            hertz = torch.fft.rfftfreq(round(0.1 * RATE), 1 / RATE)
            return part[:, (hertz > 2000) & (hertz < 3000)].abs().square().mean(1, keepdim=True).double()

        def describe(self):
            return {"target": "loud"}

    monkeypatch.setattr(masks, "bind", lambda *args: Loud(model))
    found = rise(model, x, target=None, samples=600)
    assert found.dims == ("target", "frequency", "time")
    top = found[0].where(found[0] == found[0].max(), drop=True)
    assert 2000 <= float(top.frequency[0]) <= 3000
    assert 0.3 <= float(top.time[0]) <= 0.4
    inside = found[0].sel(frequency=slice(2100, 2900), time=slice(0.32, 0.38)).mean()
    rest = found[0].where((found.time < 0.15) | (found.time > 0.55)).mean()
    assert float(inside) > 10 * abs(float(rest))
    assert found.attrs["n_passes"] == 600


def test_a_map_of_a_model_depends_on_the_seed_alone():
    model = shared_model("hubert-pre-class")
    first, again, other = (
        rise(model, wave(8), target=ALL, samples=20, cell=(0.05, 1000), seed=s) for s in (0, 0, 1)
    )
    assert (first.values == again.values).all()
    assert (first.values != other.values).any()
    assert first.attrs["baseline"] == "silence"
    assert first.standard_error.shape == first.shape


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"keep": 1.0}, "keep a cell with a chance of 1.0"),
        ({"samples": 5}, "5 masks"),
        ({"cell": (100, 1000)}, "cells of 100 s"),
        ({"cell": (0.1, 1)}, "cells of 0.1 s and 1 Hz"),
        ({"baseline": "delete"}, "'delete' behind a mask"),
        ({"baseline": np.zeros(3, np.float32)}, "shape"),
    ],
)
def test_bad_input_is_refused(options, match):
    with pytest.raises(AttributionError, match=match):
        rise(shared_model("hubert-pre-class"), wave(8), target=ALL, **options)
