"""LIME and KernelSHAP against regressions of scikit-learn, and against exact values where all coalitions are run."""

from __future__ import annotations

import numpy as np
import pytest
from attribution.games import game_of, permutation_shapley, random_worth, wave
from sklearn.linear_model import Ridge
from tiny import shared_model

from speechinterp.attribution import surrogates
from speechinterp.attribution.surrogates import kernel_shap, lime
from speechinterp.errors import AttributionError

N = 5


@pytest.fixture
def played(monkeypatch):
    def use(game):
        monkeypatch.setattr(surrogates, "opened", lambda *args, **kwargs: game)
        return game

    return use


def test_lime_is_the_weighted_ridge_regression_of_scikit_learn(played):
    worths = [random_worth(N, seed) for seed in range(3)]
    game = played(game_of(N, *worths))
    result = lime(shared_model("hubert"), wave(N), target=None, samples=300, seed=3)
    kept = surrogates._lime_draw(N, 300, np.random.default_rng(3))
    cosine = kept.sum(1) / np.sqrt(np.maximum(kept.sum(1), 1e-300) * N)
    weights = np.sqrt(np.exp(-((100 * (1 - cosine)) ** 2) / 25**2))
    y = np.array([[w(row.astype(float)) for w in worths] for row in kept])
    ridge = Ridge(alpha=1.0).fit(kept.astype(float), y, sample_weight=weights)
    assert result.values == pytest.approx(ridge.coef_, abs=1e-8)
    scores = [Ridge(alpha=1.0).fit(kept, v, sample_weight=weights).score(kept, v, weights) for v in y.T]
    assert result.r2.values == pytest.approx(scores, abs=1e-8)
    assert game.passes <= 2**N == len({row.tobytes() for row in kept})


def test_lime_draws_the_whole_sound_first_and_every_number_of_units():
    kept = surrogates._lime_draw(6, 3000, np.random.default_rng(0))
    assert kept[0].all()
    gone = np.bincount((~kept[1:]).sum(1), minlength=7)
    assert gone[0] == 0
    assert gone[1:] / 2999 == pytest.approx([1 / 6] * 6, abs=0.03)
    assert (~kept).mean(0) == pytest.approx([3.5 / 6] * 6, abs=0.03)


def test_kernel_shap_with_all_coalitions_is_the_shapley_value(played):
    worths = [random_worth(N, seed) for seed in range(3)]
    played(game_of(N, *worths))
    result = kernel_shap(shared_model("hubert"), wave(N), target=None)
    expected = np.stack([permutation_shapley(N, w) for w in worths])
    assert result.values == pytest.approx(expected, abs=1e-9)
    assert result.attrs["efficiency_residual"] < 1e-12


def test_kernel_shap_with_samples_comes_near_and_says_how_near(played):
    worths = [random_worth(8, seed) for seed in range(10)]
    game = played(game_of(8, *worths))
    exact = kernel_shap(shared_model("hubert"), wave(8), target=None)
    game.passes = 0
    result = kernel_shap(shared_model("hubert"), wave(8), target=None, samples=120, seed=1)
    assert result.attrs["efficiency_residual"] < 1e-12
    assert result.attrs["samples"] == 120
    off = np.abs(result - exact) / result.standard_error
    assert float((off < 2).mean()) > 0.3
    assert float((off < 5).mean()) > 0.95


@pytest.mark.parametrize("use", [{}, {"samples": 1000}])
def test_one_unit_is_worth_the_difference(played, use):
    played(game_of(1, lambda z: 3 * float(z[0])))
    result = kernel_shap(shared_model("hubert"), wave(1), target=None, **use)
    assert result.values[0, 0] == pytest.approx(3)


def test_the_ridge_of_lime_makes_few_units_small(played):
    played(game_of(1, lambda z: 3 * float(z[0])))
    free, shrunk = (
        float(lime(shared_model("hubert"), wave(1), target=None, samples=1000, ridge=r)[0, 0]) for r in (0, 1)
    )
    assert free == pytest.approx(3)
    assert 0 < shrunk < 1


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_results_depend_on_the_seed_alone(played, method):
    played(game_of(8, random_worth(8)))
    first, again, other = (
        method(shared_model("hubert"), wave(8), target=None, samples=40, seed=s) for s in (1, 1, 2)
    )
    assert (first.values == again.values).all()
    assert (first.values != other.values).any()


@pytest.mark.parametrize("method", [lime, kernel_shap])
def test_too_few_samples_are_refused(played, method):
    played(game_of(8, random_worth(8)))
    with pytest.raises(AttributionError, match="samples=10"):
        method(shared_model("hubert"), wave(8), target=None, samples=10)


def test_kernel_shap_of_many_units_needs_a_number_of_samples(played):
    played(game_of(12, random_worth(12)))
    with pytest.raises(AttributionError, match="12 units and no number of samples"):
        kernel_shap(shared_model("hubert"), wave(12), target=None)
