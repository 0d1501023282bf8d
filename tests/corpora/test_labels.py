"""Maps between sets of phone labels, and features of phones."""

from __future__ import annotations

import csv
import unicodedata
from collections import defaultdict
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from speechinterp.corpora import load_corpus
from speechinterp.corpora.labels import FEATURES, INVENTORIES, features, label_map, map_labels
from speechinterp.embedded import embedded_file
from speechinterp.errors import AnnotationError
from speechinterp.segments import Segment, Tier


def table(name: str) -> tuple[str, list[dict[str, str]]]:
    text = files("speechinterp.corpora").joinpath("inventories", f"{name}.csv").read_text("utf-8")
    source, *lines = text.splitlines()
    return source, list(csv.DictReader(lines))


def phones(*labels: str) -> Tier:
    return Tier("phones", [Segment(i / 10, (i + 1) / 10, label) for i, label in enumerate(labels)])


IPA = [row for row in table("ipa")[1] if row["manner"] != "diacritic"]


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("timit", ["Garofolo", "Lee"]),
        ("arpabet", ["Shoup"]),
        ("buckeye", ["Pitt", "Kiesling"]),
        ("ipa", ["International Phonetic Association", "Wells"]),
    ],
)
def test_every_table_has_its_source_and_every_label_once(name: str, sources: list[str]) -> None:
    source, rows = table(name)
    assert all(each in source for each in sources)
    if name != "ipa":
        column = next(iter(rows[0]))
        assert len({row[column] for row in rows}) == len(rows)
    assert all(None not in row and None not in row.values() for row in rows)


def merged(source: str, target: str) -> tuple[dict[str, set[str]], list[str]]:
    """Return the classes that hold several labels, and the labels that are left out."""
    classes, out = defaultdict(set), []
    for row in table("timit")[1]:
        found = label_map(source, target)(row[source])
        classes[found].add(row[source]) if found is not None else out.append(row[source])
    return classes, out


def test_the_folding_of_timit_to_39_classes() -> None:
    assert len(table("timit")[1]) == 61
    classes, out = merged("timit61", "timit39")
    assert (len(classes), out) == (39, ["q"])
    assert {cls: labels for cls, labels in classes.items() if len(labels) > 1} == {
        "aa": {"aa", "ao"},
        "ah": {"ah", "ax", "ax-h"},
        "er": {"er", "axr"},
        "hh": {"hh", "hv"},
        "ih": {"ih", "ix"},
        "l": {"l", "el"},
        "m": {"m", "em"},
        "n": {"n", "en", "nx"},
        "ng": {"ng", "eng"},
        "sh": {"sh", "zh"},
        "uw": {"uw", "ux"},
        "sil": {"pcl", "tcl", "kcl", "bcl", "dcl", "gcl", "h#", "pau", "epi"},
    }


def test_the_folding_of_timit_to_48_classes() -> None:
    classes, out = merged("timit61", "timit48")
    assert (len(classes), out) == (48, ["q"])
    assert {cls: labels for cls, labels in classes.items() if len(labels) > 1} == {
        "ax": {"ax", "ax-h"},
        "cl": {"pcl", "tcl", "kcl"},
        "er": {"er", "axr"},
        "hh": {"hh", "hv"},
        "m": {"m", "em"},
        "n": {"n", "nx"},
        "ng": {"ng", "eng"},
        "sil": {"h#", "pau"},
        "uw": {"uw", "ux"},
        "vcl": {"bcl", "dcl", "gcl"},
    }


def test_61_to_48_to_39_is_61_to_39() -> None:
    for row in table("timit")[1]:
        first = label_map("timit61", "timit48")(row["timit61"])
        second = first and label_map("timit48", "timit39")(first)
        assert second == label_map("timit61", "timit39")(row["timit61"])


