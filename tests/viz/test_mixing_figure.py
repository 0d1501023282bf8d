"""Figures of maps: every column stands under the name of its source."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from speechinterp.viz import plot_mixing


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def a_map(sources):
    """Make a map of one layer whose shares are the number of their source."""
    shares = np.tile(np.arange(1.0, len(sources) + 1), (2, 1))
    is_unit = [not name.startswith("<") for name in sources]
    coords = {
        "layer": [0],
        "target_label": ("target", ["x", "y"]),
        "source_label": ("source", [name.strip("<>") for name in sources]),
        "source_start": ("source", [float(i) if unit else np.nan for i, unit in enumerate(is_unit)]),
        "source_end": ("source", [i + 1.0 if unit else np.nan for i, unit in enumerate(is_unit)]),
        "target_start": ("target", [0.0, 1.0]),
        "target_end": ("target", [1.0, 2.0]),
    }
    return xr.DataArray(
        (shares / shares.sum(-1, keepdims=True))[None],
        coords,
        ("layer", "target", "source"),
        attrs={"method": "x"},
    )


def test_what_is_drawn_beside_does_not_shift_the_names():
    mix = a_map(["a", "b", "<pad>", "<prompt>", "<itself>"])
    axes = plot_mixing(mix).axes[0]
    drawn = np.asarray(axes.images[0].get_array())
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert drawn.shape[1] == len(names)
    for name, column in zip(names, drawn.T, strict=True):
        at = mix.source_label.values.tolist().index(name)
        np.testing.assert_allclose(column, mix.values[0, :, at])
