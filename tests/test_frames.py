"""Time geometry against loops over every frame, real convolutions, and hand-worked examples."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speechinterp.errors import FrameError
from speechinterp.frames import RULES, FrameGrid, exact_seconds

WAV2VEC2 = [
    (kernel, stride, 0) for kernel, stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]
]
WHISPER = [(400, 160, 200), (3, 1, 1), (3, 2, 1)]
RATES = [8000, 16000, 22050, 44100, 48000]

grids = st.builds(
    FrameGrid,
    sample_rate=st.sampled_from(RATES),
    hop=st.integers(1, 500),
    receptive_field=st.integers(1, 1200),
    offset=st.integers(-700, 300),
    n_frames=st.integers(1, 60),
)
rules = st.sampled_from(RULES)
# Whole samples, half samples and whole milliseconds: where ties are.
times = st.one_of(
    st.integers(0, 40_000).map(lambda k: Fraction(k, 16000)),
    st.integers(0, 40_000).map(lambda k: Fraction(k, 44100)),
    st.integers(0, 3000).map(lambda k: Fraction(k, 1000)),
    st.fractions(0, 3, max_denominator=10**6),
)


def numbers_of(grid: FrameGrid) -> dict[str, int]:
    """Return the plain numbers of a grid, for the oracles."""
    return {name: getattr(grid, name) for name in ("hop", "receptive_field", "offset", "n_frames")}


@st.composite
def times_on(draw: st.DrawFn, grid: FrameGrid) -> Fraction:
    """Draw a time, often one at which a frame begins, ends or has its centre."""
    edge = st.builds(
        lambda frame, half: (
            Fraction(2 * grid.offset + 2 * frame * grid.hop + half * grid.receptive_field, 2)
            / grid.sample_rate
        ),
        st.integers(0, grid.n_frames or 0),
        st.sampled_from([0, 1, 2]),
    ).filter(lambda t: t >= 0)
    return draw(st.one_of(times, edge))


@given(data=st.data(), grid=grids, rule=rules)
def test_frames_in_agrees_with_the_definition(data, grid, rule):
    start, end = sorted([data.draw(times_on(grid)), data.draw(times_on(grid))])
    samples = [exact_seconds(float(t)) * grid.sample_rate for t in (start, end)]
    expected = reference.frames_in(*samples, rule, **numbers_of(grid))
    assert list(grid.frames_in(float(start), float(end), rule)) == expected
    assert list(grid.frames_in(start, end, rule)) == reference.frames_in(
        start * grid.sample_rate, end * grid.sample_rate, rule, **numbers_of(grid)
    )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("offset", [-1, 0])
@pytest.mark.parametrize("receptive_field", [1, 2, 4])
@pytest.mark.parametrize("hop", [1, 2, 3])
def test_frames_in_agrees_with_the_definition_at_every_tie(hop, receptive_field, offset, rule):
    grid = FrameGrid(1000, hop, receptive_field, offset, n_frames=3)
    for start, end in itertools.combinations_with_replacement([Fraction(k, 2) for k in range(15)], 2):
        expected = reference.frames_in(start, end, rule, **numbers_of(grid))
        assert list(grid.frames_in(float(start / 1000), float(end / 1000), rule)) == expected


@given(data=st.data(), grid=grids)
def test_nearest_frame_agrees_with_the_definition(data, grid):
    time = data.draw(times_on(grid))
    expected = reference.nearest_frame(time * grid.sample_rate, **numbers_of(grid))
    assert grid.nearest_frame(time) == expected
    assert grid.nearest_frame(float(exact_seconds(float(time)))) in range(grid.n_frames)


@given(grid=grids, cuts=st.lists(times, min_size=2, max_size=12))
def test_centre_parts_the_frames_of_a_tier_without_gaps(grid, cuts):
    cuts = [float(t) for t in sorted(cuts)]
    parts = [frame for a, b in itertools.pairwise(cuts) for frame in grid.frames_in(a, b)]
    assert parts == list(grid.frames_in(cuts[0], cuts[-1]))


@given(grid=grids, a=times, b=times)
def test_the_rules_are_nested(grid, a, b):
    start, end = sorted([float(a), float(b)])
    inside, majority, centre, overlap = (
        set(grid.frames_in(start, end, rule)) for rule in ("inside", "majority", "centre", "overlap")
    )
    assert inside <= majority <= overlap
    assert majority <= centre <= overlap


@given(grid=grids, a=times, b=times, rule=rules)
def test_n_frames_only_clips(grid, a, b, rule):
    start, end = sorted([float(a), float(b)])
    endless = FrameGrid(grid.sample_rate, grid.hop, grid.receptive_field, grid.offset)
    assert list(grid.frames_in(start, end, rule)) == [
        frame for frame in endless.frames_in(start, end, rule) if frame < grid.n_frames
    ]


# The example of docs/concepts/frames.md: a word at [.315, .530] s in a clip of 2 s, at 50 frames a second.
WORD = (0.315, 0.530)


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [("centre", 16, 25), ("overlap", 15, 26), ("inside", 16, 25), ("majority", 16, 25)],
)
def test_worked_example(rule, first, last):
    grid = FrameGrid.of_convolutions(16000, WAV2VEC2).with_frames(99)
    assert grid.frames_in(*WORD, rule) == range(first, last + 1)


def test_habits_of_the_field_in_the_worked_example():
    a, b = (Fraction(str(t)) for t in WORD)
    hop, n_frames, clip = Fraction(1, 50), 99, 2
    proportional = Fraction(n_frames, clip)
    habits = {
        "ceil of both, end included": range(math.ceil(a / hop), math.ceil(b / hop) + 1),
        "proportional, ceil of both, end left out": range(
            math.ceil(a * proportional), math.ceil(b * proportional)
        ),
        "slots of 20 ms, any overlap": range(math.floor(a / hop), math.ceil(b / hop)),
        "slots of 20 ms, centre, end included": range(
            math.ceil(a / hop - Fraction(1, 2)), math.floor(b / hop - Fraction(1, 2)) + 1
        ),
        "floor of both, end left out": range(math.floor(a / hop), math.floor(b / hop)),
        "ceil then floor, end left out": range(math.ceil(a / hop), math.floor(b / hop)),
    }
    assert {name: (r[0], r[-1], len(r)) for name, r in habits.items()} == {
        "ceil of both, end included": (16, 27, 12),
        "proportional, ceil of both, end left out": (16, 26, 11),
        "slots of 20 ms, any overlap": (15, 26, 12),
        "slots of 20 ms, centre, end included": (16, 26, 11),
        "floor of both, end left out": (15, 25, 11),
        "ceil then floor, end left out": (16, 25, 10),
    }


def test_wav2vec2_geometry():
    grid = FrameGrid.of_convolutions(16000, WAV2VEC2)
    assert grid == FrameGrid(sample_rate=16000, hop=320, receptive_field=400, offset=0)
    assert grid.with_frames(3).times == pytest.approx([0.0125, 0.0325, 0.0525], abs=0)
    assert grid.describe() == {"sample_rate": 16000, "hop": 320, "receptive_field": 400, "offset": 0}


@pytest.mark.parametrize("n_samples", [0, 399, 400, 719, 720, 721, 16000, 32000, 47920])
def test_wav2vec2_number_of_frames(n_samples):
    assert reference.number_of_frames(WAV2VEC2, n_samples) == max(0, (n_samples - 400) // 320 + 1)


def test_whisper_geometry():
    grid = FrameGrid.of_convolutions(16000, WHISPER)
    assert grid == FrameGrid(sample_rate=16000, hop=320, receptive_field=1040, offset=-520)
    assert grid.with_frames(1500).times.tolist() == [i * 20 / 1000 for i in range(1500)]


@pytest.mark.parametrize("layers", [WAV2VEC2, WHISPER], ids=["wav2vec2", "whisper"])
@pytest.mark.parametrize("frame", [0, 1, 5, 9])
def test_receptive_field_of_real_convolutions(layers, frame):
    n_samples = 4000
    start, stop = FrameGrid.of_convolutions(16000, layers).samples_of(frame)
    expected = list(range(max(start, 0), min(stop, n_samples)))
    assert reference.samples_that_reach(layers, n_samples, frame) == expected


@st.composite
def stacks(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Draw convolutions without holes: no stride is longer than its kernel."""
    layers = []
    for _ in range(draw(st.integers(1, 4))):
        kernel = draw(st.integers(1, 5))
        layers.append((kernel, draw(st.integers(1, kernel)), draw(st.integers(0, kernel // 2))))
    return layers


@settings(max_examples=60)
@given(data=st.data(), layers=stacks(), n_samples=st.integers(20, 400))
def test_receptive_field_of_random_convolutions(data, layers, n_samples):
    grid = FrameGrid.of_convolutions(16000, layers)
    n_frames = reference.number_of_frames(layers, n_samples)
    # Away from the ends, where all that a frame sees is sound: padding between layers cuts the field there.
    whole = [i for i in range(n_frames) if grid.samples_of(i)[0] >= 0 and grid.samples_of(i)[1] <= n_samples]
    assume(whole)
    frame = data.draw(st.sampled_from(whole))
    assert reference.samples_that_reach(layers, n_samples, frame) == list(range(*grid.samples_of(frame)))


@pytest.mark.parametrize("rate", RATES)
def test_times_at_whole_samples_are_exact(rate):
    for k in [*range(0, 3 * rate, 97), 3600 * rate + 1, 7200 * rate - 1]:
        assert exact_seconds(k / rate) * rate == k


@given(microseconds=st.integers(0, 7200 * 10**6))
def test_times_at_whole_microseconds_are_exact(microseconds):
    assert exact_seconds(microseconds / 10**6) == Fraction(microseconds, 10**6)


@pytest.mark.parametrize("rate", RATES)
def test_a_boundary_on_a_centre_gives_the_frame_to_the_later_segment(rate):
    grid = FrameGrid(sample_rate=rate, hop=rate // 50, receptive_field=400, n_frames=3000)
    for frame in range(1, 3000, 13):
        boundary = (200 + frame * grid.hop) / rate  # a float, with its rounding
        assert grid.frames_in(0, boundary) == range(frame)
        assert grid.frames_in(boundary, 60)[0] == frame
        assert grid.nearest_frame(boundary) == frame


def test_sums_of_floats_are_read_as_what_they_mean():
    grid = FrameGrid(sample_rate=1000, hop=100, receptive_field=200, n_frames=10)
    assert 0.1 + 0.2 > 0.3
    assert grid.frames_in(0.1 + 0.2, 0.9) == grid.frames_in(0.3, 0.9) == range(2, 8)


def test_numpy_numbers_and_integers_are_times():
    assert exact_seconds(np.float64(0.315)) == Fraction(63, 200)
    assert exact_seconds(np.float32(0.5)) == Fraction(1, 2)
    assert exact_seconds(np.int64(2)) == exact_seconds(2) == 2


def test_fractions_are_left_as_they_are():
    fine = Fraction(1, 12_345_678)
    assert exact_seconds(fine) == fine


@pytest.mark.parametrize("rule", RULES)
def test_a_point_in_time_has_no_frame(rule):
    grid = FrameGrid(sample_rate=16000, hop=320, receptive_field=400, n_frames=99)
    assert len(grid.frames_in(0.0125, 0.0125, rule)) == 0


def test_a_short_unit_between_two_centres_has_only_a_nearest_frame():
    grid = FrameGrid(sample_rate=16000, hop=320, receptive_field=400, n_frames=99)
    assert len(grid.frames_in(0.113, 0.131)) == 0
    assert grid.nearest_frame((0.113 + 0.131) / 2) == 5
    assert grid.nearest_frame(0.1225) == 6  # half way between the centres of 5 and 6


def test_frames_beyond_the_end_are_not_there():
    grid = FrameGrid(sample_rate=16000, hop=320, receptive_field=400, n_frames=99)
    assert len(grid.frames_in(2.5, 3.0)) == 0
    assert grid.nearest_frame(3.0) == 98
    assert grid.nearest_frame(0.0) == 0
    assert FrameGrid(16000, 320, 400).nearest_frame(3.0) == 149


def test_seconds_of_a_frame_that_sees_padding():
    whisper = FrameGrid.of_convolutions(16000, WHISPER)
    assert whisper.seconds_of(0) == (-0.0325, 0.0325)
    assert whisper.seconds_of(10) == (0.1675, 0.2325)


@pytest.mark.parametrize(
    ("act", "parts"),
    [
        (lambda g: g.frames_in(0, 1, "center"), ["'center'", "centre, overlap, inside, majority"]),
        (lambda g: g.frames_in(0.5, 0.2), ["0.5", "0.2", "exchange"]),
        (lambda g: g.frames_in(0, math.nan), ["nan", "finite", "annotation"]),
        (lambda g: g.frames_in(0, math.inf), ["inf", "finite"]),
        (lambda g: g.nearest_frame(-math.inf), ["-inf", "finite"]),
        (lambda g: g.with_frames(0).nearest_frame(1), ["no frame", "longer audio"]),
        (lambda g: FrameGrid(16000, 320, 400).times, ["number of frames", "with_frames"]),
        (lambda g: FrameGrid(16000, 0, 400), ["'hop': 0", "at least 1", "model.frames"]),
        (lambda g: FrameGrid(0, 320, 400), ["'sample_rate': 0"]),
        (lambda g: FrameGrid(16000, 320, 0), ["'receptive_field': 0"]),
        (lambda g: g.with_frames(-1), ["'n_frames': -1", "at least 0"]),
    ],
)
def test_errors_say_what_was_found_and_what_to_do(act, parts):
    with pytest.raises(FrameError) as raised:
        act(FrameGrid(sample_rate=16000, hop=320, receptive_field=400, n_frames=99))
    assert raised.value.found
    assert raised.value.fix
    for part in parts:
        assert part in str(raised.value)
