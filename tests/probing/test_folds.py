"""Folds keep groups whole, are balanced and repeatable, and refuse what would leak a speaker."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechinterp.errors import ProbeError
from speechinterp.probing.folds import assign_folds, codes, groups_of, held_out, rare_labels

group_lists = st.lists(st.integers(0, 12), min_size=2, max_size=120).map(codes)


def units(speakers, utterances=None):
    count = len(speakers)
    return pd.DataFrame(
        {
            "speaker": speakers,
            "utterance": utterances if utterances is not None else [f"u{i}" for i in range(count)],
        }
    )


@given(group_lists, st.integers(2, 6), st.integers(0, 5))
def test_a_group_is_in_one_fold_and_every_fold_has_a_group(groups, n_folds, seed):
    fold = assign_folds(groups, n_folds, seed)
    assert all(len(set(fold[groups == group])) == 1 for group in groups)
    assert set(fold) == set(range(min(n_folds, len(set(groups)))))


@given(group_lists, st.integers(2, 6), st.integers(0, 5))
def test_folds_differ_in_size_by_one_group_at_most(groups, n_folds, seed):
    sizes = np.bincount(assign_folds(groups, n_folds, seed))
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_folds_of_many_equal_groups_are_equal():
    assert set(np.bincount(assign_folds(np.repeat(np.arange(24), 10), 4, seed=3))) == {60}


def test_the_seed_decides():
    groups = np.repeat(np.arange(20), 5)
    first = assign_folds(groups, 4, seed=0)
    assert np.array_equal(first, assign_folds(groups, 4, seed=0))
    assert any(not np.array_equal(first, assign_folds(groups, 4, seed=seed)) for seed in range(1, 4))


def test_fewer_speakers_than_folds_leave_one_speaker_out():
    groups = np.array([0, 0, 1, 1, 1, 2])
    fold = assign_folds(groups, 4, seed=0)
    assert [len(set(groups[fold == number])) for number in range(3)] == [1, 1, 1]


def test_one_fold_is_refused():
    with pytest.raises(ProbeError, match="n_folds is 1"):
        assign_folds(np.array([0, 1]), 1, seed=0)


def test_speakers_are_the_groups_and_the_clusters():
    groups, clusters = groups_of(units(["b", "a", "b", "c"]), "speaker")
    assert groups.tolist() == clusters.tolist() == [1, 0, 1, 2]


def test_random_folds_split_units_and_resample_utterances():
    groups, clusters = groups_of(units(["a", "a", "b"], ["u2", "u2", "u1"]), "random")
    assert groups.tolist() == [0, 1, 2]
    assert clusters.tolist() == [1, 1, 0]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_speaker_is_refused_and_utterances_offered(missing):
    with pytest.raises(ProbeError, match=r"1 of 3 units have no speaker.*folds='utterance'"):
        groups_of(units(["a", missing, "b"]), "speaker")


def test_one_speaker_is_refused_and_utterances_offered():
    with pytest.raises(ProbeError, match=r"same speaker: 'a'.*folds='utterance'"):
        groups_of(units(["a", "a"]), "speaker")
    groups, _ = groups_of(units(["a", "a"]), "utterance")
    assert len(set(groups)) == 2


def test_an_unknown_column_is_refused_with_the_columns_there_are():
    with pytest.raises(ProbeError, match=r"'dialect'.*speaker, utterance"):
        groups_of(units(["a", "b"]), "dialect")


def test_given_folds_are_taken_and_resample_speakers():
    groups, clusters = groups_of(units(["a", "b", "a", "c"]), [7, 2, 7, 2])
    assert groups.tolist() == [1, 0, 1, 0]
    assert clusters.tolist() == [0, 1, 0, 2]


def test_given_folds_that_share_a_speaker_are_refused_unless_asked():
    torn = [0, 1, 1, 1]
    with pytest.raises(ProbeError, match=r"1 speakers are in more than one fold: a\..*shared_speakers=True"):
        groups_of(units(["a", "b", "a", "c"]), torn)
    groups, clusters = groups_of(units(["a", "b", "a", "c"]), torn, shared_speakers=True)
    assert groups.tolist() == torn
    assert clusters.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("wrong", [[0, 1], [0.5, 1.0, 2.0], [[0, 1, 2]]])
def test_malformed_folds_are_refused(wrong):
    with pytest.raises(ProbeError, match="one whole number a unit"):
        groups_of(units(["a", "b", "c"]), wrong)


def test_a_single_given_fold_is_refused():
    with pytest.raises(ProbeError, match="one fold"):
        groups_of(units(["a", "b"]), [3, 3])


def test_the_regulariser_is_chosen_on_whole_speakers_where_there_are_two():
    speakers, utterances = np.repeat([0, 1], 4), np.repeat(np.arange(4), 2)
    marked = held_out([speakers, utterances, np.arange(8)], 4, seed=0)
    assert marked.sum() == 4
    assert len(set(speakers[marked])) == 1
    alone = held_out([np.zeros(8, int), utterances, np.arange(8)], 4, seed=0)
    assert alone.sum() == 2
    assert len(set(utterances[alone])) == 1


def test_rare_labels_are_those_of_one_group():
    labels = np.array(["s", "s", "zh", "zh", "t", "t"])
    assert rare_labels(labels, np.array([0, 1, 2, 2, 0, 2])) == ["zh"]
