"""Edits of sound against loops over samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tiny import sound

from speechinterp.audio.edits import crossfade_gates, joined_spans, replaced, without
from speechinterp.errors import AudioError

SPANS = [(100, 180), (180, 400), (450, 600)]


def slow_gate(n, start, stop, before, after):
    """Rise from 0 to 1 over `before` samples around the start and fall over `after` around the stop."""

    def step(at, place, width):
        if width == 0:
            return float(at >= place)
        c = min(1, max(0, (at + 0.5 - place + width / 2) / width))
        return (1 - math.cos(math.pi * c)) / 2

    return [step(i, start, before) - step(i, stop, after) for i in range(n)]


def test_gates_equal_a_loop_over_samples():
    gates = crossfade_gates(SPANS, 700, 40)
    expected = [slow_gate(700, a, b, 40, 40) for a, b in SPANS]
    assert gates == pytest.approx(np.array(expected), abs=1e-12)


def test_gates_of_spans_that_touch_sum_to_one_where_they_meet():
    gates = crossfade_gates(SPANS, 700, 40)
    assert gates[:2].sum(0)[121:379] == pytest.approx(np.ones(258))
    assert crossfade_gates([(0, 300), (300, 700)], 700, 40).sum(0) == pytest.approx(np.ones(700))


def test_a_short_span_has_short_fades_and_none_beside_the_ends_of_the_sound():
    short = crossfade_gates([(0, 10), (10, 300), (690, 700)], 700, 40)
    assert short[0, 0] == 1
    assert (short[0, 15:] == 0).all()
    assert short[2, -1] == 1
    assert (short >= 0).all()
    assert (short[1, 295:306] > 0).any()


def test_replaced_passes_from_one_sound_to_the_other():
    x, y = sound(700), sound(700, 1)
    result = replaced(x, SPANS, y, 20)
    assert (result[:90] == x[:90]).all()
    assert result[110:390] == pytest.approx(y[110:390], abs=1e-7)
    assert replaced(x, SPANS, y, 0)[100:400] == pytest.approx(y[100:400], abs=1e-7)


def test_without_is_shorter_by_the_spans_and_fades_across_the_cut():
    x = sound(700)
    assert len(without(x, SPANS, 20)) == 700 - 300 - 150
    hard = without(x, SPANS, 0)
    assert (hard == np.r_[x[:100], x[400:450], x[600:]]).all()
    soft = without(x, [(100, 400)], 20)
    rise = (1 - np.cos(np.pi * (np.arange(20) + 0.5) / 20)) / 2
    expected = np.r_[x[:90], x[90:110] * (1 - rise) + x[390:410] * rise, x[410:]]
    assert soft == pytest.approx(expected, abs=1e-6)


def test_nothing_taken_away_changes_nothing():
    assert (without(sound(700), [], 20) == sound(700)).all()


def test_joined_spans():
    assert joined_spans(SPANS) == [(100, 400), (450, 600)]
    assert joined_spans([]) == []


@pytest.mark.parametrize("spans", [[(0, 701)], [(5, 5)], [(-1, 4)], [(0, 10), (9, 20)]])
def test_spans_that_cannot_be_are_refused(spans):
    with pytest.raises(AudioError, match="span from sample"):
        crossfade_gates(spans, 700, 20)
