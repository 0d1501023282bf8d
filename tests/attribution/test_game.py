"""Game: every coalition is run once, and results say how much is accounted for."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from attribution.games import RATE, game_of, random_worth, units, wave

from speechinterp.attribution.game import Game, all_coalitions
from speechinterp.attribution.players import players_of
from speechinterp.errors import AttributionError


def test_a_coalition_is_run_once():
    game = game_of(3, random_worth(3))
    kept = all_coalitions(3)[[7, 0, 7, 3]]
    first = game.values(kept)
    assert (game.values(kept[::-1]) == first[::-1]).all()
    assert sorted(game.bound.heard) == sorted({(1, 1, 1), (0, 0, 0), (1, 1, 0)})
    assert game.passes == 3


def test_all_coalitions_are_all_sets_once_in_the_order_of_their_bits():
    kept = all_coalitions(4)
    assert {tuple(np.flatnonzero(row)) for row in kept} == {
        each for size in range(5) for each in combinations(range(4), size)
    }
    assert [sum(2**i for i in np.flatnonzero(row)) for row in kept] == list(range(16))


def test_no_more_sounds_than_a_batch_holds_are_heard_at_once(monkeypatch):
    game, sizes = game_of(3, random_worth(3), batch=3), []
    scores = game.bound.scores
    monkeypatch.setattr(game.bound, "scores", lambda sounds: sizes.append(len(sounds)) or scores(sounds))
    game.values(all_coalitions(3))
    assert sizes == [3, 3, 2]


def test_the_residual_is_what_relevances_do_not_account_for():
    game = game_of(3, lambda z: float(z.sum()), lambda z: float(10 * z.prod()))
    relevance = np.array([[1.0, 1.0], [1.0, 2.0], [1.25, 3.0]])
    found = game.efficient(relevance, "guess", fold=2)
    assert (found.value_full.values.tolist(), found.value_empty.values.tolist()) == ([3, 10], [0, 0])
    assert found.attrs["efficiency_residual"] == pytest.approx(4)
    assert found.attrs["efficiency_residual_relative"] == pytest.approx(0.4)
    assert (found.attrs["method"], found.attrs["fold"], found.attrs["n_passes"]) == ("guess", 2, 2)
    assert found.sel(target="f1").values.tolist() == [1, 2, 3]
    assert found.dims == ("target", "unit")


def test_scores_that_are_not_finite_are_refused_by_name():
    game = game_of(3, random_worth(3), lambda z: float("nan") if z[1] == 0 else 1.0)
    assert game.values(np.ones((1, 3), bool))[0, 1] == 1
    with pytest.raises(AttributionError, match=r"a score of f1 that is not finite.*symbols than frames"):
        game.values(all_coalitions(3))


class Cut:
    """A target that says how long a sound is, and where in it the middle of the second unit now is."""

    names = ("length", "place")

    def __init__(self, place=0.065):
        self.place = place

    def scores(self, sounds):
        return torch.tensor([[sounds.shape[1] / RATE, self.place]] * len(sounds))

    def moved(self, where, n_samples):
        return Cut(where(self.place))


def test_the_target_moves_with_what_is_left_after_deletion():
    players = players_of(wave(3), RATE, units(3), "delete")
    game = Game(Cut(), players, batch=4)
    kept = np.array([[True, True, True], [False, True, True], [False, True, False]])
    lengths, places = game.values(kept).T
    assert lengths == pytest.approx([0.15, 0.12, 0.09])
    assert places == pytest.approx([0.065, 0.035, 0.035])
