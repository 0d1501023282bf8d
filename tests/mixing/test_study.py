"""Mixing of a corpus: maps are those of the measures, kept at once, gone on from, and never of two studies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from tiny import shared_model

from speechinterp.audio import Sound
from speechinterp.corpora import Corpus, Utterance
from speechinterp.errors import AnnotationError, AudioError, MixingError
from speechinterp.mixing.study import METHODS, OtherStudyError, joined, mix_corpus, read_map, tidy, write_map
from speechinterp.segments import Segment, Tier

WORDS = {"a": "one rose lay", "b": "one rose", "c": "a rose lay there"}


def utterance(id_, text, seed=0):
    """Return noise of 0.1 s a word."""
    labels = text.split()
    tier = Tier("words", [Segment(0.02 + i / 10, 0.1 + i / 10, label) for i, label in enumerate(labels)])
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(1600 * len(labels)) + 800)
    return Utterance(id_, Sound(noise.astype(np.float32), 16000), "s", text, {"words": tier})


@pytest.fixture
def corpus():
    return Corpus.of([utterance(id_, text, seed) for seed, (id_, text) in enumerate(WORDS.items())], "three")


@pytest.fixture
def model():
    return shared_model("wav2vec2-pre-ctc")


@pytest.mark.parametrize("method", ["attention", "rollout", "value-zeroing"])
def test_every_map_is_that_of_the_measure(model, corpus, tmp_path, method):
    seen = []
    mixed = mix_corpus(
        model, corpus, method, tmp_path, unit="words", progress=lambda done, n: seen.append((done, n))
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert list(mixed.paths) == ["a", "b", "c"]
    assert mixed.skipped == {}
    for each, found in zip(corpus, mixed, strict=True):
        expected = METHODS[method](model, each, unit="words")
        np.testing.assert_array_equal(found, expected)
        assert found.source_label.values.tolist() == expected.source_label.values.tolist()
        assert (found.attrs["corpus"], found.attrs["speaker"]) == ("three", "s")
        assert found.attrs["weights_sha256"] == model.weights_hash


def test_a_run_that_was_stopped_goes_on_where_it_was(model, corpus, tmp_path, monkeypatch):
    def stop(done, n):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mix_corpus(model, corpus, "attention", tmp_path, progress=stop)
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(kept) == {"a.nc", "b.nc"}
    run, measure = [], METHODS["attention"]
    monkeypatch.setitem(METHODS, "attention", lambda m, u, **more: run.append(u.id) or measure(m, u, **more))
    mix_corpus(model, corpus, "attention", tmp_path)
    assert run == ["c"]
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept


@pytest.mark.parametrize("other", ["method", "option", "weights"])
def test_maps_of_another_study_are_refused_even_where_bad_ones_are_skipped(model, corpus, tmp_path, other):
    mix_corpus(model, corpus, "attention", tmp_path)
    asked = {"method": "rollout" if other == "method" else "attention"}
    asked |= {"gaps": "merge"} if other == "option" else {}
    twin = model.random_twin(1) if other == "weights" else model
    with pytest.raises(OtherStudyError, match=r"a\.nc is a map of another study.*another folder"):
        mix_corpus(twin, corpus, asked.pop("method"), tmp_path, on_bad="skip", **asked)


def test_a_bad_utterance_is_refused_or_skipped_and_finished_maps_stay(model, corpus, tmp_path):
    def gone():
        raise PermissionError(13, "Permission denied")

    sources = {id_: lambda id_=id_: corpus[id_] for id_ in ("a", "b")}
    bare = Utterance("aa", corpus["a"].audio)
    whole = Corpus("bad", {"a": sources["a"], "aa": lambda: bare, "gone": gone, "b": sources["b"]})
    with pytest.raises(AnnotationError, match="no tier 'words'"):
        mix_corpus(model, whole, "attention", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]
    mixed = mix_corpus(model, whole, "attention", tmp_path, on_bad="skip")
    assert list(mixed.paths) == ["a", "b"]
    assert "no tier 'words'" in mixed.skipped["aa"]
    assert "utterance 'gone' cannot be read: Permission denied" in mixed.skipped["gone"]
    with pytest.raises(
        MixingError, match=r"no utterance of corpus 'none' could be used; the first: .*no tier"
    ):
        mix_corpus(model, Corpus("none", {"aa": lambda: bare}), "attention", tmp_path / "none", on_bad="skip")
    with pytest.raises(AudioError, match="'gone' cannot be read"):
        mix_corpus(model, Corpus("gone", {"gone": gone}), "attention", tmp_path / "gone")


def test_an_unknown_method_is_refused_before_anything_is_written(model, corpus, tmp_path):
    with pytest.raises(MixingError, match=r"method 'saliency'.*value-zeroing, attention"):
        mix_corpus(model, corpus, "saliency", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_map_comes_back_and_a_damaged_file_is_told(model, corpus, tmp_path):
    mix = METHODS["attention"](model, corpus["a"])
    path = tmp_path / "maps" / "a.nc"
    write_map(mix, path)
    np.testing.assert_array_equal(read_map(path), mix)
    assert [each.name for each in path.parent.iterdir()] == ["a.nc"], "no draft is left"
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:3], b"", b"no map at all, but a text"):
        path.write_bytes(content)
        with pytest.raises(MixingError, match=r"a\.nc cannot be read: \w+.*cut short.*makes it again"):
            read_map(path)


def test_joined_maps_hold_every_map_and_nothing_beyond_its_units(model, corpus, tmp_path):
    mixed = mix_corpus(model, corpus, "attention", tmp_path)
    found = joined(mixed)
    assert found.dims == ("utterance", "layer", "target", "source")
    assert found.shape[0] == 3
    assert found.shape[2:] == (4, 4)
    for id_, mix in zip(mixed.paths, mixed, strict=True):
        n = mix.sizes["target"]
        one = found.sel(utterance=id_)
        np.testing.assert_array_equal(one[:, :n, :n], mix)
        assert one[:, n:].isnull().all()
        assert one[:, :, n:].isnull().all()
        assert one.source_label.values.tolist() == [*mix.source_label.values.tolist(), *[""] * (4 - n)]
        np.testing.assert_allclose(one.source_start[:n], mix.source_start)
        assert one.source_start[n:].isnull().all()
    assert "utterance" not in found.attrs, "only what all maps have in common"
    assert found.attrs["method"] == "attention"
    only = joined(replace(mixed, paths={"b": mixed.paths["b"]}))
    xr.testing.assert_identical(only, read_map(mixed.paths["b"]))


def test_a_tidy_table_has_a_row_a_cell(model, corpus):
    mix = METHODS["attention"](model, corpus["c"], heads=True)
    table = tidy(mix)
    assert len(table) == mix.size
    assert table.columns[:5].tolist() == ["utterance", "method", "layer", "head", "target"]
    row = table[(table["layer"] == 1) & (table["head"] == 2) & (table.target == 0) & (table.source == 3)]
    assert row.share.item() == mix.sel(layer=1, head=2)[0, 3].item()
    assert (row.target_label.item(), row.source_label.item()) == ("a", "there")
    assert row.source_start.item() == pytest.approx(0.32)
    assert set(table.utterance) == {"c"}
