"""Deletion curves: one line a method, and the band of chance."""

from __future__ import annotations

import pandas as pd
import pytest

from speechinterp.errors import AttributionError
from speechinterp.viz import plot_deletion

ROWS = [
    (method, target, k, -k * slope, low, high)
    for target in ("a", "place=$x_1")
    for method, slope, low, high in (("loo", 2.0, None, None), ("random", 1.0, -3.0, 0.0))
    for k in range(4)
]
TABLE = pd.DataFrame(ROWS, columns=["method", "target", "taken", "value", "low", "high"])
TABLE.attrs = {"unit": "words", "target_scale": "log-probability", "model": "tiny"}


def test_lines_band_and_names():
    figure = plot_deletion(TABLE, "place=$x_1")
    (ax,) = figure.axes
    chance, loo = ax.lines
    assert loo.get_ydata().tolist() == [0, -2, -4, -6]
    assert chance.get_ydata().tolist() == [0, -1, -2, -3]
    assert len(ax.collections) == 1
    assert "words" in ax.get_xlabel()
    assert ax.get_ylabel() == "Log-probability"
    assert [text.get_text() for text in figure.legends[0].texts] == ["random order", "loo"]
    figure.canvas.draw()


def test_another_target_is_refused():
    with pytest.raises(AttributionError, match="'b'"):
        plot_deletion(TABLE, "b")
