"""Deletion curves by their definition: every sound is made and scored by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import speechinterp as si
from speechinterp.attribution import deletion_curves, faithfulness, leave_one_out
from speechinterp.errors import AttributionError


@pytest.fixture(scope="module")
def heard():
    return si.load_model("demo/commands", device="cpu"), si.load_corpus("demo?type=command")[
        "aunty/command-01"
    ]


def test_a_curve_is_the_output_as_units_go_and_its_area_that_of_faithfulness(heard):
    model, utterance = heard
    target = si.targets.label("place=garden")
    found = {"loo": leave_one_out(model, utterance, target=target)}
    found["opposite"] = -found["loo"]
    table = deletion_curves(model, utterance, found, target=target, n_random=20, fade=0)
    words, samples = list(utterance.tier("words")), utterance.waveform(model.sample_rate)
    for method, sign in (("loo", -1), ("opposite", 1)):
        order = np.argsort(sign * found["loo"].values[0], kind="stable")
        curve = table[table.method == method].sort_values("taken").value.to_numpy()
        for k in (0, 2, len(words)):
            quiet = samples.copy()
            for place in order[:k]:
                word = words[place]
                quiet[round(word.start * model.sample_rate) : round(word.end * model.sample_rate)] = 0
            score = target.bind(model, utterance).scores(torch.as_tensor(quiet)[None])
            assert curve[k] == pytest.approx(score.item(), abs=1e-4)
        area = faithfulness(model, utterance, found, target=target, n_random=20, fade=0)
        auc = area[(area.method == method) & (area.metric == "deletion_auc")].value.item()
        assert (curve[:-1] + curve[1:]).mean() / 2 == pytest.approx(auc)
    chance = table[table.method == "random"]
    assert (chance.low <= chance.value + 1e-9).all()
    assert (chance.value <= chance.high + 1e-9).all()
    ends = chance[chance.taken.isin([0, len(words)])]
    assert np.allclose(ends.low, ends.high)


def test_relevance_of_other_units_is_refused(heard):
    model, utterance = heard
    target = si.targets.label("place=garden")
    found = {"loo": leave_one_out(model, utterance, target=target)[:, 1:]}
    with pytest.raises(AttributionError, match="other units or targets"):
        deletion_curves(model, utterance, found, target=target)
