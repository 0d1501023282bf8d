"""Localisation: relevance on the gold scores 1, off it 0, without relation what is said for chance."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from attribution.games import units
from sklearn.metrics import roc_auc_score

from speechinterp.attribution.localisation import localisation
from speechinterp.errors import AttributionError
from speechinterp.segments import Segment

N = 6
PARTS = units(N)
GOLD = [PARTS[2]]


def of_units(values, parts=PARTS):
    starts, ends = [s.start for s in parts], [s.end for s in parts]
    coords = {"target": ["t"], "start": ("unit", starts), "end": ("unit", ends)}
    return xr.DataArray(np.atleast_2d(values), coords, ("target", "unit"))


def of_time(values, hop=0.001):
    times = np.arange(len(values)) * hop
    return xr.DataArray(np.atleast_2d(values), {"target": ["t"], "time": times}, ("target", "time"))


def scores(relevance, gold=GOLD, **options):
    return localisation({"m": relevance}, gold, **options).set_index("metric").value.to_dict()


def test_all_relevance_on_the_gold_unit():
    found = scores(of_units(np.eye(N)[2]))
    assert found == {"auc": 1, "hit": 1, "iou": 1, "mass": 1}


def test_all_relevance_elsewhere():
    found = scores(of_units(np.eye(N)[5]))
    assert found["hit"] == found["iou"] == found["mass"] == 0
    assert found["auc"] == pytest.approx(0.4)


def test_equal_relevance_is_chance():
    found = localisation({"m": of_units(np.ones(N))}, GOLD).set_index("metric")
    assert found.loc["auc", "value"] == found.loc["auc", "random"] == 0.5
    assert found.loc["hit", "value"] == pytest.approx(1 / N)
    assert found.loc["mass", "value"] == pytest.approx(1 / N)
    assert found.random.loc["hit"] == pytest.approx(1 / N)


def test_random_relevance_scores_what_is_said_for_chance():
    random = np.random.default_rng(0)
    tables = [
        localisation({"m": of_time(random.normal(size=230))}, [Segment(0.05, 0.09, "x")]) for _ in range(400)
    ]
    every = np.stack([t.value.values for t in tables])
    expected = tables[0].random.values
    assert every[:, 0].mean() == pytest.approx(expected[0], abs=0.03)
    assert every[:, 1].mean() == pytest.approx(expected[1], abs=0.06)
    assert every[:, 2].mean() == pytest.approx(expected[2], abs=0.05)


def test_auc_is_that_of_scikit_learn():
    random = np.random.default_rng(1)
    values = random.normal(size=(40, N)).round(1)
    gold = [PARTS[1], PARTS[4]]
    inside = np.isin(np.arange(N), [1, 4])
    for row in values:
        assert scores(of_units(row), gold)["auc"] == pytest.approx(roc_auc_score(inside, row))


def test_maps_are_summed_over_frequency_and_bins():
    track = np.zeros(200)
    track[100:140] = 1
    whole = xr.DataArray(
        np.stack([track, track])[None] / 2,
        {"target": ["t"], "time": np.arange(200) * 0.001},
        ("target", "frequency", "time"),
    )
    assert scores(whole, [Segment(0.10, 0.14, "x")]) == {"auc": 1, "hit": 1, "iou": 1, "mass": 1}


def test_tolerance_forgives_what_is_near():
    track = np.zeros(300)
    track[140:180] = np.linspace(2, 1, 40)
    gold = [Segment(0.10, 0.14, "x")]
    strict, kind = scores(of_time(track), gold), scores(of_time(track), gold, tolerance_ms=20)
    assert strict["hit"] == strict["iou"] == 0
    assert kind["hit"] == 1
    assert kind["iou"] == pytest.approx(2 / 8)


def test_each_target_has_its_gold():
    both = xr.concat([of_units(np.eye(N)[1]), of_units(np.eye(N)[4])], "target").assign_coords(
        target=["a", "b"]
    )
    table = localisation({"m": both}, {"a": [PARTS[1]], "b": [PARTS[4]]})
    assert (table[table.metric == "hit"].value == 1).all()
    with pytest.raises(AttributionError, match="target 'b' has no gold"):
        localisation({"m": both}, {"a": [PARTS[1]]})


@pytest.mark.parametrize(
    ("gold", "match"), [([Segment(5, 6, "x")], "no unit"), ([Segment(0, 6, "x")], "everything")]
)
def test_gold_that_says_nothing_is_refused(gold, match):
    with pytest.raises(AttributionError, match=match):
        scores(of_units(np.ones(N)), gold)
    with pytest.raises(AttributionError, match="without time"):
        scores(of_time(np.ones(50)).rename(time="channel"), [Segment(0, 0.02, "x")])
