"""Stability of relevances that are made to be stable, or not."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from attribution.games import RATE, units, wave

from speechinterp.attribution.stability import agreement, sensitivity, shift_equivariance
from speechinterp.audio import Sound
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.segments import Tier

N = 4
SPOKEN = Utterance("a", Sound(wave(N), RATE), tiers={"words": Tier("words", units(N))})


def of_units(*rows):
    return xr.DataArray(
        np.array(rows, float), {"target": [f"t{i}" for i in range(len(rows))]}, ("target", "unit")
    )


def energy(utterance):
    """Explain by the energy of every word, wherever it is."""
    x = utterance.waveform(RATE)
    spans = [(round(s.start * RATE), round(s.end * RATE)) for s in utterance.tier("words")]
    return of_units([float(np.square(x[a:b]).sum()) for a, b in spans])


def place(utterance):
    """Explain by the time of every word, which a shift changes."""
    return of_units([s.start**2 for s in utterance.tier("words")])


def track(utterance):
    """Explain by the energy of every sample."""
    x = utterance.waveform(RATE).astype(float) ** 2
    return xr.DataArray(x[None], {"target": ["t"], "time": np.arange(len(x)) / RATE}, ("target", "time"))


def test_agreement_of_the_same_of_the_opposite_and_of_unequal_scale():
    a = of_units([3, 1, 2, 0])
    table = agreement({"a": a, "twice": 2 * a, "minus": -a}).set_index(["a", "b"])
    numbers = ["spearman", "cosine", "same_top"]
    assert table.loc[("a", "twice"), numbers].astype(float).tolist() == pytest.approx([1, 1, 1])
    assert table.loc[("a", "minus"), numbers].astype(float).tolist() == pytest.approx([-1, -1, 0])
    assert len(table) == 3


@pytest.mark.parametrize(
    "given", [{"a": of_units([1, 2])}, {"a": of_units([1, 2]), "b": of_units([1, 2, 3])}]
)
def test_agreement_needs_two_of_the_same_shape(given):
    with pytest.raises(AttributionError, match="two or more"):
        agreement(given)


def test_noise_changes_relevance_as_much_as_it_changes_the_sound():
    quiet, loud = (sensitivity(energy, SPOKEN, RATE, snr_db=snr, n=8) for snr in (60, 20))
    assert quiet["max"].iloc[0] < 0.003
    assert 0.01 < loud["mean"].iloc[0] <= loud["max"].iloc[0] < 0.2
    assert sensitivity(place, SPOKEN, RATE)["max"].iloc[0] == 0


@pytest.mark.parametrize("explain", [energy, track])
def test_what_moves_along_is_equivariant(explain):
    table = shift_equivariance(explain, SPOKEN, RATE, seconds=0.05)
    assert table["cosine"].iloc[0] == pytest.approx(1)
    assert table["same_top"].iloc[0] == 1
    assert table["change"].iloc[0] == pytest.approx(0, abs=1e-5)


def test_what_depends_on_the_time_is_not():
    table = shift_equivariance(place, SPOKEN, RATE, seconds=0.5)
    assert table["change"].iloc[0] > 1
    assert table.attrs["shift_s"] == 0.5


def test_relevance_that_cannot_be_moved_back_is_refused():
    def windows(utterance):
        return of_units(np.ones(len(utterance.waveform(RATE)) // 1000))

    with pytest.raises(AttributionError, match="windows over the whole sound"):
        shift_equivariance(windows, SPOKEN, RATE)
