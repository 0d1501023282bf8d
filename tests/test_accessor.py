"""What results do by themselves: units, TextGrids, figures."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import xarray as xr

from speechinterp import Segment, Tier, Utterance, attribution, read_annotation
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError

assert attribution  # registers result.si
WORDS = Tier("words", [Segment(0.1, 0.3, "one"), Segment(0.3, 0.5, "two"), Segment(0.5, 0.6, "")])


def over_time(frequencies: int = 0, rate: int = 100) -> xr.DataArray:
    random = np.random.default_rng(0)
    times = np.arange(rate) / rate
    shape = (2, *([frequencies] if frequencies else []), rate)
    dims = ("target", *(["frequency"] if frequencies else []), "time")
    coords = {"target": ["cat", "cat"], "time": times, "value_full": ("target", [1.0, 2.0])}
    coords |= {"frequency": np.linspace(0, 8000, frequencies)} if frequencies else {}
    attrs = {"duration_s": 1.0, "sample_rate": 16000, "method": "saliency"}
    return xr.DataArray(random.normal(size=shape), coords, dims, name="relevance", attrs=attrs)


@pytest.mark.parametrize("frequencies", [0, 5])
def test_units_take_the_times_within_them(frequencies):
    rel = over_time(frequencies)
    units = rel.si.to_units(WORDS)
    values = rel.sum("frequency").values if frequencies else rel.values
    assert units.label.values.tolist() == ["one", "two"]
    for t in range(2):
        for i, (a, b) in enumerate([(10, 30), (30, 50)]):
            assert float(units[t, i]) == pytest.approx(sum(values[t][a:b]))
    assert np.allclose(units.sum("unit") + units.outside, values.sum(1))
    assert np.allclose(rel.si.to_units(WORDS, pool="mean")[0, 0], values[0, 10:30].mean())
    assert units.value_full.values.tolist() == [1.0, 2.0]


def test_a_unit_between_two_times_has_no_relevance():
    short = Tier("words", [Segment(0.101, 0.102, "x"), Segment(0.3, 0.4, "y")])
    assert float(over_time().si.to_units(short)[0, 0]) == 0


def test_textgrids_hold_every_target_and_the_whole_sound(tmp_path):
    rel = over_time()
    rel.si.to_units(WORDS).si.to_textgrid(tmp_path / "units.TextGrid")
    tiers = read_annotation(tmp_path / "units.TextGrid")
    assert list(tiers) == ["cat", "cat (2)"]
    expected = rel.si.to_units(WORDS)
    assert next(s.label for s in tiers["cat"] if s.label) == f"one: {float(expected[0, 0]):+.3g}"
    rel.si.to_textgrid(tmp_path / "windows.TextGrid")
    every = [s for s in read_annotation(tmp_path / "windows.TextGrid")["cat"] if s.label]
    assert len(every) == 50
    assert every[-1].end == 1.0


def test_what_has_no_time_is_refused():
    rel = over_time()
    with pytest.raises(AttributionError, match="units within the sound"):
        rel.si.to_units(Tier("words", [Segment(7, 8, "late")]))
    with pytest.raises(AttributionError, match="the dimensions target and time"):
        rel[0].si.to_units(WORDS)
    with pytest.raises(AttributionError, match="relevance over units"):
        rel.si.to_tiers()
    with pytest.raises(AttributionError, match="pool"):
        rel.si.to_units(WORDS, pool="max")


def heard() -> Utterance:
    return Utterance("u", Sound(np.full(16000, 0.5, np.float32), 16000))


def test_the_sound_is_as_loud_as_its_relevance(tmp_path):
    coords = {
        "label": ("unit", ["a", "b", "c"]),
        "start": ("unit", [0.1, 0.3, 0.5]),
        "end": ("unit", [0.3, 0.5, 0.6]),
    }
    units = xr.DataArray(
        [[2.0, 1.0, -4.0]], {"target": ["x"], "unit": [0, 1, 2], **coords}, ("target", "unit")
    )
    samples = units.si.gated(heard(), floor_db=-40).samples
    assert samples[3200] == pytest.approx(0.5)
    assert samples[6400] == pytest.approx(0.5 * (0.01 + 0.99 * 0.5))
    assert samples[[100, 8800, 15000]] == pytest.approx(0.005)
    assert np.abs(np.diff(samples)).max() < 0.01  # no clicks
    units.si.to_sound(tmp_path / "deep" / "gated.wav", heard(), floor_db=-40)
    written, rate = soundfile.read(tmp_path / "deep" / "gated.wav", dtype="float32")
    assert rate == 16000
    assert np.allclose(written, samples, atol=1e-4)
    with pytest.raises(AttributionError, match="below 1"):
        units.si.gated(heard(), target=1)


def test_relevance_over_time_gates_the_sound():
    rel = over_time()
    rel.values[:] = 0
    assert np.allclose(rel.si.gated(heard()).samples, 0.5 * 10 ** (-30 / 20))
    rel.values[0, 40:60] = 1
    samples = rel.si.gated(heard()).samples
    assert samples[8000] == pytest.approx(0.5)
    assert samples[1000] == pytest.approx(0.5 * 10 ** (-30 / 20))


def test_units_as_a_table_are_named_by_their_labels():
    units = xr.DataArray(
        [[1.0, 2.0], [3.0, 4.0]],
        {"unit": [0, 1], "label": ("unit", ["the", "the"]), "target": ["a", "b"]},
        ("unit", "target"),
    )
    table = units.si.to_table()
    assert table.columns.tolist() == ["the", "the"]
    assert table.loc["a"].tolist() == [1, 3]
    with pytest.raises(AttributionError, match=r"to_units\(.*to_table"):
        xr.DataArray([[1.0]], {"target": ["a"], "time": [0.0]}, ("target", "time")).si.to_table()
