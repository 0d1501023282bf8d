"""Figures of relevance: what is drawn where, in which colour."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from tiny import sound

from speechinterp import Segment, Tier, Utterance
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError
from speechinterp.viz import plot_relevance

WORDS = Tier("words", [Segment(0.1, 0.3, "$one<b>"), Segment(0.3, 0.5, "two")])


def utterance() -> Utterance:
    return Utterance("u", Sound(sound(16000), 16000), tiers={"words": WORDS})


def relevance(*, frequencies=0) -> xr.DataArray:
    times = np.arange(100) / 100
    one = np.where((times >= 0.1) & (times < 0.3), 1.0, np.where(times >= 0.7, -0.5, 0.0))
    coords = {
        "target": ["cat"],
        "time": times,
        "target_start": ("target", [0.1]),
        "target_end": ("target", [0.3]),
    }
    if frequencies:
        coords["frequency"] = np.linspace(0, 8000, frequencies)
        return xr.DataArray(
            np.repeat(one[None, None], frequencies, 1),
            coords,
            ("target", "frequency", "time"),
            attrs={"duration_s": 1.0},
        )
    return xr.DataArray(one[None], coords, ("target", "time"), attrs={"duration_s": 1.0})


@pytest.mark.parametrize("frequencies", [0, 8])
def test_sound_map_amounts_and_tiers_are_drawn(frequencies):
    figure = plot_relevance(relevance(frequencies=frequencies), utterance())
    wave, spectrum, amounts, words = figure.axes
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in amounts.patches}
    scale = frequencies or 1
    assert heights[0.15] == pytest.approx(scale)
    assert heights[0.8] == pytest.approx(-0.5 * scale)
    assert [text.get_text() for text in words.texts] == ["$one<b>", "two"]
    assert len(spectrum.collections) == (2 if frequencies else 1)
    colours = {round(bar.get_x(), 3): bar.get_facecolor() for bar in wave.patches}
    assert colours[0.15][0] > colours[0.15][2]  # for it: red
    assert colours[0.8][2] > colours[0.8][0]  # against it: blue
    assert len(set(colours[0.5][:3])) == 1  # neither: grey
    assert {round(line.get_xdata()[0], 3) for line in amounts.lines if line.get_linestyle() == "--"} == {
        0.1,
        0.3,
    }
    assert amounts.get_xlabel() or words.get_xlabel() == "Time (s)"
    figure.canvas.draw()


def test_relevance_alone_and_units_are_drawn():
    assert len(plot_relevance(relevance()).axes) == 1
    assert len(plot_relevance(relevance(frequencies=4)).axes) == 2
    coords = {
        "target": ["cat"], "unit": [0, 1], "label": ("unit", ["one", "two"]),
        "start": ("unit", [0.1, 0.3]), "end": ("unit", [0.3, 0.5]),
    }  # fmt: skip
    units = xr.DataArray([[2.0, -1.0]], coords, ("target", "unit"), attrs={"duration_s": 1.0})
    bars = plot_relevance(units, utterance()).axes[2].patches
    assert [bar.get_height() for bar in bars] == [2.0, -1.0]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(AttributionError, match="one of cat"):
        plot_relevance(relevance(), target="dog")
    with pytest.raises(AttributionError, match="start < end"):
        plot_relevance(relevance(), start=2)
    with pytest.raises(AttributionError, match="the dimensions target"):
        plot_relevance(relevance()[0])
