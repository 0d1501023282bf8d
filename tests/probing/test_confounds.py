"""What is partialled out cannot be read linearly any more, and nothing else is lost."""

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.errors import ProbeError
from speechinterp.probing.confounds import centred_on, design
from speechinterp.representations import Representations


@pytest.fixture(scope="module")
def study():
    """Labels that go along with duration; layer 0 holds the duration only, layer 1 the label beside it."""
    rng = np.random.default_rng(0)
    n = 800
    labels = rng.integers(0, 2, n)
    duration = 0.1 + 0.05 * labels + 0.02 * rng.normal(size=n)
    units = pd.DataFrame(
        {
            "utterance": [f"s{i // 100}/u{i // 10}" for i in range(n)],
            "speaker": [f"s{i // 100}" for i in range(n)],
            "label": np.array(["a", "aː"])[labels],
            "start": np.arange(n) * 0.5,
            "end": np.arange(n) * 0.5 + duration,
            "duration": duration,
            "before": rng.choice(["p", "t"], n),
        }
    )
    mixed = np.outer(duration, rng.normal(size=10)) * 30 + rng.normal(size=(n, 10))
    vectors = np.stack([mixed, mixed + 4 * np.outer(labels - 0.5, rng.normal(size=10))])
    return units, vectors.astype(np.float32)


@pytest.mark.parametrize("kind", ["ridge", "lda", "logistic"])
def test_a_label_that_duration_gives_away_is_no_longer_read(study, kind):
    reps = Representations.of(*study)
    score = {}
    for confounds in ((), ("duration",), ("duration", "before")):
        scores = si.probe(reps, probe=kind, confounds=confounds)
        none = scores[(scores.baseline == "none") & (scores.metric == "accuracy")]
        score[confounds] = none.set_index("layer").score
        assert scores.attrs["confounds"] == list(confounds)
    assert score[()][0] > 0.8
    assert score["duration",][0] == pytest.approx(0.5, abs=0.06)
    assert score["duration", "before"][0] == pytest.approx(0.5, abs=0.06)
    assert score["duration",][1] > 0.7, "what the label adds to duration is still there"


def test_partialling_learns_nothing_from_the_tested_units(study):
    """Confounds of the tested units point the other way: an estimate from all units would differ."""
    units, vectors = study
    fold = (pd.factorize(units.speaker)[0] >= 4).astype(int)
    turned = units.assign(duration=np.where(fold == 1, -units.duration, units.duration))
    left = si.probe(Representations.of(units, vectors), probe="ridge", folds=fold, confounds=["duration"])
    right = si.probe(Representations.of(turned, vectors), probe="ridge", folds=fold, confounds=["duration"])
    chosen = [
        pd.DataFrame(scores.attrs["regularisers"]).query("fold == 1").strength for scores in (left, right)
    ]
    assert chosen[0].tolist() == chosen[1].tolist()


def test_every_speakers_mean_is_subtracted(study):
    units, vectors = study
    centred = centred_on(vectors[0], units["speaker"])
    for speaker in units.speaker.unique():
        assert centred[units.speaker == speaker].mean(axis=0) == pytest.approx(0, abs=1e-5)
    women = units.assign(sex=np.where(pd.factorize(units.speaker)[0] % 2, "f", "m"))
    higher = vectors[0] + 10 * women.sex.eq("f").to_numpy()[:, None]
    reps = Representations.of(women, higher[None].astype(np.float32))
    read, removed = (
        si.probe(reps, target="sex", probe="ridge", confounds=names).set_index(["baseline", "metric"]).score
        for names in ((), ("speaker",))
    )
    assert read["none", "accuracy"] > 0.95
    assert removed["none", "accuracy"] < 0.6


def test_names_become_columns_and_numbers_stay(study):
    units, _ = study
    table = design(units, ["duration", "before", "speaker"])
    assert table.shape == (800, 3)
    assert np.array_equal(table[:, 0], units.duration)
    assert np.array_equal(table[:, 1], units.before == "p")


def test_bad_confounds_are_refused(study):
    units, vectors = study
    with pytest.raises(ProbeError, match="no confound 'tempo'"):
        si.probe(Representations.of(units, vectors), confounds=["tempo"])
    missing = units.assign(duration=units.duration.where(units.index > 2))
    with pytest.raises(ProbeError, match="'duration' is missing in 3 units"):
        si.probe(Representations.of(missing, vectors), confounds=["duration"])
