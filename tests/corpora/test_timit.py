"""The reader of TIMIT."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from speechinterp.audio import head_of
from speechinterp.corpora import load_corpus
from speechinterp.errors import AnnotationError, CorpusError

PHN = "0 2000 h#\n2000 4000 sh\n4000 6000 ix\n6000 7000 q\n7000 8000 tcl\n8000 9000 t\n9000 16000 h#\n"
WRD = "2000 7500 she\n7000 9000 it\n"
TXT = "0 16000 She, it!\n"


@pytest.fixture
def ldc(record, tmp_path: Path) -> Path:
    """The layout and the capitals of the LDC release."""
    for name in ("SA1", "SX37", "SI667"):
        path = record(f"TRAIN/DR3/FCJF0/{name}.WAV")
        for suffix, text in ((".PHN", PHN), (".WRD", WRD), (".TXT", TXT)):
            path.with_suffix(suffix).write_text(text)
    return tmp_path


def test_an_utterance(ldc: Path) -> None:
    corpus = load_corpus(f"timit:{ldc}")
    assert corpus.ids == [f"TRAIN/DR3/FCJF0/{name}" for name in ("SA1", "SI667", "SX37")]
    utterance = corpus["TRAIN/DR3/FCJF0/SX37"]
    assert utterance.speaker == "FCJF0"
    assert utterance.transcript == "She, it!"
    assert utterance.meta == {"dialect": "dr3", "sex": "f", "sentence": "sx37", "sentence_type": "sx"}
    assert utterance.tier("phones").labels == ["sil", "sh", "ih", "sil", "t", "sil"]
    assert [(s.start, s.end) for s in utterance.tier("phones")][1:3] == [(0.125, 0.25), (0.25, 0.375)]


def test_words_that_overlap_are_kept(ldc: Path) -> None:
    words = load_corpus(f"timit:{ldc}")[0].tier("words")
    assert [(s.start, s.end, s.label) for s in words] == [(0.125, 0.46875, "she"), (0.4375, 0.5625, "it")]


def test_all_61_labels_on_request(ldc: Path) -> None:
    assert load_corpus(f"timit:{ldc}?labels=61")[0].tier("phones").labels == PHN.split()[2::3]


def test_48_classes_on_request(ldc: Path) -> None:
    assert load_corpus(f"timit:{ldc}?labels=48")[0].tier("phones").labels == [
        "sil",
        "sh",
        "ix",
        "cl",
        "t",
        "sil",
    ]


def test_sentences_that_everyone_reads_can_be_left_out(ldc: Path) -> None:
    assert load_corpus(f"timit:{ldc}", sa=False).ids == ["TRAIN/DR3/FCJF0/SI667", "TRAIN/DR3/FCJF0/SX37"]


@pytest.mark.parametrize(("folder", "dialect", "sex"), [("dr8-mbcg0", "dr8", "m"), ("someone", None, None)])
def test_other_layouts(record, tmp_path: Path, folder: str, dialect: str | None, sex: str | None) -> None:
    record(f"{folder}/sx1.wav").with_suffix(".phn").write_text(PHN)
    utterance = load_corpus(f"timit:{tmp_path}")[f"{folder}/sx1"]
    assert (utterance.speaker, utterance.meta["dialect"], utterance.meta["sex"]) == (folder, dialect, sex)
    assert list(utterance.tiers) == ["phones"]
    assert utterance.transcript is None


def test_offsets_are_samples_of_the_recording(record, tmp_path: Path) -> None:
    record("x/sx1.wav", rate=20000, seconds=1.0).with_suffix(".phn").write_text("1000 5000 iy\n")
    phone = load_corpus(f"timit:{tmp_path}")[0].tier("phones")[0]
    assert (phone.start, phone.end) == (0.05, 0.25)


def test_annotations_of_doubled_names(record, tmp_path: Path) -> None:
    path = record("X/SX1.WAV.wav")
    (path.parent / "SX1.PHN").write_text(PHN)
    assert load_corpus(f"timit:{tmp_path}")["X/SX1"].tier("phones")[1].label == "sh"


def test_annotations_in_capitals_beside_sound_that_is_not(record, tmp_path: Path) -> None:
    (record("x/sx1.wav").parent / "SX1.PHN").write_text(PHN)
    assert load_corpus(f"timit:{tmp_path}")[0].tier("phones")[1].label == "sh"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 2000 h#\n2000 sh\n", r"x/sx1\.phn, line 2: '2000 sh'"),
        ("0 20.5 h#\n", r"x/sx1\.phn, line 1"),
        ("0 100 h#\n\n200 100 sh\n", r"x/sx1\.phn, line 3: segment 'sh' runs from"),
        ("0 2000 ʃ\n", r"x/sx1\.phn, tier 'phones': no timit39 for timit61 'ʃ'"),
        ("0 99000 h#\n", r"x/sx1\.phn, tier 'phones': 'sil' ends at 6.188 s.*1.000 s"),
        ("", r"x/sx1\.phn is empty"),
    ],
)
def test_broken_annotations_are_named_by_file_and_line(
    record, tmp_path: Path, text: str, message: str
) -> None:
    record("x/sx1.wav").with_suffix(".phn").write_text(text, encoding="utf-8")
    corpus = load_corpus(f"timit:{tmp_path}")
    with pytest.raises(AnnotationError, match=message):
        corpus["x/sx1"]


def test_a_missing_phn_is_named(record, tmp_path: Path) -> None:
    record("x/sx1.wav")
    with pytest.raises(AnnotationError, match=r"no sx1.phn beside x/sx1.wav"):
        load_corpus(f"timit:{tmp_path}")[0]


@pytest.mark.real
def test_the_real_sample(assets: Path) -> None:
    corpus = load_corpus(f"timit:{assets / 'corpora/timit-sample'}")
    utterances = list(corpus)
    assert len(utterances) == 160
    assert len({u.speaker for u in utterances}) == 16
    assert {u.meta["sex"] for u in utterances} == {"f", "m"}
    assert {u.meta["dialect"] for u in utterances} == {f"dr{n}" for n in range(1, 9)}
    assert {u.meta["sentence_type"] for u in utterances} == {"sa", "si", "sx"}
    assert len({label for u in utterances for label in u.tier("phones").labels}) == 39
    assert all(u.transcript and len(u.tier("words")) for u in utterances)
    assert sum(head_of(u.audio).n_samples for u in utterances) / 16000 / 60 == pytest.approx(8.2, abs=0.05)
    assert len(load_corpus(f"timit:{assets / 'corpora/timit-sample'}?sa=no")) == 128


@pytest.mark.real
def test_the_real_sample_has_its_own_labels(assets: Path) -> None:
    corpus = load_corpus(f"timit:{assets / 'corpora/timit-sample'}?labels=61")
    text = "".join(path.read_text() for path in (assets / "corpora/timit-sample").glob("*/*.phn"))
    lines = [line.split() for line in text.splitlines()]
    read = Counter((round(s.start * 16000), s.label) for u in corpus for s in u.tier("phones"))
    assert read == Counter((int(start), label) for start, _, label in lines)


def test_no_sound_at_all(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no sound file"):
        load_corpus(f"timit:{tmp_path}")
