"""The map of confusions shows shares of rows, with names that are no formulas."""

import numpy as np
import pandas as pd
import pytest

from speechinterp.errors import ProbeError
from speechinterp.viz import plot_confusions


def test_shares_are_of_true_labels_and_small_ones_are_blank():
    names = ["a", "$b", "longer"]
    table = pd.DataFrame([[3, 1, 0], [0, 300, 1], [0, 0, 0]], index=names, columns=names)
    table.attrs = {"layer": 4, "representations": {"model": "demo/x"}}
    figure = plot_confusions(table)
    figure.draw_without_rendering()
    ax = figure.axes[0]
    drawn = ax.images[0].get_array()
    assert drawn[0].tolist() == [75, 25, 0]
    assert np.isnan(np.ma.getdata(drawn)[2]).all()
    assert sorted(text.get_text() for text in ax.texts) == ["100", "25", "75"]
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    assert ax.get_title(loc="left") == "demo/x · layer 4"


def test_many_labels_have_no_numbers():
    names = [f"p{i}" for i in range(40)]
    figure = plot_confusions(pd.DataFrame(np.eye(40), index=names, columns=names))
    assert not figure.axes[0].texts


def test_an_empty_table_is_refused():
    with pytest.raises(ProbeError, match="no labels"):
        plot_confusions(pd.DataFrame())
