"""Trajectories beside the sound: means over units against loops, and what is wrong with a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.audio import track
from speechinterp.errors import ProbeError
from speechinterp.probing import add_tracks, describe_units, regress


@pytest.fixture(scope="module")
def corpus():
    whole = si.load_corpus("demo?type=sentence")
    return whole.subset(whole.ids[::8])


@pytest.fixture(scope="module")
def reps(corpus):
    return si.extract(si.load_model("demo/untrained", device="cpu"), corpus, "phones")


def write(folder, id_, **columns):
    path = folder / f"{id_}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)


@pytest.fixture
def tables(corpus, tmp_path):
    rng = np.random.default_rng(0)
    for utterance in corpus:
        times = np.arange(0, utterance.duration, 0.005)
        tip = rng.normal(size=len(times))
        tip[rng.random(len(times)) < 0.2] = np.nan
        write(tmp_path, utterance.id, time=times, tip=tip, body=rng.normal(size=len(times)))
    return tmp_path


def test_means_are_those_of_a_loop(reps, tables) -> None:
    described, channels = add_tracks(reps, tables)
    assert channels == ["tip", "body"]
    for unit in described.units.itertuples():
        table = pd.read_csv(tables / f"{unit.utterance}.csv")
        inside = table[(table.time >= unit.start) & (table.time < unit.end)]
        for channel in channels:
            np.testing.assert_allclose(getattr(unit, channel), inside[channel].mean(), atol=1e-10)
    assert reps.units.columns.tolist() == described.units.columns[:-2].tolist()


def test_it_is_read_as_what_the_package_measures_itself(reps, corpus, tmp_path) -> None:
    for utterance in corpus:
        times, level = track("energy", utterance.waveform(16000), 16000)
        write(tmp_path, utterance.id, time=times, level=level)
    own = describe_units(reps, corpus, ["energy"])
    theirs, channels = add_tracks(own, tmp_path)
    np.testing.assert_allclose(theirs.units.level, theirs.units.energy, rtol=1e-9)
    scores = regress(theirs, ["energy", *channels], seed=0)
    best = scores[scores.metric == "pearson_r"].groupby("target").score.max()
    np.testing.assert_allclose(best["level"], best["energy"], rtol=1e-6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"tip": [1.0, 2.0]}, "a column time"),
        ({"time": [0.0, 0.1]}, "at least one channel"),
        ({"time": [0.1, 0.0], "tip": [1.0, 2.0]}, "grows from row to row"),
        ({"time": [0.0, 0.1], "tip": ["a", "b"]}, "cannot be read"),
        ({"time": [900.0, 901.0], "tip": [1.0, 2.0]}, "no unit has a value"),
    ],
)
def test_a_wrong_table_is_named(reps, corpus, tmp_path, columns, message) -> None:
    for id_ in corpus.ids:
        write(tmp_path, id_, **columns)
    with pytest.raises(ProbeError, match=message):
        add_tracks(reps, tmp_path)


def test_tables_must_be_there_and_agree(reps, corpus, tables) -> None:
    first, last = corpus.ids[0], corpus.ids[-1]
    write(tables, last, time=[0.0, 0.1], jaw=[1.0, 2.0])
    with pytest.raises(ProbeError, match="those of the first table: tip, body"):
        add_tracks(reps, tables)
    (tables / f"{first}.csv").unlink()
    with pytest.raises(ProbeError, match=r"cannot be read.*name tables after"):
        add_tracks(reps, tables)