@pytest.mark.parametrize(
    ("source", "target", "labels", "expected"),
    [
        ("arpabet", "ipa", "HH AH0 L OW1", "h ə l oʊ"),
        ("arpabet", "ipa", "hh ah1 l ow er0 er1", "h ʌ l oʊ ɚ ɝ"),
        ("arpabet", "timit39", "ZH AO2 AX sil", "sh aa ah sil"),
        ("arpabet", "xsampa", "TH IY1 NG Z", "T i N z"),
        ("ipa", "arpabet", "tʃ d͡ʒ ʤ g ɡ ə", "CH JH JH G G AX"),
        ("ipa", "timit39", "ˈiː ɾ̃ l̩", "iy n l"),
        ("ipa", "xsampa", "ʁ ø tʰ ẽ ç n̩ ˈaː ɖ", 'R 2 t_h e~ C n= "a: d`'),
        ("xsampa", "ipa", "r\\ r\\` 3` @` t_d x_w _~", "ɹ ɻ ɝ ɚ t̪ xʷ ̃"),
        ("xsampa", "timit39", "tS {", "ch ae"),
        ("buckeye", "timit39", "iyn tq nx SIL LAUGH", "iy n sil"),
        ("buckeye", "ipa", "aan tq", "ɑ̃ ʔ"),
        ("timit61", "arpabet", "ux hh ae", "UX HH AE"),
        ("timit39", "ipa", "sh sil", "ʃ "),
        ("ipa", "ipa", "g t͡s", "ɡ ts"),
        ("timit39", "timit39", "sil", "sil"),
    ],
)
def test_maps(source: str, target: str, labels: str, expected: str) -> None:
    assert map_labels(phones(*labels.split(" ")), source, target).labels == [
        unicodedata.normalize("NFC", each) for each in expected.split(" ")
    ]


def test_times_stay_and_neighbours_are_not_joined() -> None:
    tier = map_labels(phones("bcl", "pau", "q", "iy"), "timit61", "timit39")
    assert [(s.start, s.end, s.label) for s in tier] == [(0, 0.1, "sil"), (0.1, 0.2, "sil"), (0.3, 0.4, "iy")]
    assert tier.name == "phones"


def test_unlabelled_stretches_stay_unlabelled() -> None:
    assert map_labels(phones("", "AA"), "arpabet", "ipa").labels == ["", "ɑ"]
    assert map_labels(phones("", "ɑ"), "ipa", "xsampa").labels == ["", "A"]


def test_labels_without_counterpart_are_listed() -> None:
    with pytest.raises(AnnotationError, match="tier 'phones': no timit39 for arpabet 'ɪɹ', 'QQ'") as raised:
        map_labels(phones("ɪɹ", "AA", "QQ", "ɪɹ"), "arpabet", "timit39")
    assert "unmapped='drop'" in raised.value.fix
    assert map_labels(phones("ɪɹ", "AA"), "ipa", "xsampa", unmapped="drop").labels == ["Ir\\"]
    assert map_labels(phones("ɪɹ", "AA"), "arpabet", "timit39", unmapped="drop").labels == ["aa"]


@pytest.mark.parametrize(("source", "target"), [("cmu", "ipa"), ("ipa", "IPA")])
def test_unknown_inventories(source: str, target: str) -> None:
    with pytest.raises(AnnotationError, match=r"no labels called.*one of timit61, .* xsampa"):
        label_map(source, target)


def test_classes_are_not_taken_apart() -> None:
    with pytest.raises(AnnotationError, match=r"no way from timit39 to timit61.*merge sounds"):
        label_map("timit39", "timit61")


@example(["a", "\u030b", "\u030a"])  # a ring above is read as one below, which comes before a tone
@given(st.lists(st.sampled_from([row["ipa"] for row in table("ipa")[1]]), min_size=1, max_size=4))
def test_x_sampa_that_is_read_back_is_written_the_same(symbols: list[str]) -> None:
    written = label_map("ipa", "xsampa")("".join(symbols))
    assert label_map("ipa", "xsampa")(label_map("xsampa", "ipa")(written)) == written


def test_every_sound_of_the_chart_goes_to_x_sampa_and_back() -> None:
    there, back = label_map("ipa", "xsampa"), label_map("xsampa", "ipa")
    for row in IPA:
        assert back(there(row["ipa"])) == unicodedata.normalize("NFC", row["ipa"])
    assert len({there(row["ipa"]) for row in IPA}) == len({row["ipa"] for row in IPA})


