"""Baselines: each is what it says, and others are refused."""

from __future__ import annotations

import numpy as np
import pytest
from attribution.games import RATE, units, utterance, wave, without

from speechinterp.attribution.baselines import corpus_mean, filling
from speechinterp.attribution.players import players_of
from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import AttributionError
from speechinterp.segments import Segment

N = 4
X = wave(N)


def test_each_baseline_is_what_it_says():
    x, random = wave(8), np.random.default_rng(0)
    here = x[1000:1480]
    assert (filling("reversed", x, 1000, 1480, random) == here[::-1]).all()
    assert (filling("neighbour", x, 1000, 1480, random) == x[520:1000]).all()
    assert (filling("neighbour", x, 100, 580, random) == x[580:1060]).all()
    noise = filling("noise", x, 1000, 1480, random)
    assert np.abs(np.fft.rfft(noise)) == pytest.approx(np.abs(np.fft.rfft(here)), abs=1e-4)
    assert (filling(x[::-1].copy(), x, 1000, 1480, random) == x[::-1][1000:1480]).all()
    long = filling("neighbour", x[:1000], 100, 900, random)
    assert (long[:100] == x[:100]).all()
    assert (long[100:200] == x[:100]).all()


def test_the_mean_of_a_corpus_is_noise_with_its_spectrum():
    corpus = Corpus.of([utterance(wave(30)), Utterance("c", Sound(wave(40), RATE))], "two")
    mean = corpus_mean(corpus)
    players = players_of(X, RATE, units(N), mean, seed=1)
    assert players.settings["baseline"] == "mean of two"
    start, stop = players.spans[1]
    level = np.square(without(players, 1)[start + 40 : stop - 40]).mean()
    assert level == pytest.approx(np.square(wave(40)).mean(), rel=0.5)
    with pytest.raises(AttributionError, match="mean spectrum at 16000 Hz for a model at 8000"):
        players_of(X, 8000, [Segment(0.1, 0.2, "a")], mean)


@pytest.mark.parametrize(
    ("baseline", "match"),
    [
        ("zeros", "baseline 'zeros'.*silence, noise, neighbour, reversed, delete"),
        ("corpus-mean", r"corpus_mean\(corpus\)"),
        (X[:-1], r"a baseline of shape \(2879,\) for a sound of 2880 samples"),
        (np.full(len(X), np.nan, np.float32), "NaN"),
    ],
)
def test_baselines_that_do_not_fit_are_refused(baseline, match):
    with pytest.raises(AttributionError, match=match):
        players_of(X, RATE, units(N), baseline)
