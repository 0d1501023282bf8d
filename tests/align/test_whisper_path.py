"""Warping of a text onto a sound: the best path and the probabilities of starts, against all paths one by one."""

from __future__ import annotations

import numpy as np
import pytest
from align import reference_whisper as oracle

from speechinterp.align.whisper_path import Warping

CASES = [
    (1, 3, [True], 1),
    (2, 4, [True, False], 1),
    (3, 5, [True, False, True], 1),
    (3, 5, [True, True, False], 2),
    (2, 4, [True, True], 2),
    (3, 4, [True, False, False], 0),
]


def random_warping(n_letters: int, n_steps: int, first: list[bool], least: int, seed: int) -> Warping:
    random = np.random.default_rng(seed)
    letters = random.standard_normal((n_letters, n_steps))
    return Warping(letters, -0.3, random.standard_normal(n_steps), np.array(first), least)


def every_path(ways: Warping) -> list[tuple[float, list[int]]]:
    first = ways.first.tolist()
    return [
        (oracle.score(edges, ways.letters.tolist(), ways.pause, ways.onset.tolist(), first), edges)
        for edges in oracle.paths(*ways.letters.shape, first, ways.least)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n_letters", "n_steps", "first", "least"), CASES)
def test_the_best_path_is_the_best_of_all(n_letters, n_steps, first, least, seed):
    ways = random_warping(n_letters, n_steps, first, least, seed)
    path = ways.best()
    highest, edges = max(every_path(ways))
    assert path.score == pytest.approx(highest, abs=1e-10)
    spoken = [s for s, letter in enumerate(oracle.states(n_letters, first)) if letter >= 0]
    assert path.starts.tolist() == [edges[s] for s in spoken]
    assert path.ends.tolist() == [edges[s + 1] for s in spoken]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n_letters", "n_steps", "first", "least"), CASES)
def test_probabilities_of_starts_are_sums_over_all_paths(n_letters, n_steps, first, least, seed):
    ways = random_warping(n_letters, n_steps, first, least, seed)
    order = oracle.states(n_letters, first)
    expected = np.zeros((sum(first), n_steps + 1))
    total = 0.0
    for score, edges in every_path(ways):
        total += np.exp(score)
        words = [s for s, letter in enumerate(order) if letter >= 0 and first[letter]]
        for word, state in enumerate(words):
            expected[word, edges[state]] += np.exp(score)
    found = ways.start_probabilities()
    np.testing.assert_allclose(found, expected / total, atol=1e-10)
    np.testing.assert_allclose(found.sum(1), 1)


def test_letters_that_nobody_hears_take_no_time_and_words_always_do():
    heard = np.log([[0.9, 0.9, 0.05, 0.05, 0.05], [1e-3] * 5, [0.05, 0.05, 0.9, 0.9, 0.9], [1e-3] * 5])
    path = Warping(heard, np.log(0.02), np.zeros(5), np.array([True, False, True, False])).best()
    assert (path.ends - path.starts).tolist() == [2, 0, 3, 0]
    path = Warping(heard, np.log(0.02), np.zeros(5), np.array([True, False, True, True])).best()
    assert path.ends[3] - path.starts[3] == 1


def test_pauses_take_what_no_letter_attends_to():
    heard = np.full((2, 12), 1e-3)
    heard[0, 3:5] = heard[1, 8:10] = 0.5
    path = Warping(np.log(heard), np.log(0.02), np.zeros(12), np.array([True, True])).best()
    assert (path.starts.tolist(), path.ends.tolist()) == ([3, 8], [5, 10])


def test_a_word_starts_where_the_sound_changes():
    heard = np.full((2, 10), 0.3)
    onset = np.zeros(10)
    onset[6] = 1.0
    first = np.array([True, True])
    assert Warping(np.log(heard), -5.0, onset, first).best().starts[1] == 6


def test_long_texts_stay_finite():
    ways = random_warping(400, 3000, ([True] + 4 * [False]) * 80, 2, 0)
    path, starts = ways.best(), ways.start_probabilities()
    assert np.isfinite(path.score)
    assert (np.diff(path.starts) >= 0).all()
    np.testing.assert_allclose(starts.sum(1), 1, atol=1e-6)
