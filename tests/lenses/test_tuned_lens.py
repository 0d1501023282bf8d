"""Tuned lens: held-out speakers, never worse than no map, exact where a map is planted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_vocabulary import reading_model

import speechinterp as si
from speechinterp.errors import LensError
from speechinterp.lenses.translators import Translators, divergence, fit_translators
from speechinterp.lenses.tuned_lens import split

pytestmark = pytest.mark.filterwarnings("ignore::speechinterp.corpora.utterance.NarrowbandWarning")


@pytest.mark.parametrize(
    ("name", "stack"), [("data2vec-ctc", "encoder"), ("wav2vec2-pre-ctc", "encoder"), ("whisper", "decoder")]
)
def test_a_planted_map_is_found(name, stack):
    model = reading_model(name)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        (model.module.proj_out if name == "whisper" else model.module.lm_head).weight.mul_(3)
    top = torch.randn(900, 32, generator=random) * 2
    turn = torch.linalg.qr(torch.randn(32, 32, generator=random)).Q
    below = top @ turn * 3 + 1
    states = torch.stack([below, top])
    maps = fit_translators(model, states[:, :600], states[:, 600:700], stack)
    rest = states[:, 700:]
    with torch.no_grad():
        before = divergence(model, rest[0], rest[1], stack).mean()
        after = divergence(model, maps.translate(rest)[0], rest[1], stack).mean()
    assert before > 0.05
    assert after < 0.01 * before
    said = maps.record["layers"][0]
    assert said["kl_tuned"] <= said["kl_ridge"] <= said["kl_untuned"]
    assert torch.equal(maps.translate(rest)[1], rest[1]), "the top stays"


def test_training_goes_on_from_ridge_towards_the_distribution():
    """A cube cannot be undone by an affine map, and the one that is best for the distribution is not ridge's."""
    model = reading_model("data2vec-ctc")
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.module.lm_head.weight.mul_(40)
        model.module.lm_head.weight[:, 10:] = 0
    top = torch.randn(1200, 32, generator=random)
    below = top[:, torch.randperm(32, generator=random)] ** 3 / 3
    states = torch.stack([below, top])
    said = fit_translators(model, states[:, :900], states[:, 900:], "encoder").record["layers"][0]
    assert said["kl_tuned"] < 0.97 * said["kl_ridge"] < 0.5 * said["kl_untuned"]


def test_the_weights_of_the_model_stay_as_they_are(corpus):
    model = reading_model("data2vec-ctc")
    before = model.weights_hash
    si.lenses.tuned(model, corpus)
    assert model.weights_hash == before
    assert all(parameter.grad is None for parameter in model.module.parameters())


@pytest.mark.parametrize("name", ["data2vec-ctc", "whisper"])
def test_only_speakers_that_were_held_out_are_scored(name, corpus, tmp_path):
    model = reading_model(name)
    fitting, checking, testing = split(corpus, seed=0)
    groups = [{id_.split("/")[0] for id_ in part} for part in (fitting, checking, testing)]
    assert [len(group) for group in groups] == [2, 1, 1]
    assert len(set.union(*groups)) == 4
    table = si.lenses.tuned(model, corpus, out=tmp_path)
    assert set(table.utterance) == set(testing)
    assert set(table.lens) == {"tuned", "untuned"}
    top = table[table.layer == table.layer.max()]
    assert (top.kl == 0).all(), "the top is the model's own output"
    assert table.attrs["residual"] == 0
    maps = Translators.load(tmp_path / "tuned-none.safetensors", model)
    again = si.lenses.tuned(model, corpus, translators=maps)
    assert set(again.utterance) == set(corpus.ids)
    both = again[again.utterance.isin(testing)].reset_index(drop=True)
    np.testing.assert_allclose(both.kl, table.kl, rtol=1e-6, atol=1e-9)
    if name == "data2vec-ctc":
        untuned = si.lenses.ctc(model, corpus.subset(testing))
        found = table[table.lens == "untuned"].reset_index(drop=True)
        assert found.transcript.tolist() == untuned.transcript.tolist()


def test_maps_of_other_weights_are_refused(corpus, tmp_path):
    model = reading_model("data2vec-ctc")
    si.lenses.tuned(model, corpus, out=tmp_path)
    path = tmp_path / "tuned-none.safetensors"
    with pytest.raises(LensError, match="trained for other weights"):
        Translators.load(path, reading_model("data2vec-ctc", seed=4))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(LensError, match="holds no translators"):
        Translators.load(path, model)


def test_two_speakers_are_too_few_and_utterances_are_split_without_speakers(corpus):
    two = corpus.subset(corpus.ids[:2])
    with pytest.raises(LensError, match="2 speakers or utterances"):
        split(two, 0)
    bare = si.Corpus.of([si.Utterance(u.id, u.audio) for u in corpus])
    assert [len(part) for part in split(bare, 0)] == [4, 2, 2]
