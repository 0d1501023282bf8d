"""The reader of EMU databases."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from speechinterp.audio import head_of
from speechinterp.corpora import load_corpus
from speechinterp.errors import AnnotationError, AudioError, CorpusError
from speechinterp.segments import Segment


def item(id_: int, times: dict[str, int] | None = None, **labels: str) -> dict[str, Any]:
    return {
        "id": id_,
        **(times or {}),
        "labels": [{"name": name, "value": value} for name, value in labels.items()],
    }


def samples(start: int, stop: int) -> dict[str, int]:
    return {"sampleStart": start, "sampleDur": stop - start - 1}


ANNOTATION = {
    "name": "b1",
    "annotates": "b1.wav",
    "sampleRate": 16000,
    "levels": [
        {
            "name": "Word",
            "type": "ITEM",
            "items": [
                item(1, Word="C", Text="no", Note=""),
                item(2, Word="F", Text="way", Note=""),
                item(3, Word="x"),
            ],
        },
        {"name": "Syllable", "type": "ITEM", "items": [item(11, Syllable="S"), item(12, Syllable="W")]},
        {
            "name": "Phonetic",
            "type": "SEGMENT",
            "items": [
                item(21, samples(1600, 3200), Phonetic="n", IPA="n"),
                item(22, samples(3200, 8000), Phonetic="@u", IPA="əʊ"),
                item(23, samples(8000, 12000), Phonetic="w", IPA="w"),
            ],
        },
        {"name": "Tone", "type": "EVENT", "items": [item(31, {"samplePoint": 4000}, Tone="H*")]},
        {"name": "Accent", "type": "ITEM", "items": [item(41, Accent="a")]},
    ],
    "links": [
        {"fromID": a, "toID": b}
        for a, b in [(1, 11), (2, 12), (11, 21), (11, 22), (12, 23), (11, 31), (41, 31), (22, 22)]
    ],
}


@pytest.fixture
def database(record, tmp_path: Path) -> Path:
    """A database of one bundle, to be found at tmp_path/t_emuDB."""
    root = tmp_path / "t_emuDB"
    record("t_emuDB/s1_ses/b1_bndl/b1.wav")
    (root / "t_DBconfig.json").write_text(json.dumps({"name": "t", "mediafileExtension": "wav"}))
    write(root, ANNOTATION)
    return root


def write(root: Path, annotation: object) -> None:
    (root / "s1_ses/b1_bndl/b1_annot.json").write_text(json.dumps(annotation), encoding="utf-8")


def test_items_take_their_times_from_what_they_dominate(database: Path) -> None:
    corpus = load_corpus(f"emu:{database}")
    utterance = corpus["s1_ses/b1_bndl/b1"]
    assert corpus.name == "t"
    assert list(utterance.tier("Word")) == [Segment(0.1, 0.5, "C"), Segment(0.5, 0.75, "F")]
    assert list(utterance.tier("Syllable")) == [Segment(0.1, 0.5, "S"), Segment(0.5, 0.75, "W")]
    assert list(utterance.tier("Phonetic"))[:2] == [Segment(0.1, 0.2, "n"), Segment(0.2, 0.5, "@u")]
    assert list(utterance.tier("Tone")) == [Segment(0.25, 0.25, "H*")]
    assert list(utterance.tier("Accent")) == [Segment(0.25, 0.25, "a")]


def test_further_labels_and_standard_names(database: Path) -> None:
    utterance = load_corpus(f"emu:{database}")[0]
    assert utterance.tier("IPA").labels == ["n", "əʊ", "w"]
    assert utterance.tier("Text").labels == utterance.tier("words").labels == ["no", "way"]
    assert utterance.tier("phones").labels == ["n", "@u", "w"]
    assert "Note" not in utterance.tiers
    assert (utterance.transcript, utterance.meta) == ("no way", {"session": "s1"})


def test_durations_that_count_every_sample_make_no_overlap(database: Path) -> None:
    whole = [("a", 0, 800), ("b", 800, 1600)]
    items = [item(n, {"sampleStart": s, "sampleDur": e - s}, Phonetic=x) for n, (x, s, e) in enumerate(whole)]
    write(database, {**ANNOTATION, "levels": [{"name": "Phonetic", "items": items}], "links": []})
    phones = list(load_corpus(f"emu:{database}")[0].tier("phones"))
    assert phones == [Segment(0.0, 0.05, "a"), Segment(0.05, 1601 / 16000, "b")]


def test_levels_as_webmaus_writes_them(database: Path) -> None:
    levels = [
        {"name": "ORT", "type": "ITEM", "items": [item(1, ORT="ja", KAN="ja:")]},
        {"name": "MAU", "type": "SEGMENT", "items": [item(2, samples(0, 8000), MAU="j")]},
    ]
    write(database, {**ANNOTATION, "levels": levels, "links": [{"fromID": 1, "toID": 2}]})
    utterance = load_corpus(f"emu:{database}")[0]
    assert {name: utterance.tier(name).labels for name in utterance.tiers} == {
        "ORT": ["ja"],
        "MAU": ["j"],
        "KAN": ["ja:"],
        "words": ["ja"],
        "phones": ["j"],
    }


def test_without_levels_of_words_or_phones_there_are_no_standard_names(database: Path) -> None:
    levels = [{"name": "Gesture", "type": "SEGMENT", "items": [item(1, samples(0, 800), Gesture="tap")]}]
    write(database, {**ANNOTATION, "levels": levels, "links": []})
    utterance = load_corpus(f"emu:{database}")[0]
    assert list(utterance.tiers) == ["Gesture"]
    assert utterance.transcript is None


@pytest.mark.parametrize(("rule", "speaker"), [("none", None), ("folder", "s1"), ("prefix:1", "b")])
def test_speakers(database: Path, rule: str, speaker: str | None) -> None:
    assert load_corpus(f"emu:{database}", speaker=rule)[0].speaker == speaker


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"name": "b1",\n', r"s1_ses/b1_bndl/b1_annot\.json, line 2"),
        ("[]", "holds a list"),
        (json.dumps({"sampleRate": 16000}), "not laid out as an EMU annotation: KeyError 'levels'"),
        (
            json.dumps({**ANNOTATION, "levels": [{"name": "Word", "items": 3}]}),
            "not laid out as an EMU annotation",
        ),
        (json.dumps({**ANNOTATION, "sampleRate": "16k"}), "not laid out as an EMU annotation: TypeError"),
        (json.dumps({**ANNOTATION, "sampleRate": 0}), "not laid out as an EMU annotation: ZeroDivisionError"),
        (json.dumps({**ANNOTATION, "sampleRate": 8000}), "'F' ends at 1.500 s.*sample rate"),
        ("", "is empty"),
    ],
)
def test_broken_annotations_are_named(database: Path, content: str, message: str) -> None:
    (database / "s1_ses/b1_bndl/b1_annot.json").write_text(content)
    with pytest.raises(AnnotationError, match=message):
        load_corpus(f"emu:{database}")[0]


def test_incomplete_bundles_are_named(database: Path) -> None:
    (database / "s1_ses/b1_bndl/b1.wav").unlink()
    with pytest.raises(AudioError, match=r"no sound file .*b1\.wav"):
        load_corpus(f"emu:{database}")[0]
    (database / "s1_ses/b1_bndl/b1_annot.json").unlink()
    with pytest.raises(AnnotationError, match=r"no s1_ses/b1_bndl/b1_annot\.json"):
        load_corpus(f"emu:{database}")[0]


def test_the_folder_above_the_database_is_told_apart(database: Path) -> None:
    with pytest.raises(CorpusError, match="the folder above t_emuDB"):
        load_corpus(f"emu:{database.parent}")


@pytest.mark.real
def test_the_real_database(assets: Path) -> None:
    corpus = load_corpus(f"emu:{assets / 'corpora/emu-ae/ae_emuDB'}?speaker=prefix:5")
    utterances = {u.id.split("/")[-1]: u for u in corpus}
    assert len(utterances) == 7
    assert {u.speaker for u in utterances.values()} == {"msajc"}
    assert utterances["msajc003"].transcript == "amongst her friends she was considered beautiful"
    for utterance in utterances.values():
        phonetic = utterance.tier("Phonetic")
        assert all(0 < s.start < s.end < utterance.duration for s in phonetic)
        assert all(one.end == next_.start for one, next_ in pairwise(phonetic))
        assert len(utterance.tier("words")) == len(utterance.tier("Word")) > 0
        spoken = {s.start for s in phonetic} | {s.end for s in phonetic}
        assert all({s.start, s.end} <= spoken for s in utterance.tier("words"))
        assert head_of(utterance.audio).sample_rate == 20000  # type: ignore[arg-type]
