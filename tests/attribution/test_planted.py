"""The word that decides is planted in every slot of the embedded commands: exact methods must find it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import speechinterp as si
from speechinterp.embedded import embedded_models

pytestmark = pytest.mark.skipif(
    "demo/commands" not in embedded_models(), reason="demo/commands is not among the models of this checkout"
)

CORPUS = si.load_corpus("demo?type=command")
SHORT = [id_ for id_ in CORPUS.ids if CORPUS[id_].meta["carrier"] == "0"][::4]


@cache
def model():
    return si.load_model("demo/commands", device="cpu")


def top_is_cue(method, ids, **options):
    """Return for every slot of every utterance whether the unit with most relevance is the word that decides."""
    hits = []
    for id_ in ids:
        utterance = CORPUS[id_]
        names = [f"{slot}={utterance.meta[slot]}" for slot in ("action", "object", "place")]
        found = method(model(), utterance, target=si.targets.label(names), **options)
        tops = found.label.values[found.argmax("unit").values]
        hits += [top == name.partition("=")[2] for name, top in zip(names, tops, strict=True)]
    return np.array(hits)


def test_the_deciding_word_is_on_top_in_some_commands():
    for method in (si.attribution.shapley, si.attribution.leave_one_out):
        assert top_is_cue(method, SHORT).mean() >= 0.9


@pytest.mark.long
@pytest.mark.parametrize(
    ("method", "ids"), [(si.attribution.leave_one_out, CORPUS.ids), (si.attribution.shapley, CORPUS.ids[::8])]
)
def test_the_deciding_word_is_on_top_in_most_commands(method, ids):
    assert top_is_cue(method, ids).mean() >= 0.95


def test_the_random_twin_does_not_know_it():
    twin = model().random_twin(0)
    hits = []
    for id_ in SHORT:
        utterance = CORPUS[id_]
        names = [f"{slot}={utterance.meta[slot]}" for slot in ("action", "object", "place")]
        found = si.attribution.leave_one_out(twin, utterance, target=si.targets.label(names))
        tops = found.label.values[found.argmax("unit").values]
        hits += [top == name.partition("=")[2] for name, top in zip(names, tops, strict=True)]
    assert np.mean(hits) < 0.6


def test_phones_of_the_deciding_word_carry_its_value():
    utterance = CORPUS[SHORT[0]]
    name = f"place={utterance.meta['place']}"
    found = si.attribution.owen(
        model(), utterance, target=si.targets.label(name), unit="phones", groups="words", samples=12
    )
    by_word = found[0].groupby("group").sum()
    words = utterance.tier("words").labels
    assert words[int(by_word.values.argmax())] == utterance.meta["place"]
    assert found.attrs["efficiency_residual"] < 1e-9
