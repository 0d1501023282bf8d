"""Players: units, what takes their place, deletion and times, bands, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attribution.games import RATE, units, utterance, wave, without

import speechinterp as si
from speechinterp.attribution.players import players_of
from speechinterp.attribution.units import Patches, Windows, segments_of
from speechinterp.errors import AnnotationError, AttributionError
from speechinterp.segments import Segment

N = 4
X = wave(N)


def test_silence_takes_the_place_of_a_unit_and_leaves_the_rest():
    players = players_of(X, RATE, units(N))
    (start, stop), half = players.spans[1], 40
    heard = without(players, 1)
    assert np.abs(heard[start + half : stop - half]).max() < 1e-7
    assert (heard[: start - half] == X[: start - half]).all()
    assert (heard[stop + half :] == X[stop + half :]).all()
    assert (without(players) == X).all()


def test_units_that_touch_leave_nothing_behind_where_they_meet():
    players = players_of(X, RATE, units(N))
    heard = without(players, 0, 1, 2, 3)
    assert np.abs(heard[players.spans[0][0] + 40 : players.spans[-1][1] - 40]).max() < 1e-6


@pytest.mark.parametrize("baseline", ["silence", "noise", "neighbour", "reversed"])
def test_changes_of_units_add_up(baseline):
    players = players_of(X, RATE, units(N), baseline)
    both = without(players, 0, 2)
    assert both == pytest.approx(without(players, 0) + without(players, 2) - X, abs=1e-6)
    assert (both != X).any()


def test_deletion_moves_what_comes_later():
    players = players_of(X, RATE, units(N), "delete")
    kept = np.array([[True, False, True, False]])
    sound, where = players.sounds(kept)[0].numpy(), players.moved(kept[0])
    assert len(sound) == len(X) - 2 * 480
    assert where(0.03) == pytest.approx(0.03)
    assert where(0.065) == pytest.approx(0.05)
    assert where(0.09) == pytest.approx(0.06)
    assert where(0.16) == pytest.approx(0.10)
    at = round(where(0.095) * RATE)
    assert sound[at - 50 : at + 50] == pytest.approx(X[round(0.095 * RATE) - 50 : round(0.095 * RATE) + 50])


def test_bands_of_a_unit_sum_to_the_unit_and_hold_their_frequencies():
    whole = players_of(X, RATE, units(N))
    patches = players_of(X, RATE, Patches(units(N), bands=(1000.0, 3000.0)))
    assert len(patches) == 3 * N
    sums = patches.changes.reshape(N, 3, -1).sum(1)
    assert sums.numpy() == pytest.approx(whole.changes.numpy(), abs=1e-6)
    assert patches.low[:3] == (0, 1000, 3000)
    assert patches.high[:3] == (1000, 3000, 8000)
    power = torch.fft.rfft(patches.changes[4]).abs().square().numpy()
    hertz = np.fft.rfftfreq(len(X), 1 / RATE)
    assert power[(hertz > 900) & (hertz < 3100)].sum() > 0.95 * power.sum()


def test_windows_divide_the_sound_evenly():
    parts = segments_of(None, 16000, RATE, Windows(0.3))
    assert len(parts) == 3
    assert [s.start for s in parts] == pytest.approx([0, 1 / 3, 2 / 3])
    assert parts[-1].end == 1.0


def test_tiers_give_their_labelled_segments():
    u = utterance(X, words=[Segment(0, 0.05, "a"), Segment(0.05, 0.08, ""), Segment(0.08, 0.12, "b")])
    assert [s.label for s in players_of(u, RATE, "words").segments] == ["a", "b"]
    assert players_of(u, RATE, "words").settings["utterance"] == "a/b"


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("phones", AnnotationError, "no tier 'phones'; it has: words, none"),
        ("none", AttributionError, "utterance 'a/b' has no unit"),
        ([Segment(2, 3, "x")], AnnotationError, "1 of 1 units outside the sound.*'x' 2.000-3.000 s"),
        ([Segment(0.1, 0.1, "x")], AnnotationError, "without a sample.*points in time"),
        ([Segment(0, 0.1, "x"), Segment(0.05, 0.12, "y")], AnnotationError, "overlapping.*'y'"),
        (0.1, AttributionError, "units of type float"),
        (Windows(0), AttributionError, "windows of 0 s"),
        (Patches(Windows(0.1), bands=0), AttributionError, "bands=0"),
        (Patches(Windows(0.1), bands=(9000.0,)), AttributionError, "between 0 and 8000 Hz"),
    ],
)
def test_units_that_do_not_fit_are_refused(given, error, match):
    u = utterance(X, words=[Segment(0, 0.05, "a")], none=[])
    with pytest.raises(error, match=match):
        players_of(u, RATE, given)


def test_other_bad_input_is_refused():
    with pytest.raises(AttributionError, match="is silent"):
        players_of(np.zeros(4000, np.float32), RATE, units(N))
    with pytest.raises(AttributionError, match="unit 'words' of a waveform"):
        players_of(X, RATE, "words")
    with pytest.raises(AttributionError, match="crossfade of 5"):
        players_of(X, RATE, units(N), fade=5)
    with pytest.raises(AttributionError, match="whole sound has no neighbour"):
        players_of(X, RATE, Windows(9), "neighbour")
    with pytest.raises(AttributionError, match="nothing is left"):
        players_of(X, RATE, Windows(9), "delete").sounds(np.array([[False]]))
    with pytest.raises(AttributionError, match=r"patches .*deleted"):
        players_of(X, RATE, Patches(Windows(0.1)), "delete")


def test_the_public_names_are_there():
    assert all(hasattr(si.attribution, name) for name in si.attribution.__all__)
