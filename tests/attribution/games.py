"""Games whose values are known, and slow loops that compute them from the definitions."""

from __future__ import annotations

from itertools import permutations, product
from math import factorial

import numpy as np
import torch
from tiny import sound

from speechinterp.attribution.game import Game
from speechinterp.attribution.players import players_of
from speechinterp.audio import Sound
from speechinterp.corpora import Utterance
from speechinterp.segments import Segment, Tier

RATE = 16000


def units(n, seconds=0.03, start=0.02):
    """Cut n units that touch."""
    return [Segment(start + i * seconds, start + (i + 1) * seconds, f"u{i}") for i in range(n)]


def wave(n_units):
    return sound(round((0.06 + 0.03 * n_units) * RATE))


def utterance(x, **tiers):
    """Return an utterance of a waveform with tiers of segments."""
    return Utterance("a/b", Sound(x, RATE), tiers={name: Tier(name, s) for name, s in tiers.items()})


def without(players, *gone):
    """Return the sound in which some units are taken away."""
    kept = np.ones((1, len(players)), dtype=bool)
    kept[0, list(gone)] = False
    return players.sounds(kept)[0].numpy()


class Worth:
    """A target whose scores are functions of which units are there: it hears which are silent."""

    def __init__(self, n, functions):
        self.names = tuple(f"f{i}" for i in range(len(functions)))
        self.functions, self.heard = functions, []
        self.middles = [round((s.start + s.end) / 2 * RATE) for s in units(n)]

    def scores(self, sounds):
        rows = []
        for x in sounds:
            there = tuple(int(bool(x[m - 40 : m + 40].abs().max() > 0)) for m in self.middles)
            self.heard.append(there)
            rows.append([f(np.array(there, float)) for f in self.functions])
        return torch.tensor(rows, dtype=torch.float64)

    def moved(self, where, n_samples):
        return self


def random_worth(n, seed=0):
    """Give every coalition a number of its own."""
    table = np.random.default_rng(seed).normal(size=(2,) * n)
    return lambda there: float(table[tuple(there.astype(int))])


def game_of(n, *functions, batch=7):
    return Game(Worth(n, functions), players_of(wave(n), RATE, units(n)), batch)


def permutation_shapley(n, worth, groups=None):
    """Average what each player adds over all orders; with groups, those that keep every group together."""
    total, count = np.zeros(n), 0
    for order in permutations(range(n)):
        if groups is not None:
            named = [groups[i] for i in order]
            blocks = [g for k, g in enumerate(named) if k == 0 or named[k - 1] != g]
            if len(blocks) != len(set(blocks)):
                continue
        there, before, count = np.zeros(n), worth(np.zeros(n)), count + 1
        for i in order:
            there[i] = 1
            now = worth(there)
            total[i] += now - before
            before = now
    assert groups is not None or count == factorial(n)
    return total / count


def defined_banzhaf(n, worth):
    """Average what each player adds over all sets of the others."""
    result = np.zeros(n)
    for i in range(n):
        for rest in product([0, 1], repeat=n - 1):
            there = np.insert(np.array(rest, float), i, 0)
            without = worth(there)
            there[i] = 1
            result[i] += (worth(there) - without) / 2 ** (n - 1)
    return result
