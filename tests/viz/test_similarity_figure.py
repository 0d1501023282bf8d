"""The figure of similarities shows every number of its table, and chance beside it."""

import numpy as np
import pandas as pd
import pytest

from speechinterp.errors import SimilarityError
from speechinterp.viz import plot_similarity


def rows(pairs, baseline="none", other="demo/x", measure="cka"):
    return pd.DataFrame(
        [("demo/x", a, other, b, measure, 0.1 + 0.2 * a, 0.05, 0.95, 0.02 * a, 0.1, 100, baseline) for a, b in pairs],
        columns=["model", "layer", "other", "other_layer", "measure", "score", "ci_low", "ci_high", "null", "null_high",
                 "n", "baseline"],
    ).astype({"layer": "Int64", "other_layer": "Int64"})  # fmt: skip


def test_layers_by_layers_are_maps_with_chance_beside_them():
    pairs = [(0, 1), (0, 2), (1, 2)]
    figure = plot_similarity(pd.concat([rows(pairs), rows(pairs, "random-init")]))
    maps = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in maps] == ["model", "random weights", "chance (model)"]
    shown = maps[0].images[0].get_array()
    assert np.allclose(shown, [[1, 0.1, 0.1], [0.1, 1, 0.3], [0.1, 0.3, 1]])
    chance = maps[2].images[0].get_array()
    assert chance[1, 2] == chance[2, 1] == pytest.approx(0.02)
    assert np.isnan(np.ma.filled(chance, np.nan)[0, 0])
    assert {text.get_text() for text in maps[0].texts} == {"1", ".10", ".30"}


def test_one_order_of_two_layers_is_not_the_other_where_a_measure_is_not_symmetric():
    figure = plot_similarity(rows([(0, 1), (1, 0)], measure="pwcca"))
    assert np.allclose(figure.axes[0].images[0].get_array(), [[1, 0.1], [0.3, 1]])


def test_two_models_may_have_different_depths():
    figure = plot_similarity(rows([(a, b) for a in range(2) for b in range(4)], other="demo/y"))
    assert figure.axes[0].images[0].get_array().shape == (2, 4)


def test_a_side_without_layers_is_a_curve_with_its_interval_and_chance():
    table = pd.concat(
        [
            rows([(a, None) for a in range(4)], other="mfcc"),
            rows([(0, None), (1, None)], "random-init", "mfcc"),
        ]
    )
    (ax,) = plot_similarity(table).axes
    assert ax.lines[0].get_ydata() == pytest.approx([0.1, 0.3, 0.5, 0.7])
    assert ax.lines[1].get_ydata() == pytest.approx([0, 0.02, 0.04, 0.06])
    assert {text.get_text() for text in ax.texts} == {"model", "chance", "random weights"}


def test_abx_is_in_percent_with_flat_baselines():
    table = rows([(0, None), (1, None)], measure="abx").drop(columns=["other", "other_layer"])
    flat = table.iloc[:1].assign(baseline="mfcc", layer=pd.NA)
    (ax,) = plot_similarity(pd.concat([table, flat])).axes
    assert ax.get_ylabel() == "ABX error (%)"
    assert ax.lines[0].get_ydata() == pytest.approx([10, 30])
    assert len(ax.lines) == 4


def test_joined_tables_are_refused():
    with pytest.raises(SimilarityError, match="one measure a figure"):
        plot_similarity(pd.concat([rows([(0, 1)]), rows([(0, 1)], measure="rsa")]))
    with pytest.raises(SimilarityError, match="or none"):
        plot_similarity(rows([(0, 1)], "random-init"))
