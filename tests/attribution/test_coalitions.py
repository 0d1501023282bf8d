"""Shapley, Banzhaf, Owen values and leaving one out: closed forms, slow loops, Captum, and real forward passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.games import (
    RATE,
    defined_banzhaf,
    game_of,
    permutation_shapley,
    random_worth,
    units,
    wave,
)
from tiny import shared_model

import speechinterp as si
from speechinterp.attribution import coalitions
from speechinterp.attribution.game import all_coalitions
from speechinterp.attribution.players import players_of
from speechinterp.attribution.values import banzhaf_values, shapley_values
from speechinterp.errors import AttributionError

N = 5
ALL = si.targets.label("all", scale="logit")


@pytest.fixture
def model():
    return shared_model("hubert-pre-class")


@pytest.fixture
def played(monkeypatch):
    """Let the public functions play a game that is given, whatever model and sound they get."""

    def use(game):
        monkeypatch.setattr(coalitions, "opened", lambda *args, **kwargs: game)
        return game

    return use


def test_shapley_values_equal_the_loop_over_all_orders():
    worths = [random_worth(N, seed) for seed in range(3)]
    game = game_of(N, *worths)
    values = shapley_values(game.values(all_coalitions(N)))
    assert values == pytest.approx(np.stack([permutation_shapley(N, w) for w in worths], 1), abs=1e-12)
    assert game.passes == 2**N


def test_banzhaf_values_equal_their_definition():
    worths = [random_worth(N, seed) for seed in range(3)]
    values = banzhaf_values(game_of(N, *worths).values(all_coalitions(N)))
    assert values == pytest.approx(np.stack([defined_banzhaf(N, w) for w in worths], 1), abs=1e-12)


def test_a_linear_game_gives_its_weights_and_a_quadratic_one_shares_products_evenly():
    random = np.random.default_rng(1)
    a, q = random.normal(size=N), np.triu(random.normal(size=(N, N)), 1)
    game = game_of(N, lambda z: float(a @ z), lambda z: float(a @ z + z @ q @ z))
    worth = game.values(all_coalitions(N))
    expected = np.stack([a, a + (q.sum(0) + q.sum(1)) / 2], 1)
    assert shapley_values(worth) == pytest.approx(expected, abs=1e-12)
    assert banzhaf_values(worth) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("member", [[0, 0, 1, 1, 2], [0, 1, 0, 2, 1], [0, 0, 0, 0, 1]])
def test_owen_values_equal_the_loop_over_orders_that_keep_groups_together(member):
    worth = random_worth(N, 3)
    game = game_of(N, worth)
    values = coalitions._owen_exact(game, np.array(member))
    assert values[:, 0] == pytest.approx(permutation_shapley(N, worth, member), abs=1e-12)
    sizes = np.bincount(member)
    assert game.passes == 2 ** len(sizes) + 2 ** (len(sizes) - 1) * sum(2**n - 2 for n in sizes)


@pytest.mark.parametrize("member", [range(N), [0] * N])
def test_owen_values_of_single_groups_or_one_group_are_shapley_values(member):
    game = game_of(N, random_worth(N, 4))
    expected = shapley_values(game.values(all_coalitions(N)))
    assert coalitions._owen_exact(game, np.array(list(member))) == pytest.approx(expected, abs=1e-12)


def test_owen_values_of_a_group_sum_to_the_shapley_value_of_the_group(played):
    played(game_of(N, random_worth(N, 5)))
    words = [si.Segment(0.02, 0.08, "a"), si.Segment(0.08, 0.17, "b")]
    result = coalitions.owen(shared_model("hubert"), wave(N), target=None, unit=units(N), groups=words)
    assert result.group.values.tolist() == [0, 0, 1, 1, 1]
    worth = random_worth(N, 5)
    large = permutation_shapley(2, lambda z: worth(np.array([z[0], z[0], z[1], z[1], z[1]])))
    assert result[0].groupby("group").sum().values == pytest.approx(large, abs=1e-12)
    assert result.attrs["efficiency_residual"] < 1e-12


def test_drawn_orders_are_efficient_and_come_within_their_standard_errors(played):
    played(game_of(N, *[random_worth(N, seed) for seed in range(20)]))
    exact = coalitions.owen(shared_model("hubert"), wave(N), target=None, groups=None)
    drawn = coalitions.owen(shared_model("hubert"), wave(N), target=None, groups=None, samples=200, seed=1)
    assert drawn.attrs["efficiency_residual"] < 1e-12
    off = np.abs(drawn - exact) / drawn.standard_error
    assert float((off < 2).mean()) > 0.5 and float((off < 4).mean()) > 0.98  # noqa: PT018


def test_leaving_one_out_by_its_definition(played):
    worth = random_worth(N, 6)
    game = played(game_of(N, worth))
    result = coalitions.leave_one_out(shared_model("hubert"), wave(N), target=None)
    expected = [worth(np.ones(N)) - worth(1 - np.eye(N)[i]) for i in range(N)]
    assert result.values[0] == pytest.approx(expected, abs=1e-12)
    assert game.passes == N + 1 == result.attrs["n_passes"]


def test_all_classes_come_from_one_pass_over_the_coalitions(model, monkeypatch):
    run = []
    logits = model.logits
    monkeypatch.setattr(
        model, "logits", lambda inputs, *a: run.append(len(inputs.values)) or logits(inputs, *a)
    )
    result = si.attribution.shapley(model, wave(4), target=ALL, unit=units(4))
    assert result.dims == ("target", "unit")
    assert result.shape == (5, 4)
    assert sum(run) == 2**4 == result.attrs["n_passes"]
    assert result.attrs["efficiency_residual"] < 1e-5
    assert result.label.values.tolist() == ["u0", "u1", "u2", "u3"]
    assert result.attrs["weights_sha256"] == model.weights_hash
    assert result.attrs["baseline"] == "silence"
    assert result.attrs["fade_s"] == 0.005


def test_shapley_values_of_a_model_equal_a_loop_of_single_passes(model):
    x, parts = wave(3), units(3)
    result = si.attribution.shapley(model, x, target=ALL, unit=parts)
    players = players_of(x, RATE, parts)

    @torch.no_grad()
    def worth(there):
        heard = x.copy()
        for z, change in zip(there, players.changes.numpy(), strict=True):
            heard = heard + (1 - z) * change
        return model.logits(model.prepare([heard.astype(np.float32)]))[0].double().numpy()[2]

    assert result.values[2] == pytest.approx(permutation_shapley(3, worth), abs=1e-5)


@pytest.mark.parametrize("name", ["shapley", "ablation", "kernel"])
def test_captum_gives_the_same(model, name):
    attr = pytest.importorskip("captum.attr")
    n = 4
    x, parts = wave(n), units(n)
    players = players_of(x, RATE, parts)

    def forward(there):
        sounds = players.sound + (1 - there) @ players.changes
        with torch.no_grad():
            return model.logits(model.prepare(list(sounds.float())))[:, 1]

    ones, zeros = torch.ones(1, n), torch.zeros(1, n)
    torch.manual_seed(0)
    if name == "shapley":
        theirs = attr.ShapleyValues(forward).attribute(ones, zeros)
        ours = si.attribution.shapley(model, x, target=ALL, unit=parts)
    elif name == "ablation":
        theirs = attr.FeatureAblation(forward).attribute(ones, zeros)
        ours = si.attribution.leave_one_out(model, x, target=ALL, unit=parts)
    else:  # captum weights the two trivial coalitions with a million, not without end
        theirs = attr.KernelShap(forward).attribute(ones, zeros, n_samples=600)
        ours = si.attribution.kernel_shap(model, x, target=ALL, unit=parts, samples=600, seed=1)
    scale = float(np.abs(ours.values[1]).max())
    tolerance = 1e-4 * scale if name != "kernel" else 0.1 * scale
    assert ours.values[1] == pytest.approx(theirs[0].numpy(), abs=tolerance)


def test_more_units_than_can_be_enumerated_are_refused(model):
    with pytest.raises(AttributionError, match=r"12 units .*4096 coalitions.*owen"):
        si.attribution.shapley(model, wave(12), target=ALL, unit=units(12))
    with pytest.raises(AttributionError, match=r"Owen values take 32768 coalitions.*samples=200"):
        si.attribution.owen(model, wave(15), target=ALL, unit=units(15), groups=None)
