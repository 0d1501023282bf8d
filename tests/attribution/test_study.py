"""A corpus is explained utterance by utterance: kept, resumed, joined, judged beside chance."""

from __future__ import annotations

import numpy as np
import pytest
from tiny import shared_model, sound

import speechinterp as si
from speechinterp import Corpus, Segment, Tier, Utterance
from speechinterp.attribution.study import attribute_corpus, read_relevance, tidy
from speechinterp.audio import Sound
from speechinterp.errors import AttributionError, SpeechInterpError

MODEL = "hubert-pre-class"


def corpus(*n_words: int, silent: int | None = None) -> Corpus:
    made = []
    for i, n in enumerate(n_words):
        words = [Segment(0.05 + 0.1 * k, 0.15 + 0.1 * k, f"w{k}") for k in range(n)]
        samples = sound(3200 + 1600 * n, seed=i) * (i != silent)
        made.append(
            Utterance(
                f"s{i % 2}/u{i}", Sound(samples, 16000), f"s{i % 2}", tiers={"words": Tier("words", words)}
            )
        )
    return Corpus.of(made, "made")


def explain(sounds, out, method="leave-one-out", **options):
    return attribute_corpus(shared_model(MODEL), sounds, out, method, n_random=5, **options)


def test_relevance_is_kept_joined_and_judged(tmp_path):
    sounds = corpus(3, 2)
    found = explain(sounds, tmp_path)
    every = found.joined()
    assert every.dims == ("utterance", "target", "unit")
    assert every.label.values.tolist() == [["w0", "w1", "w2"], ["w0", "w1", ""]]
    assert np.isnan(every.values[1, 0, 2])
    assert every.speaker.values.tolist() == ["s0", "s1"]
    target = si.targets.label()
    for i, utterance in enumerate(sounds):
        own = si.attribution.leave_one_out(shared_model(MODEL), utterance, target=target)
        assert np.allclose(every.values[i, 0, : len(own[0])], own.values[0])
        assert every.target_name.values[i, 0] == own.target.values[0]
    table = found.faithfulness()
    assert set(table.method) == {"leave-one-out", "random"}
    assert set(table.utterance) == {"s0/u0", "s1/u1"}
    assert set(table.judge) == {"noise"}
    assert (table[table.method == "random"].better_than == 0.5).all()
    rows = tidy(next(found.of_units()))
    assert rows.label.tolist() == ["w0", "w1", "w2"]
    assert rows[
        ["utterance", "speaker", "method", "space", "baseline"]
    ].drop_duplicates().values.tolist() == [["s0/u0", "s0", "leave-one-out", "units", "silence"]]
    path = tmp_path / "joined.nc"
    every.to_netcdf(path, engine="scipy")
    assert read_relevance(path).label.values.tolist() == every.label.values.tolist()


def test_maps_keep_their_axes_and_their_units_are_sums(tmp_path):
    sounds = corpus(2)
    found = explain(sounds, tmp_path, "saliency", space="spectrogram")
    (relevance,) = found
    assert relevance.dims == ("target", "frequency", "time")
    (units,) = found.of_units()
    assert np.allclose(units.values, relevance.si.to_units(sounds[0].tiers["words"]).values)


def test_what_is_finished_is_not_made_again(tmp_path, monkeypatch):
    sounds = corpus(2, 3)
    first = explain(sounds, tmp_path).joined()
    monkeypatch.setattr("speechinterp.attribution.study.attribute", None)
    assert np.array_equal(explain(sounds, tmp_path).joined(), first, equal_nan=True)
    with pytest.raises(AttributionError, match="another study"):
        explain(sounds, tmp_path, baseline="noise")
    with pytest.raises(AttributionError, match="another study"):
        explain(sounds, tmp_path, "shapley", on_bad="skip")


def test_a_bad_utterance_stops_it_or_is_left_out(tmp_path):
    sounds = corpus(2, 2, 2, silent=1)
    with pytest.raises(SpeechInterpError, match="silent"):
        explain(sounds, tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*.nc")) == ["u0.nc", "u2.nc"]
    found = explain(sounds, tmp_path, on_bad="skip")
    assert list(found.paths) == ["s0/u0", "s0/u2"]
    assert "silent" in found.skipped["s1/u1"]
    with pytest.raises(AttributionError, match="no utterance"):
        explain(corpus(2, silent=0), tmp_path / "none", on_bad="skip")


def test_a_single_unit_has_no_order_to_be_judged(tmp_path):
    found = explain(corpus(1, 2), tmp_path)
    assert set(found.faithfulness().utterance) == {"s1/u1"}
    assert found.joined().shape == (2, 1, 2)


def test_targets_and_contrasts_have_names(tmp_path):
    sounds = corpus(2)
    names = list(shared_model(MODEL).family.config.id2label.values())
    one = explain(sounds, tmp_path / "a", target=f"label:{names[0]}").joined()
    other = explain(sounds, tmp_path / "b", target=f"label:{names[1]}").joined()
    both = explain(sounds, tmp_path / "c", target=f"label:{names[0]}", against=f"label:{names[1]}").joined()
    assert np.allclose(both, one.values - other.values)


def test_a_file_that_is_cut_short_is_named(tmp_path):
    explain(corpus(2), tmp_path)
    path = tmp_path / "s0/u0.nc"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AttributionError, match=r"u0\.nc cannot be read"):
        explain(corpus(2), tmp_path)
