"""Relevance of random weights and random labels: what changes at which stage, and what cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import LogisticRegression
from tiny import shared_model, sound

from speechinterp import targets
from speechinterp.attribution import label_randomisation, parameter_randomisation, saliency
from speechinterp.errors import AttributionError

WAVE = sound(4000)


def test_layers_become_random_from_the_top_and_the_model_stays():
    model = shared_model("wavlm-pre-class")
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    seen = []

    def explain(m):
        seen.append({name: value.clone() for name, value in m.module.state_dict().items()})
        return saliency(m, WAVE, targets.label(["LABEL_0", "LABEL_3"]))

    table = parameter_randomisation(model, explain, seed=4)
    assert table.stage.drop_duplicates().tolist() == ["encoder 2", "encoder 1", "encoder 0", "everything"]
    assert table.target.tolist() == ["LABEL_0", "LABEL_3"] * 4
    assert all(torch.equal(before[name], value) for name, value in model.module.state_dict().items())
    for stage, state in enumerate(seen[1:4]):
        other = {name for name in state if not torch.equal(state[name], before[name])}
        layers = {int(name.split("layers.")[1].split(".")[0]) for name in other}
        assert layers == set(range(2 - stage, 3))
    twin = model.random_twin(4).module.state_dict()
    assert all(torch.equal(twin[name], value) for name, value in seen[4].items())
    assert (table.cosine.abs() < 0.99).all()


def test_relevance_that_ignores_the_model_does_not_change():
    def explain(m):
        values = np.square(WAVE)[None]
        return xr.DataArray(values, {"target": ["a"]}, ("target", "time"))

    table = parameter_randomisation(shared_model("whisper"), explain)
    assert table.stage.tolist()[:2] == ["decoder 1", "decoder 0"]
    assert np.allclose(table[["spearman", "cosine", "same_top"]], 1)


def test_magnitudes_are_compared_without_signs():
    signs = iter([1, -1, -1, -1, -1])

    def explain(m):
        return xr.DataArray(next(signs) * np.arange(1.0, 5)[None], {"target": ["a"]}, ("target", "unit"))

    model = shared_model("hubert-pre-class")
    assert np.allclose(parameter_randomisation(model, explain, magnitude=True).cosine, 1)
    signs = iter([1, -1, -1, -1, -1])
    assert np.allclose(parameter_randomisation(model, explain).cosine, -1)


def test_a_target_that_changes_with_the_weights_is_refused():
    names = iter("abcdef")

    def explain(m):
        return xr.DataArray(np.ones((1, 4)), {"target": [next(names)]}, ("target", "unit"))

    with pytest.raises(AttributionError, match="chooses itself"):
        parameter_randomisation(shared_model("hubert-pre-class"), explain)


def test_permuted_labels_change_what_a_probe_explains():
    random = np.random.default_rng(0)
    states = random.normal(size=(200, 4))
    labels = np.where(states[:, 1] > 0, "yes", "no").tolist()

    def explain(estimator):
        return xr.DataArray(np.abs(estimator.coef_), {"target": ["yes"]}, ("target", "unit"))

    table = label_randomisation(explain, lambda y: LogisticRegression().fit(states, y), labels, n=20)
    assert len(table) == 20
    assert table.same_top.mean() < 0.6  # by chance one in four
    assert table.cosine.mean() < 0.9
    same = label_randomisation(lambda p: explain(LogisticRegression().fit(states, labels)), list, labels, n=2)
    assert np.allclose(same.cosine, 1)
