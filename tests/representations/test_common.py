"""Restricting representations to the units that all have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from speechinterp.representations import Representations, common_units


def reps(rows: list[tuple[str, float, str]], offset: float = 0.0) -> Representations:
    """Representations whose only dimension is the position of the unit in `rows`, plus an offset."""
    units = pd.DataFrame(rows, columns=["utterance", "start", "label"])
    units["end"] = units["start"] + 0.1
    vectors = (np.arange(len(rows), dtype=np.float32) + offset).reshape(1, -1, 1).repeat(2, axis=0)
    return Representations.of(units, vectors)


def test_only_what_all_have_stays_and_vectors_follow_their_units() -> None:
    long = reps([("a", 0.0, "x"), ("a", 0.1, "y"), ("b", 0.0, "x"), ("b", 0.1, "z")])
    short = reps([("a", 0.1, "y"), ("b", 0.1, "z"), ("c", 0.0, "x")], offset=10)
    common = common_units({"long": long, "short": short})
    for name, expected in {"long": [1, 3], "short": [10, 11]}.items():
        assert common[name].units[["utterance", "label"]].to_numpy().tolist() == [["a", "y"], ["b", "z"]]
        assert common[name].layer(1).ravel().tolist() == expected


def test_nothing_is_copied_where_nothing_has_to_go() -> None:
    one, two = reps([("a", 0.0, "x")]), reps([("a", 0.0, "x")])
    assert common_units({"one": one, "two": two})["one"] is one


def test_times_that_differ_in_the_last_digits_are_the_same() -> None:
    one, two = reps([("a", 0.1 + 0.2, "x")]), reps([("a", 0.3, "x")])
    assert len(common_units({"one": one, "two": two})["one"]) == 1
