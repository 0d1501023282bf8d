"""From sums over blocks come the same guesses as from all vectors in memory."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.probing.closed_form import InMemory, LinearDiscriminant, Ridge
from speechinterp.probing.cross_validation import cross_validate, standardised
from speechinterp.probing.plan import make_plan
from speechinterp.probing.streaming import Stream, classify, cross_validate_streamed, fold_moments
from speechinterp.representations import Representations


@pytest.fixture(scope="module")
def reps():
    """9 speakers' units of five labels, one of them rare, in a random order and in blocks of 70 rows."""
    rng = np.random.default_rng(0)
    n = 900
    labels = rng.choice(5, n, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    vectors = 0.8 * rng.normal(size=(2, 5, 20))[:, labels] + rng.normal(size=(2, n, 20)) + 4
    units = pd.DataFrame(
        {
            "utterance": [f"s{i % 9}/u{i // 9 % 20}" for i in range(n)],
            "speaker": [f"s{i % 9}" for i in range(n)],
            "label": np.array(list("aiueo"))[labels],
            "start": np.arange(n) / 10,
            "end": np.arange(n) / 10 + 0.1,
            "length": rng.normal(size=n),
        }
    )
    vectors = vectors.astype(np.float32)

    def blocks(layers):
        for start in range(0, n, 70):
            yield vectors[list(layers), start : start + 70]

    return Representations(units, vectors.__getitem__, (0, 1), {}, None, blocks)


@pytest.mark.parametrize("kind", [Ridge, LinearDiscriminant])
def test_guesses_are_those_of_the_vectors_in_memory(reps, kind):
    plan = make_plan(reps, "label", "speaker", n_folds=4, seed=0, baselines=None, n_shuffles=3)
    for _, stream in plan.streams():
        ours = cross_validate_streamed(stream, plan.study, kind, True, lambda: None)
        memory = standardised(plan.features(stream), partial(InMemory, kind=kind))
        theirs = cross_validate(memory, plan.study, True, lambda: None)
        assert ours.strengths == theirs.strengths
        assert np.mean(ours.true != theirs.true) < 0.003, "vectors in memory are standardised in float32"
        assert np.mean(ours.shuffled != theirs.shuffled) < 0.003
        assert ours.shuffled.shape == (3, 900)
        assert np.mean(ours.shuffled[0] != ours.shuffled[1]) > 0.1


def test_sums_of_a_fold_leave_out_its_speakers(reps):
    plan = make_plan(reps, "label", "speaker", n_folds=3, seed=0, baselines=None)
    voices = np.eye(9, dtype=np.float32)[pd.factorize(reps.units.speaker, sort=True)[0]]
    seen = Representations.of(reps.units, voices[None])
    parts = np.array([np.where(plan.study.fold == f, 0, 1) for f in range(3)], dtype=np.int8)
    parts[(parts == 1) & (plan.clusters % 3 == 0)] = 2
    for fold, (train, inner) in enumerate(
        fold_moments(Stream(seen, 0, plan.sources["none"][1]), plan.study, parts, True)
    ):
        inside = set(plan.clusters[plan.study.fold != fold])
        assert set(np.flatnonzero(train.mean("x") > 1e-9)) == inside
        assert set(np.flatnonzero(inner.mean("x") > 1e-9)) == {voice for voice in inside if voice % 3}
        assert train.mean("shuffled labels 0") == pytest.approx(train.mean("labels"))


def test_classifying_takes_each_unit_to_its_own_job(reps):
    plan = make_plan(reps, "label", "speaker", n_folds=2, seed=0, baselines=None)
    (_, stream), *_ = plan.streams()
    rng = np.random.default_rng(1)
    jobs = [
        (
            plan.study.fold == fold,
            [si.probing.Linear(rng.normal(size=(20, 5)), rng.normal(size=5)) for _ in range(3)],
        )
        for fold in range(2)
    ]
    features = plan.features(stream)
    for (mask, fitted), found in zip(jobs, classify(stream, jobs), strict=True):
        assert np.array_equal(found, [linear(features[mask]).argmax(axis=1) for linear in fitted])


def test_shuffles_are_averaged(reps):
    one, many = (si.probe(reps, probe="ridge", shuffles=number) for number in (1, 8))
    spread = many[many.baseline == "shuffled-labels"].set_index(["layer", "metric"]).score
    assert spread[0, "accuracy"] == pytest.approx(0.3, abs=0.05)
    assert not np.isclose(spread, one[one.baseline == "shuffled-labels"].score.to_numpy()).all()
    assert many.attrs["shuffles"] == 8
