"""The probe finds what was planted, never trains on a test speaker, and always brings its controls."""

import json

import numpy as np
import pandas as pd
import pytest

import speechinterp as si
from speechinterp.errors import ProbeError
from speechinterp.probing import cross_validation
from speechinterp.probing.folds import assign_folds
from speechinterp.representations import Representations

COLUMNS = [
    *("model", "layer", "target", "probe", "metric", "score", "ci_low", "ci_high"),
    *("n_train", "n_test", "baseline"),
]
PROBES = ["logistic", "ridge", "lda"]


def corpus(n=480, speakers=8, classes=4, seed=0):
    """Make units of known labels, ten an utterance."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), n // speakers)
    labels = rng.integers(classes, size=n)
    units = pd.DataFrame(
        {
            "utterance": [f"s{s}/u{i // 10:03d}" for i, s in enumerate(speaker)],
            "speaker": [f"s{s}" for s in speaker],
            "tier": "phones",
            "label": np.array(["a", "i", "u", "ə", "e", "o"])[labels],
            "start": 0.1 * (np.arange(n) % 10),
            "end": 0.1 * (np.arange(n) % 10) + 0.1,
        }
    )
    return units, labels


def planted(units, labels, strengths=(0.0, 2.0), dimensions=12, seed=1, model="demo/x"):
    """Make one layer for each strength, in which classes are that far apart."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(labels.max() + 1, dimensions))
    noise = rng.normal(size=(len(strengths), len(units), dimensions))
    vectors = np.array(strengths)[:, None, None] * means[labels] + noise
    return Representations.of(units, vectors.astype(np.float32), {"model": model})


def accuracy(scores, baseline="none"):
    return scores[(scores.metric == "accuracy") & (scores.baseline == baseline)].set_index("layer").score


@pytest.fixture(scope="module")
def study():
    units, labels = corpus()
    return units, labels, planted(units, labels)


@pytest.mark.parametrize("kind", [*PROBES, "mlp"])
def test_a_planted_layer_beats_an_empty_one_which_is_at_chance(study, kind):
    units, _, reps = study
    scores = si.probe(reps, probe=kind)
    found = accuracy(scores)
    assert found[1] > 0.95
    assert found[0] == pytest.approx(0.25, abs=0.08)
    planted_row = scores[
        (scores.layer == 1) & (scores.baseline == "none") & (scores.metric == "accuracy")
    ].iloc[0]
    assert planted_row.ci_low <= planted_row.score <= planted_row.ci_high
    assert planted_row.ci_low > 0.9
    assert (planted_row.n_train, planted_row.n_test) == (360, len(units))


@pytest.mark.parametrize("kind", PROBES)
def test_shuffled_labels_are_at_chance_where_the_labels_are_easy(study, kind):
    shuffled = accuracy(si.probe(study[2], probe=kind), "shuffled-labels")
    assert shuffled.index.tolist() == [0, 1]
    assert shuffled.to_numpy() == pytest.approx(0.25, abs=0.1)


def test_the_table_has_the_columns_rows_and_record_promised(study):
    units, labels, reps = study
    twin = planted(units, labels, strengths=(0.0, 0.5))
    mfcc = planted(units, labels, strengths=(1.0,), dimensions=5)
    scores = si.probe(
        reps, probe="ridge", baselines={"random-init": twin, "mfcc": mfcc, "logmel": mfcc}, seed=3
    )
    assert scores.columns.tolist() == COLUMNS
    assert scores.layer.dtype == "Int64"
    assert set(scores.metric) == {"accuracy", "balanced_accuracy"}
    assert (scores.model == "demo/x").all()
    layers = scores[scores.metric == "accuracy"].groupby("baseline").layer.apply(list).to_dict()
    assert layers["none"] == layers["random-init"] == layers["shuffled-labels"] == [0, 1]
    assert all(layers[name] == [pd.NA] for name in ("mfcc", "logmel", "majority"))
    record = json.loads(json.dumps(scores.attrs))
    assert (record["folds"], record["n_folds"], record["seed"], record["n_speakers"]) == ("speaker", 4, 3, 8)
    assert record["excluded_labels"] == []
    chosen = pd.DataFrame(record["regularisers"])
    assert len(chosen) == 4 * (2 + 2 + 1 + 1)
    assert set(chosen.fold) == {0, 1, 2, 3}


