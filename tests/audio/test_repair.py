"""Repair of sound that was copied as if it were text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechinterp.audio.repair import restored_line_ends


def speech_like(seed: int, n: int = 20000) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(n) / 16000
    voice = sum(np.sin(2 * np.pi * 130 * k * time + random.uniform(0, 6)) / k for k in range(1, 12))
    return (900 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)) + 20 * random.standard_normal(n)).astype(
        "<i2"
    )


def copied_as_text(samples: np.ndarray, places: list[int]) -> tuple[bytes, bytes]:
    """Plant a byte pair 13, 10 at the places, and return the bytes before and after a copy in text mode."""
    data = samples.tobytes().replace(b"\r", b"\x0e")
    for place in places:
        data = data[:place] + b"\r\n" + data[place + 2 :]
    data = data[:-2] + b"\x01\x00"
    return data, data.replace(b"\r\n", b"\n")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.lists(st.integers(4000, 30000), min_size=1, max_size=4, unique=True))
def test_what_was_taken_out_is_put_back_where_it_was(seed: int, places: list[int]) -> None:
    places = [p for i, p in enumerate(sorted(places)) if i == 0 or p - sorted(places)[i - 1] > 400]
    before, after = copied_as_text(speech_like(seed), places)
    restored = restored_line_ends(after, len(before) - len(after))
    assert restored is not None
    found, true = (np.frombuffer(data, "<i2").astype(int) for data in (restored, before))
    assert np.abs(np.diff(found)).sum() < 1.05 * np.abs(np.diff(true)).sum()
    assert np.mean(found != true) < 0.01  # where line feeds are close, a neighbour may be as smooth


@pytest.mark.parametrize("missing", [1, 2, 3, 8])
def test_a_missing_end_is_no_conversion_of_line_ends(missing: int) -> None:
    data = speech_like(0).tobytes().replace(b"\r\n", b"\r\x0b")
    assert restored_line_ends(data[:-missing], missing) is None


def test_a_pair_that_is_still_there_rules_a_conversion_out() -> None:
    _, after = copied_as_text(speech_like(1), [9000])
    assert restored_line_ends(after[:20000] + b"\r\n" + after[20002:], 1) is None


@pytest.mark.real
def test_real_speech_that_is_cut_off_is_never_taken_for_a_conversion(assets: Path) -> None:
    for path in sorted(assets.glob("corpora/timit-sample/dr1-mcpm0/*.wav")):
        data = path.read_bytes()[1024:]
        assert [restored_line_ends(data[:-missing], missing) for missing in (1, 2, 3, 4)] == [None] * 4