@pytest.mark.parametrize(
    ("label", "inventory", "expected"),
    [
        ("p", "ipa", "plosive bilabial voiceless - - -"),
        ("tʃ", "ipa", "affricate postalveolar voiceless - - -"),
        ("jh", "timit61", "affricate postalveolar voiced - - -"),
        ("bcl", "timit61", "plosive bilabial voiced - - -"),
        ("vcl", "timit48", "silence - - - - -"),
        ("sil", "timit39", "silence - - - - -"),
        ("", "ipa", "silence - - - - -"),
        ("ɪ", "ipa", "vowel - voiced close front unrounded"),
        ("æ", "ipa", "vowel - voiced open front unrounded"),
        ("ER0", "arpabet", "vowel - voiced mid central unrounded"),
        ("AY1", "arpabet", "vowel - voiced - front unrounded"),
        ("ɔɪ", "ipa", "vowel - voiced - - -"),
        ("ɔɹ", "ipa", "vowel - voiced mid back rounded"),
        ("ax-h", "timit61", "vowel - voiceless mid central unrounded"),
        ("hv", "timit61", "fricative glottal voiced - - -"),
        ("nx", "timit61", "tap alveolar voiced - - -"),
        ("yː", "ipa", "vowel - voiced close front rounded"),
        ("2:", "xsampa", "vowel - voiced mid front rounded"),
        ("own", "buckeye", "vowel - voiced - back rounded"),
        ("k͡p", "ipa", "plosive - voiceless - - -"),
    ],
)
def test_features(label: str, inventory: str, expected: str) -> None:
    values = [None if value == "-" else value for value in expected.split()]
    assert features(label, inventory) == dict(zip(FEATURES, values, strict=True))


def test_every_phone_of_the_embedded_corpus_has_features_and_its_class() -> None:
    manners = defaultdict(set)
    labels = {label for utterance in load_corpus("demo") for label in utterance.tier("phones").labels}
    with embedded_file("demo/phones.csv").open(encoding="utf-8") as file:
        rows = {row["label"]: row for row in csv.DictReader(file)}
    for label in labels:
        manners[rows[label]["class"]].add(features(label, "ipa")["manner"])
        if " " not in rows[label]["timit39"]:
            assert label_map("ipa", "timit39")(label) == rows[label]["timit39"]
    assert len(labels) == 47
    assert manners.pop("approximant") == {"approximant", "lateral approximant"}
    vowels = {name: manners.pop(name) for name in ("vowel", "rhotic vowel", "diphthong")}
    assert vowels == {name: {"vowel"} for name in vowels}
    assert manners == {name: {name} for name in manners}


@pytest.mark.parametrize("inventory", ["timit61", "timit48", "timit39"])
def test_every_label_of_timit_has_features(inventory: str) -> None:
    labels = {row[inventory] for row in table("timit")[1]} - {"-"}
    found = {label: features(label, inventory) for label in labels}
    assert all(list(each) == list(FEATURES) and each["manner"] for each in found.values())
    speech = [each for each in found.values() if each["manner"] not in ("silence", "vowel")]
    assert all(each["place"] and each["voicing"] for each in speech)


@pytest.mark.parametrize(("label", "inventory"), [("LAUGH", "buckeye"), ("zz", "timit61"), ("ɪ7q!", "ipa")])
def test_what_is_no_phone_has_no_features(label: str, inventory: str) -> None:
    with pytest.raises(AnnotationError, match=f"{label}"):
        features(label, inventory)


def test_features_agree_with_panphon() -> None:
    panphon = pytest.importorskip("panphon", reason="panphon is an oracle where it is installed")
    oracle = panphon.FeatureTable()
    seen = 0
    for row in IPA:
        found, theirs = features(row["ipa"], "ipa"), oracle.fts(row["ipa"])
        if not theirs or row["manner"].endswith("click") or row["ipa"] in "ɧʡ":
            continue
        seen += 1
        assert (theirs["voi"] == 1) == (found["voicing"] == "voiced"), row["ipa"]
        assert (theirs["nas"] == 1) == (found["manner"] == "nasal"), row["ipa"]
        assert (theirs["lat"] == 1) == found["manner"].startswith("lateral"), row["ipa"]
        assert (theirs["syl"] == 1) == (found["manner"] == "vowel"), row["ipa"]
        if found["manner"] == "vowel":
            assert (theirs["round"] == 1) == (found["rounding"] == "rounded"), row["ipa"]
            assert (theirs["hi"] == 1) == (found["height"] == "close"), row["ipa"]
            assert (theirs["lo"] == 1) <= (found["height"] == "open"), row["ipa"]
    assert seen > 80


def test_all_inventories_map_to_themselves_and_the_ipa() -> None:
    for name in INVENTORIES:
        label = "SIL" if name == "buckeye" else "s"
        assert label_map(name, name)("S" if name == "arpabet" else label)
        assert label_map(name, "ipa")("s" if name != "arpabet" else "S") == "s"
