"""Sums by group add up, subtract, merge, and give what the units themselves give."""

import numpy as np
import pytest

from speechinterp.errors import StoreError
from speechinterp.representations import Statistics, indicator

PAIRS = [("x", "x"), ("x", "y"), ("y", "y"), ("x", "labels")]


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 7)) @ rng.normal(size=(7, 7)) + 1000
    y = x[:, :3] @ rng.normal(size=(3, 5)) + rng.normal(size=(300, 5)) + 5
    return {"x": x, "y": y}, rng.integers(0, 4, 300), rng.integers(0, 3, 300)


def made(data, rows, n_blocks=3):
    views, labels, groups = data
    statistics = Statistics(PAIRS)
    for part in np.array_split(rows, n_blocks):
        block = {name: view[part] for name, view in views.items()}
        statistics.add(block | {"labels": indicator(labels[part], 4)}, groups[part])
    return statistics


def slow_hsic(x, y):
    """Debiased HSIC, from the n x n kernels of the definition."""
    n, ones = len(x), np.ones(len(x))
    k, l_ = x @ x.T, y @ y.T
    for kernel in (k, l_):
        for i in range(n):
            kernel[i, i] = 0
    middle = (ones @ k @ ones) * (ones @ l_ @ ones) / ((n - 1) * (n - 2))
    return (np.trace(k @ l_) + middle - 2 * (ones @ k @ l_ @ ones) / (n - 2)) / (n * (n - 3))


def agree(moments, data, rows):
    views = {name: view[rows] for name, view in data[0].items()} | {"labels": np.eye(4)[data[1][rows]]}
    centred = {name: view - view.mean(axis=0) for name, view in views.items()}
    assert moments.count == len(rows)
    for a, b in [*PAIRS, ("y", "x"), ("labels", "x")]:
        assert moments.cross(a, b) == pytest.approx(centred[a].T @ centred[b], rel=1e-9, abs=1e-7)
        assert moments.hsic(a, b) == pytest.approx(slow_hsic(centred[a], centred[b]), rel=1e-8)
    for name, view in views.items():
        assert moments.mean(name) == pytest.approx(view.mean(axis=0))
        assert moments.deviation(name) == pytest.approx(view.std(axis=0), rel=1e-8)


def test_all_units_and_every_fold_by_subtraction(data):
    statistics = made(data, np.arange(300))
    agree(statistics.total, data, np.arange(300))
    for fold, moments in statistics.folds(lambda group: int(group == 2)).items():
        agree(moments, data, np.flatnonzero((data[2] == 2) != fold))
    agree(statistics.without([0]), data, np.flatnonzero(data[2] != 0))
    agree(statistics.only([1]), data, np.flatnonzero(data[2] == 1))


def test_parts_with_origins_of_their_own_merge(data):
    parts = [made(data, rows) for rows in np.split(np.random.default_rng(1).permutation(300), [20, 150])]
    assert parts[0].total.origin["x"] != pytest.approx(parts[1].total.origin["x"], abs=1e-3)
    whole = parts[0].merge(parts[1]).merge(parts[2])
    agree(whole.total, data, np.arange(300))
    agree(whole.without([1]), data, np.flatnonzero(data[2] != 1))


def test_merging_changes_neither_part(data):
    one, other = made(data, np.arange(100)), made(data, np.arange(100, 300))
    one.merge(other)
    agree(one.total, data, np.arange(100))
    agree(other.total, data, np.arange(100, 300))


def test_blocks_do_not_matter(data):
    one, many = made(data, np.arange(300), 1), made(data, np.arange(300), 60)
    assert many.total.cross("x", "y") == pytest.approx(one.total.cross("x", "y"), rel=1e-10)


def test_a_dimension_with_a_huge_mean_keeps_its_small_variance():
    rng = np.random.default_rng(0)
    x = rng.normal([1e7, 0], size=(4000, 2))
    statistics = Statistics([("x", "x")])
    for block in np.array_split(x, 10):
        statistics.add({"x": block}, ["g"] * len(block))
    exact = np.cov(x.T, bias=True) * 4000
    assert statistics.total.cross("x", "x") == pytest.approx(exact, rel=1e-8, abs=1e-4)


def test_sums_of_views_of_the_same_units_join(data):
    views, labels, _ = data
    one, other = Statistics([("x", "x")]), Statistics([("x", "labels")])
    one.add({"x": views["x"]}, labels)
    for part in (slice(200, 300), slice(0, 200)):
        other.add({"x": views["x"][part], "labels": indicator(labels[part], 4)}, labels[part])
    both = one.total | other.total
    assert both.cross("x", "labels") == pytest.approx(made(data, np.arange(300)).total.cross("x", "labels"))
    with pytest.raises(StoreError, match="over the same units"):
        _ = one.total | other.only([0])


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"x": np.zeros((3, 2))}, "'y' is missing"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((2, 2))}, "has shape"),
        ({"x": np.zeros((3, 5)), "y": np.zeros((3, 2))}, "has shape"),
        ({"x": np.full((3, 2), np.nan), "y": np.zeros((3, 2))}, "NaN"),
    ],
)
def test_bad_views_are_refused_and_nothing_is_added(views, message):
    statistics = Statistics([("x", "y")])
    statistics.add({"x": np.ones((4, 2)), "y": np.ones((4, 2))}, ["a"] * 4)
    with pytest.raises(StoreError, match=message):
        statistics.add(views, ["a"] * 3)
    assert statistics.total.count == 4


def test_what_was_not_summed_is_named(data):
    statistics = made(data, np.arange(300))
    with pytest.raises(StoreError, match="not summed together"):
        statistics.total.cross("y", "labels")
    with pytest.raises(StoreError, match="groups"):
        statistics.only([7])
    with pytest.raises(StoreError, match="lacks x x x"):
        statistics.merge(Statistics([("x", "y"), ("y", "y"), ("x", "labels")]))
    with pytest.raises(StoreError, match="at least 4"):
        made(data, np.arange(3)).total.hsic("x", "x")
