"""Numbers with intervals: one row a name, one colour a kind, chance where it is."""

from __future__ import annotations

import pandas as pd
import pytest

from speechinterp.errors import SpeechInterpError
from speechinterp.viz import plot_intervals

TABLE = pd.DataFrame(
    {
        "measure": ["a_$1", "b", "a_$1"], "kind": ["model", "model", "twin"], "auc": [0.9, 0.6, 0.5],
        "ci_low": [0.8, float("nan"), 0.4], "ci_high": [0.95, float("nan"), 0.6], "chance": 0.5,
    }
)  # fmt: skip


def test_rows_dots_intervals_and_chance():
    figure = plot_intervals(TABLE, "measure", "auc", "AUC (%)", colour="kind", percent=True)
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a_$1", "b"]
    dots = [line for line in ax.lines if line.get_marker() in "os"]
    assert [line.get_xdata().tolist() for line in dots] == [[90, 60], [50]]
    assert dots[0].get_ydata()[0] < dots[1].get_ydata()[0] < dots[0].get_ydata()[1]
    ends = ax.collections[0].get_segments()
    assert [ends[0][0][0], ends[0][1][0]] == pytest.approx([80, 95])
    assert ends[1][0][0] == ends[1][1][0] == pytest.approx(60)  # no interval: the number itself
    assert {x for line in ax.lines if line.get_marker() == "|" for x in line.get_xdata()} == {50}
    assert [text.get_text() for text in figure.legends[0].texts] == ["model", "twin", "chance"]
    figure.canvas.draw()


def test_without_chance_and_kinds_there_is_no_legend():
    figure = plot_intervals(TABLE[:2].drop(columns="chance"), "measure", "auc", "AUC")
    assert not figure.legends


def test_a_table_without_rows_or_columns_is_refused():
    with pytest.raises(SpeechInterpError, match="0 rows"):
        plot_intervals(TABLE[:0], "measure", "auc", "AUC")
    with pytest.raises(SpeechInterpError, match="ci_low"):
        plot_intervals(TABLE.drop(columns="ci_low"), "measure", "auc", "AUC")
