"""Faithfulness by its definitions, on games whose values are known, and against random relevance."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from attribution.games import game_of, random_worth, units, wave
from tiny import shared_model

import speechinterp as si
from speechinterp.attribution.faithfulness import curves, faithfulness_in
from speechinterp.attribution.game import all_coalitions
from speechinterp.attribution.values import shapley_values
from speechinterp.errors import AttributionError

N = 6
WEIGHTS = np.array([3.0, -1.0, 0.5, 2.0, 0.0, -2.0])


def linear(there):
    return float(WEIGHTS @ there)


def relevance(values, n=N, names=("f0",)):
    starts = [s.start for s in units(n)]
    return xr.DataArray(
        np.atleast_2d(values), {"target": list(names), "start": ("unit", starts)}, ("target", "unit")
    )


def value(table, metric, method="m"):
    return table[(table.metric == metric) & (table.method == method)].value.iloc[0]


def test_metrics_by_their_definitions():
    table = faithfulness_in(game_of(N, linear), {"m": relevance(WEIGHTS)})
    order = [0, 3, 2, 4, 1, 5]
    falling = [2.5 - WEIGHTS[order[:k]].sum() for k in range(N + 1)]
    rising = [WEIGHTS[order[:k]].sum() for k in range(N + 1)]
    steps = [1, 2, 2, 3, 3]
    assert value(table, "deletion_auc") == pytest.approx(
        (np.sum(falling) - (falling[0] + falling[-1]) / 2) / N
    )
    assert value(table, "insertion_auc") == pytest.approx((np.sum(rising) - (rising[0] + rising[-1]) / 2) / N)
    assert value(table, "comprehensiveness") == pytest.approx(np.mean([2.5 - falling[k] for k in steps]))
    assert value(table, "sufficiency") == pytest.approx(np.mean([2.5 - rising[k] for k in steps]))
    assert value(table, "infidelity") == pytest.approx(0, abs=1e-12)


def test_infidelity_does_not_depend_on_scale_and_is_one_for_what_predicts_nothing():
    game = game_of(N, linear)
    scaled = faithfulness_in(game, {"m": relevance(7 * WEIGHTS)})
    assert value(scaled, "infidelity") == pytest.approx(0, abs=1e-12)
    zero = faithfulness_in(game, {"m": relevance(np.zeros(N))})
    assert value(zero, "infidelity") == pytest.approx(1)


def test_true_relevance_beats_chance_and_its_opposite_is_beaten():
    table = faithfulness_in(game_of(N, linear), {"true": relevance(WEIGHTS), "false": relevance(-WEIGHTS)})
    better = table.pivot_table(index="metric", columns="method", values="better_than")
    assert (better["true"] > 0.95).all()
    assert (better.drop("infidelity")["false"] < 0.05).all()
    assert (better["random"] == 0.5).all()
    chance = table[table.method == "random"].set_index("metric")
    assert (chance.random_low <= chance.value).all()
    assert (chance.value <= chance.random_high).all()
    assert chance.loc["deletion_auc", "value"] == pytest.approx(1.25, abs=0.4)


def test_curves_start_and_end_where_they_must():
    game = game_of(N, random_worth(N), random_worth(N, 1))
    deletion, insertion = curves(game, WEIGHTS)
    full, empty = game.full_and_empty()
    assert (deletion[[0, -1]] == [full, empty]).all()
    assert (insertion[[0, -1]] == [empty, full]).all()


def test_coalitions_that_are_known_cost_nothing():
    game = game_of(N, random_worth(N))
    values = shapley_values(game.values(all_coalitions(N)))
    table = faithfulness_in(game, {"shapley": relevance(values.T)})
    assert game.passes == 2**N == table.attrs["n_passes"]


def test_a_model_is_measured_from_its_public_name():
    model, x, parts = shared_model("hubert-pre-class"), wave(4), units(4)
    target = si.targets.label("all", scale="logit")
    found = si.attribution.shapley(model, x, target=target, unit=parts)
    table = si.attribution.faithfulness(model, x, {"shapley": found}, target=target, unit=parts, n_random=10)
    assert len(table) == 2 * 5 * 5
    assert table.value.notna().all()
    assert table.attrs["baseline"] == "silence"


@pytest.mark.parametrize(
    "given",
    [
        relevance(np.zeros(N - 1), N - 1),
        relevance(np.zeros(N), names=("other",)),
        relevance(np.zeros(N)).T[0],
    ],
)
def test_relevance_of_something_else_is_refused(given):
    with pytest.raises(AttributionError, match="of other units or targets"):
        faithfulness_in(game_of(N, linear), {"m": given})


def test_a_single_unit_is_refused():
    with pytest.raises(AttributionError, match="single unit"):
        faithfulness_in(game_of(1, lambda z: float(z[0])), {"m": relevance([1.0], 1)})
