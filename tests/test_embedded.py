"""What is planted in the embedded corpus, counted; and that its recipe makes exactly what is shipped."""

from __future__ import annotations

import importlib
import sys
from collections import Counter, defaultdict
from itertools import combinations, pairwise, product
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import soundfile

from speechinterp import load_corpus
from speechinterp.corpora import Utterance
from speechinterp.embedded import data_folder

RECIPE = Path(__file__).parents[1] / "recipes/embedded"
MODULES = ["espeak", "grammar", "voices", "corpus"]
SPLITS = ["train", "dev", "test"]
SLOTS = ["action", "object", "place"]
KINDS = ["sentence", "homophone", "command", "contrast", "assimilation"]


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    return list(load_corpus("demo"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(data_folder() / "demo/utterances.csv", dtype=str).fillna("")


@pytest.fixture(scope="module")
def recipe():
    """The modules of the recipe, by name."""
    if not RECIPE.is_dir():
        pytest.skip("the tests stand alone here, without the recipe")
    sys.path.insert(0, str(RECIPE))
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(RECIPE))
    for name in MODULES:
        del sys.modules[name]


@pytest.fixture(scope="module")
def made(recipe: dict[str, ModuleType]):
    """The shipped split, spoken anew: rows of the table and what was made, by utterance."""
    version, needed = recipe["espeak"].installed_version(), recipe["espeak"].VERSION
    if version != needed:
        pytest.skip(
            f"libespeak-ng {needed} is not installed ({version or 'none'} is): nothing to compare with"
        )
    return {row["utterance"]: made for row, made in recipe["corpus"].utterances("test")}


def cases_of(recipe: dict[str, ModuleType], split: str) -> pd.DataFrame:
    """Return what a split says, without speaking it."""
    _, speakers, sentences = recipe["voices"].SPLITS[split]
    cases = recipe["grammar"].cases(split, speakers, sentences, recipe["corpus"].SEED)
    rows = [
        {
            "type": c.type,
            "transcript": c.transcript,
            "speaker": c.voice,
            "cue": c.cue,
            "pair": c.pair,
            **c.factors,
        }
        for c in cases
    ]
    return pd.DataFrame(rows).fillna("")


def assert_balanced(rows: pd.DataFrame, choice: str, others: list[str]) -> None:
    """Assert that every value of each other column comes equally often with every value of the choice."""
    values = set(rows[choice])
    for other in others:
        counts = Counter(zip(rows[other], rows[choice], strict=True))
        for value in set(rows[other]):
            assert len({counts[value, each] for each in values}) == 1, f"{other}={value} predicts {choice}"


# Files


def test_the_files_are_small_enough_and_16_khz_mono(utterances: list[Utterance]) -> None:
    assert sum(path.stat().st_size for path in (data_folder() / "demo").rglob("*.*")) <= 8_000_000
    assert 150 <= len(utterances) <= 250
    for utterance in utterances:
        info = soundfile.info(utterance.audio)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")


def test_ids_are_unique_and_splits_share_no_voice(table: pd.DataFrame, recipe: dict[str, ModuleType]) -> None:
    assert table.utterance.is_unique
    speakers = {split: recipe["voices"].speakers(split, recipe["corpus"].SEED) for split in SPLITS}
    for one, other in combinations(speakers.values(), 2):
        assert not set(one) & set(other)
        assert not {voice.variant for voice, _ in one.values()} & {
            voice.variant for voice, _ in other.values()
        }
    assert set(table.speaker) == set(speakers["test"])
    sexes = pd.read_csv(data_folder() / "demo/speakers.csv").sex
    assert Counter(sexes) == {"f": 4, "m": 4}


def test_no_free_sentence_is_in_two_splits(recipe: dict[str, ModuleType]) -> None:
    said = {split: cases_of(recipe, split).query("type == 'sentence'").transcript for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not set(said[one]) & set(said[other])
    words = {split: {word for text in texts for word in text.split()} for split, texts in said.items()}
    assert words["test"] <= words["train"]


# Tiers


def test_tiers_fit_the_transcript_and_each_other(utterances: list[Utterance]) -> None:
    for utterance in utterances:
        words, phones, cue = (utterance.tier(name) for name in ("words", "phones", "cue"))
        assert words.labels == utterance.transcript.split()
        edges = {each.start for each in phones} | {each.end for each in phones}
        for each in (*words, *cue):
            assert {each.start, each.end} <= edges
        assert all(one.end <= other.start for one, other in pairwise(phones))
        assert min(phone.duration for phone in phones) > 0.01
        assert utterance.duration > phones[-1].end


def test_every_phone_occurs_in_several_words_or_neighbourhoods(utterances: list[Utterance]) -> None:
    inventory = pd.read_csv(data_folder() / "demo/phones.csv")
    counts, neighbours = Counter(), defaultdict(set)
    for utterance in utterances:
        labels = ["", *utterance.tier("phones").labels, ""]
        for before, phone, after in zip(labels, labels[1:], labels[2:], strict=False):
            counts[phone] += bool(phone)
            neighbours[phone].add((before, after))
    assert inventory.label.is_unique
    assert set(+counts) == set(inventory.label)
    assert min(counts[label] for label in inventory.label) >= 7
    assert min(len(neighbours[label]) for label in inventory.label) >= 2


def test_the_cue_tier_marks_exactly_what_decides(utterances: list[Utterance]) -> None:
    for utterance in utterances:
        cue, meta = utterance.tier("cue"), utterance.meta
        if meta["type"] == "command":
            assert sorted(cue.labels) == sorted(meta[slot] for slot in SLOTS)
        elif meta["type"] == "sentence":
            assert not len(cue)
        elif meta["type"] == "contrast":
            assert len(cue) == 1
            assert cue[0] in utterance.tier("phones").segments
            target = next(word for word in utterance.tier("words") if word.label == meta["target"])
            assert target.start <= cue[0].start < cue[0].end <= target.end
        else:
            assert cue.labels == [meta["cue"]]
        if meta["type"] != "contrast":
            assert set(cue.segments) <= set(utterance.tier("words").segments)


# Plants


@pytest.mark.parametrize("split", SPLITS)
def test_nothing_but_the_cue_decides_a_homophone(recipe: dict[str, ModuleType], split: str) -> None:
    rows = cases_of(recipe, split).query("type == 'homophone'").copy()
    words = rows.transcript.str.split()
    rows["length"] = words.str.len()
    spellings = {word for pair in rows.homophones for word in pair.split("/")}
    rows["position"] = [next(i for i, word in enumerate(w) if word in spellings) for w in words]
    rows["carrier"] = [
        " ".join(x for x in w if x not in {*spellings, cue}) for w, cue in zip(words, rows.cue, strict=True)
    ]
    factors = ["homophones", "cue_place", "cue_distance", "speaker", "length", "position", "carrier", "pair"]
    assert_balanced(rows, "number", factors)
    crossed = rows.groupby(["homophones", "cue_place", "cue_distance", "number"]).size()
    assert len(crossed) == 8 * 2 * 2 * 2
    assert crossed.nunique() == 1
    number_of = rows.groupby("cue").number.agg(set)
    assert number_of.map(len).max() == 1
    assert (
        sum(each == {"singular"} for each in number_of) == sum(each == {"plural"} for each in number_of) == 4
    )
    for _, pair in rows.groupby("pair"):
        assert len(pair) == 2
        differ = [
            i
            for i, (a, b) in enumerate(zip(*(text.split() for text in pair.transcript), strict=True))
            if a != b
        ]
        assert len(differ) == 2


def test_homophones_sound_the_same_whatever_the_cue(utterances: list[Utterance]) -> None:
    for one, other in pairs(utterances, "homophone"):
        assert len(one.waveform(16000)) == len(other.waveform(16000))
        sounds = []
        for utterance in (one, other):
            word = next(w for w in utterance.tier("words") if w.label == utterance.meta["target"])
            sounds.append(
                [p for p in utterance.tier("phones") if word.start <= p.start and p.end <= word.end]
            )
        assert [p.label for p in sounds[0]] == [p.label for p in sounds[1]]
        assert [p.duration for p in sounds[0]] == pytest.approx([p.duration for p in sounds[1]], abs=0.02)


def test_the_place_and_distance_of_the_cue_are_as_the_table_says(utterances: list[Utterance]) -> None:
    for utterance in (u for u in utterances if u.meta["type"] == "homophone"):
        words = utterance.transcript.split()
        distance = words.index(utterance.meta["cue"]) - words.index(utterance.meta["target"])
        assert (distance < 0) == (utterance.meta["cue_place"] == "before")
        assert abs(distance) == {"near": 2, "far": 5}[utterance.meta["cue_distance"]]


@pytest.mark.parametrize("split", SPLITS)
def test_one_word_alone_decides_each_slot(recipe: dict[str, ModuleType], split: str) -> None:
    rows = cases_of(recipe, split).query("type == 'command'").copy()
    assert rows.groupby(SLOTS).size().tolist() == [rows.groupby(SLOTS).size().iloc[0]] * 64
    for slot in SLOTS:
        others = [each for each in SLOTS if each != slot]
        assert_balanced(rows, slot, [*others, "carrier", "speaker"])
        for other in others:
            rows["two"] = rows[other] + rows["carrier"]
            assert_balanced(rows, slot, ["two"])
    assert_balanced(rows, "carrier", ["speaker"])
    for (_, row), slot in product(rows.iterrows(), SLOTS):
        assert row.transcript.split().count(row[slot]) == 1
    if split == "train":
        assert rows.groupby([*SLOTS, "carrier"]).size().tolist() == [4] * 256


def test_contrasts_differ_in_one_phone_at_the_same_time(utterances: list[Utterance]) -> None:
    shifts, starts = [], []
    for one, other in pairs(utterances, "contrast"):
        phones = [u.tier("phones").segments for u in (one, other)]
        places = [i for i, (a, b) in enumerate(zip(*phones, strict=True)) if a.label != b.label]
        assert len(places) == 1
        assert [u.tier("cue")[0] for u in (one, other)] == [tier[places[0]] for tier in phones]
        assert len(one.waveform(16000)) == len(other.waveform(16000))
        assert one.speaker == other.speaker
        starts.append(abs(phones[0][places[0]].start - phones[1][places[0]].start))
        shifts.append(max(abs(a.end - b.end) for a, b in zip(*phones, strict=True)))
    assert len(shifts) == 16
    assert max(starts) < 1e-6
    assert max(shifts) <= 0.015
    assert np.median(shifts) <= 0.008


def test_assimilation_is_planted_with_and_without(utterances: list[Utterance]) -> None:
    rows = []
    for one, other in pairs(utterances, "assimilation"):
        assert one.transcript == other.transcript
        labels = [u.tier("phones").labels for u in (one, other)]
        differ = [(a, b) for a, b in zip(*labels, strict=True) if a != b]
        assert differ == [("n", one.meta["assimilates_to"])]
        assert [u.meta["form"] for u in (one, other)] == ["unassimilated", "assimilated"]
        rows += [{**u.meta, "speaker": u.speaker} for u in (one, other)]
    assert_balanced(pd.DataFrame(rows), "form", ["target", "cue", "assimilates_to", "speaker", "pair"])
    assert_balanced(pd.DataFrame(rows), "assimilates_to", ["target"])


def pairs(utterances: list[Utterance], kind: str) -> list[list[Utterance]]:
    """Return the utterances of a type that differ in the cue alone, as pairs in the order of the table."""
    found = defaultdict(list)
    for utterance in utterances:
        if utterance.meta["type"] == kind:
            found[utterance.meta["pair"]].append(utterance)
    assert {len(pair) for pair in found.values()} == {2}
    return list(found.values())


# The recipe


def test_boundaries_are_the_synthesisers_to_the_sample(utterances: list[Utterance], made, recipe) -> None:
    rate, silence = recipe["espeak"].RATE, recipe["corpus"].SILENCE
    for utterance in utterances:
        for name, tier in made[utterance.id].tiers.items():
            found = [(s.start * rate, s.end * rate, s.label) for s in utterance.tier(name)]
            assert [label for *_, label in found] == [each.label for each in tier]
            for (start, end, _), each in zip(found, tier, strict=True):
                assert abs(start - each.start) < 1e-6
                assert abs(end - each.end) < 1e-6
                assert each.start >= silence


def test_a_boundary_is_an_event_or_the_closure_before_it(recipe: dict[str, ModuleType]) -> None:
    espeak = recipe["espeak"]
    if espeak.installed_version() is None:
        pytest.skip("libespeak-ng is not installed: nothing to compare with")
    voice = espeak.Voice("m4", 50, 50, 150)
    (speech,) = espeak.speak_all([("a happy cat took the big dog to bed", voice)])
    moved = [phone for phone in speech.phones if phone.start != phone.event]
    assert {phone.label for phone in moved} <= espeak.CLOSED
    assert len(moved) >= 6
    for phone in moved:
        assert not speech.samples[phone.start : phone.event].any()
        assert speech.samples[phone.start - 1] != 0


def test_the_recipe_makes_what_is_shipped(made, recipe: dict[str, ModuleType], tmp_path: Path) -> None:
    folder = data_folder() / "demo"
    for id_, each in made.items():
        assert recipe["corpus"].textgrid(each) == (folder / f"{id_}.TextGrid").read_text(encoding="utf-8")
        recipe["corpus"].write(tmp_path / "a", each)
        shipped, again = (
            soundfile.read(path, dtype="int16")[0] for path in (folder / f"{id_}.flac", tmp_path / "a.flac")
        )
        assert len(shipped) == len(again)
        assert np.abs(shipped.astype(int) - again).max() <= 1
