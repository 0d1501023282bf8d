"""Transfer: what two corpora share carries over, what is particular to one does not."""

import numpy as np
import pytest
from planted import planted, score_of

from speechinterp.errors import ProbeError
from speechinterp.probing import transfer
from speechinterp.representations import Representations, subset


@pytest.fixture(scope="module")
def corpora():
    """Layer 0 has the classes in the same place in both corpora, layer 1 in different places."""
    rng = np.random.default_rng(0)
    means = 3 * rng.normal(size=(4, 12))
    made = []
    for number, name in enumerate("ab"):
        reps = planted((0.0,), n=400, seed=number)
        labels = np.unique(reps.units.label, return_inverse=True)[1]
        moved = 3 * rng.normal(size=(4, 12))
        vectors = np.stack([means[labels], moved[labels]]) + rng.normal(size=(2, 400, 12))
        units = reps.units.assign(
            speaker=name + reps.units.speaker.astype(str), utterance=name + reps.units.utterance.astype(str)
        )
        made.append(Representations.of(units, vectors.astype(np.float32), {"model": name}))
    return made


@pytest.mark.parametrize("kind", ["logistic", "ridge", "lda"])
def test_shared_layers_transfer_and_others_do_not(corpora, kind):
    scores = transfer(*corpora, probe=kind)
    found = score_of(scores)
    assert found[0] > 0.95
    assert found[1] < 0.7
    assert score_of(scores, baseline="shuffled-labels")[0] < 0.45
    majority = scores[scores.baseline == "majority"]
    assert majority.layer.isna().all()
    assert set(scores.n_train) == set(scores.n_test) == {400}
    assert scores.attrs["tested_on"]["model"] == "b"
    row = scores.iloc[0]
    assert row.ci_low <= row.score <= row.ci_high


def test_every_layer_on_every_layer(corpora):
    scores = transfer(*corpora, probe="lda", across_layers=True)
    table = scores[(scores.metric == "accuracy") & (scores.baseline == "none")].pivot(
        index="layer", columns="test_layer", values="score"
    )
    assert table.shape == (2, 2)
    assert table.loc[0, 0] > 0.95 > 0.8 > table.loc[0, 1]


def test_groups_of_one_corpus(corpora):
    reps = corpora[0]
    women = reps.units.speaker.isin(["as0", "as1", "as2"]).to_numpy()
    scores = transfer(subset(reps, women), subset(reps, ~women), probe="lda")
    assert score_of(scores).min() > 0.9
    assert (scores.n_train.iloc[0], scores.n_test.iloc[0]) == (150, 250)


def test_unknown_labels_are_left_out_with_a_warning(corpora):
    units = corpora[1].units.copy()
    units.loc[:9, "label"] = "ʘ"
    other = Representations.of(units, np.stack([corpora[1].layer(0), corpora[1].layer(1)]))
    with pytest.warns(UserWarning, match="Left out 10 of 400 units to test.*ʘ"):
        scores = transfer(corpora[0], other, probe="ridge")
    assert set(scores.n_test) == {390}


def test_shared_speakers_and_other_models_are_refused(corpora):
    with pytest.raises(ProbeError, match="8 speakers are in training and test"):
        transfer(corpora[0], corpora[0])
    narrow = Representations.of(corpora[1].units, np.zeros((2, 400, 5), np.float32))
    with pytest.raises(ProbeError, match="has 12 dimensions and layer 0 of the other 5"):
        transfer(corpora[0], narrow, probe="lda")
    with pytest.raises(ProbeError, match="no column 'stress'"):
        transfer(*corpora, "stress")
    with pytest.raises(ProbeError, match="probe 'svm'"):
        transfer(*corpora, probe="svm")