def test_majority_guesses_the_most_frequent_training_label():
    units, labels = corpus()
    units.loc[units.label.isin(["i", "u"]), "label"] = "a"
    scores = si.probe(planted(units, labels), probe="ridge")
    majority = scores[scores.baseline == "majority"].set_index("metric").score
    assert majority["accuracy"] == pytest.approx((units.label == "a").mean())
    assert majority["balanced_accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize("folds", ["speaker", "utterance"])
def test_no_group_is_on_both_sides_of_any_fit(study, folds, monkeypatch):
    """Each unit carries its speaker or utterance in a feature, which the splits are watched through."""
    units, labels, _ = study
    group = pd.factorize(units[folds])[0]
    reps = Representations.of(units, np.stack([group, labels], axis=1)[None].astype(np.float32))
    splits = []

    def watched(old, new, solver):
        splits.append((set(old[:, 0]), set(new[:, 0])))
        return original(old, new, solver)

    original = cross_validation.fit_and_guess
    monkeypatch.setattr(cross_validation, "fit_and_guess", watched)
    si.probe(reps, folds=folds, probe="logistic")
    assert len(splits) == 2 * 4
    assert not any(train & test for train, test in splits)
    assert set.union(*(test for _, test in splits[1::2])) == set(group)


def test_random_folds_share_speakers_since_they_were_asked_for():
    """The voice alone tells the label: readable only if the voice is known from training."""
    units, _ = corpus(speakers=8)
    voices = pd.factorize(units.speaker)[0]
    units["label"] = np.where(voices % 2, "a", "b")
    reps = Representations.of(units, np.eye(8, dtype=np.float32)[voices][None])
    assert accuracy(si.probe(reps, folds="random", probe="ridge"))[0] == 1
    assert accuracy(si.probe(reps, folds="speaker", probe="ridge"))[0] < 0.7


def test_standardisation_sees_the_training_units_only(study, monkeypatch):
    """One speaker is moved far away: where it is tested, a leak would squeeze the training units together."""
    units, _, reps = study
    far = reps.layer(1).copy()
    far[units.speaker == "s0"] += 1e3
    moved = Representations.of(units, far[None])
    original, seen = cross_validation.fit_and_guess, []

    def watched(old, new, solver):
        return original(old, new, lambda z: seen.append((old, z)) or solver(z))

    monkeypatch.setattr(cross_validation, "fit_and_guess", watched)
    si.probe(moved, folds=np.repeat([0, 1], [60, 420]), probe="logistic")
    assert len(seen) == 4
    for train, z in seen:
        assert z == pytest.approx((train - train.mean(axis=0)) / train.std(axis=0), abs=1e-2)
        assert z.std(axis=0) == pytest.approx(1, abs=1e-3)


def test_a_constant_dimension_does_no_harm(study):
    units, _, reps = study
    constant = np.concatenate([reps.layer(1), np.full((len(units), 1), 0.1, np.float32)], axis=1)
    with_constant = si.probe(Representations.of(units, constant[None]), probe="ridge")
    without = si.probe(Representations.of(units, reps.layer(1)[None]), probe="ridge")
    assert accuracy(with_constant)[0] == pytest.approx(accuracy(without)[0], abs=0.005)


@pytest.mark.parametrize("folds", ["speaker", "random"])
def test_the_order_of_rows_does_not_matter(study, folds):
    units, labels, reps = study
    order = np.random.default_rng(0).permutation(len(units))
    vectors = np.stack([reps.layer(layer) for layer in reps.layers])
    other = Representations.of(units.iloc[order], vectors[:, order], reps.meta)
    baseline = {"mfcc": planted(units, labels, strengths=(0.5,))}
    pd.testing.assert_frame_equal(
        si.probe(reps, folds=folds, probe="lda", baselines=baseline),
        si.probe(other, folds=folds, probe="lda", baselines=baseline),
    )


def test_the_order_of_rows_does_not_matter_for_given_folds(study):
    units, _, reps = study
    fold = pd.factorize(units.speaker)[0] % 3
    order = np.random.default_rng(0).permutation(len(units))
    other = Representations.of(units.iloc[order], reps.layer(1)[order][None])
    first = si.probe(Representations.of(units, reps.layer(1)[None]), folds=fold, probe="ridge")
    pd.testing.assert_frame_equal(first, si.probe(other, folds=pd.Series(fold[order]), probe="ridge"))
    assert first.attrs["folds"] == "given"
    assert first.attrs["n_folds"] == 3


@pytest.mark.parametrize("kind", PROBES)
def test_the_same_seed_gives_the_same_table(study, kind):
    reps = study[2]
    first = si.probe(reps, probe=kind, seed=5)
    pd.testing.assert_frame_equal(first, si.probe(reps, probe=kind, seed=5))
    assert not first.equals(si.probe(reps, probe=kind, seed=6))


def test_labels_of_one_speaker_are_left_out_with_one_warning(study):
    units, _, reps = study
    units = units.copy()
    units.loc[units.index[:3], "label"] = "only-s0"
    units.loc[3, "label"] = "once"
    units.loc[4, "label"] = None
    reps = Representations.of(units, reps.layer(1)[None])
    with pytest.warns(
        UserWarning, match=r"Left out 5 of 480.*once, only-s0.*1 units without a label"
    ) as caught:
        scores = si.probe(reps, probe="ridge")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert scores.attrs["excluded_labels"] == ["once", "only-s0"]
    assert scores.attrs["excluded_units"] == 5
    assert set(scores.n_test) == {475}


@pytest.mark.parametrize("kind", PROBES)
def test_a_class_missing_from_training_counts_as_wrong(study, kind):
    """The label of two speakers who are in the same fold is never trained when it is tested; all else is easy."""
    units = study[0].assign(label=np.where(np.arange(480) % 2, "a", "b"))
    speakers = pd.factorize(units.speaker)[0]
    seed = next(seed for seed in range(50) if len(set(assign_folds(speakers, 2, seed)[speakers < 2])) == 1)
    units.loc[units.speaker.isin(["s0", "s1"]) & (np.arange(480) % 4 == 0), "label"] = "rare"
    noise = np.random.default_rng(0).normal(scale=0.05, size=(480, 3))
    vectors = np.eye(3)[pd.factorize(units.label, sort=True)[0]] + noise
    reps = Representations.of(units, vectors[None].astype(np.float32))
    score = si.probe(reps, probe=kind, n_folds=2, seed=seed).set_index(["baseline", "metric"]).score
    assert score["none", "accuracy"] == pytest.approx(1 - 30 / 480)
    assert score["none", "balanced_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", PROBES)
def test_two_speakers_are_left_out_in_turn(kind):
    units, labels = corpus(n=120, speakers=2)
    scores = si.probe(planted(units, labels), probe=kind)
    assert scores.attrs["n_folds"] == 2
    assert accuracy(scores)[1] > 0.9


def chosen(units, vectors, fold):
    record = si.probe(Representations.of(units, vectors), folds=fold, probe="ridge").attrs["regularisers"]
    return pd.DataFrame(record).query("baseline == 'none'").strength.tolist()


def test_the_regulariser_of_a_fold_does_not_depend_on_its_test_labels(study):
    units, labels, _ = study
    fold = pd.factorize(units.speaker)[0] % 4
    vectors = np.stack([planted(units, labels, (0.2,), 100, seed).layer(0) for seed in range(6)])
    other = units.copy()
    other.loc[fold == 0, "label"] = np.random.default_rng(0).permutation(units.label[fold == 0])
    before, after = chosen(units, vectors, fold), chosen(other, vectors, fold)
    assert before[0::4] == after[0::4]
    assert before != after, "the labels were training labels in the other folds"


def test_weak_evidence_is_regularised_more(study):
    units, labels, _ = study
    fold = pd.factorize(units.speaker)[0] % 4
    weak, strong = (planted(units, labels, (size,), 200).layer(0)[None] for size in (0.1, 1.0))
    assert min(chosen(units, weak, fold)) >= max(chosen(units, strong, fold))


def test_progress_counts_every_layer_and_fold(study):
    calls = []
    si.probe(study[2], probe="ridge", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(step, 8) for step in range(1, 9)]


def test_any_column_can_be_the_target(study):
    units, labels, reps = study
    named = Representations.of(
        units.assign(vowel=np.array(["front", "back"])[labels % 2]), reps.layer(1)[None]
    )
    scores = si.probe(named, target="vowel", probe="ridge")
    assert set(scores.target) == {"vowel"}
    assert accuracy(scores)[0] > 0.8
    with pytest.raises(ProbeError, match=r"no column 'stress'.*label"):
        si.probe(named, target="stress")


def test_a_target_with_nothing_to_tell_apart_is_refused(study):
    with pytest.raises(ProbeError, match="1 labels of tier"):
        si.probe(study[2], target="tier")
    with pytest.warns(UserWarning, match="Left out"), pytest.raises(ProbeError, match="0 labels of speaker"):
        si.probe(study[2], target="speaker")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused_with_their_layer(study, bad):
    units, _, reps = study
    vectors = np.stack([reps.layer(0), reps.layer(1)])
    vectors[1, [3, 5], 0] = bad
    broken = Representations.of(units, vectors)
    with pytest.raises(ProbeError, match="Layer 1 has 2 units"):
        si.probe(broken, probe="ridge")
    with pytest.raises(ProbeError, match="Layer 1 of the baseline random-init has 2 units"):
        si.probe(reps, probe="ridge", baselines={"random-init": broken})


def test_a_baseline_of_other_units_is_refused(study):
    units, labels, reps = study
    shorter = planted(units.iloc[1:], labels[1:], strengths=(1.0,))
    with pytest.raises(ProbeError, match="mfcc has 479 units and the representations have 480"):
        si.probe(reps, baselines={"mfcc": shorter})
    for column, value in {"label": "zzz", "end": 7.0}.items():
        changed = units.copy()
        changed.loc[changed.index[-1], column] = value
        with pytest.raises(ProbeError, match=r"other units in 1 utterances: s7/u047"):
            si.probe(reps, baselines={"mfcc": planted(changed, labels, strengths=(1.0,))})


def test_wrong_arguments_are_refused_with_the_right_ones(study):
    units, _, reps = study
    with pytest.raises(ProbeError, match="one of logistic, ridge, lda, mlp"):
        si.probe(reps, probe="svm")
    with pytest.raises(ProbeError, match="random-init, mfcc or logmel"):
        si.probe(reps, baselines={"majority": reps})
    with pytest.raises(ProbeError, match="mfcc has 2 layers"):
        si.probe(reps, baselines={"mfcc": reps})
    with pytest.raises(ProbeError, match="shuffles=0"):
        si.probe(reps, shuffles=0)
    with pytest.raises(ProbeError, match="confidence is 95"):
        si.probe(reps, confidence=95)
    with pytest.raises(ProbeError, match="no units"):
        si.probe(Representations.of(units.iloc[:0], np.zeros((1, 0, 3), np.float32)))
