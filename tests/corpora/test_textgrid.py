"""The reader of recordings with TextGrids."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from praatio.utilities import textgrid_io

from speechinterp.corpora import load_corpus
from speechinterp.corpora.files import read_text
from speechinterp.corpora.formats.textgrid import parse_textgrid
from speechinterp.errors import AnnotationError, CorpusError
from speechinterp.segments import Segment, Tier

SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
2
"IntervalTier"
"words"
0
1
3
0
0.25
""
0.25
0.5
"ja"
0.5
1
"nein"
"TextTier"
"tones"
0
1
1
0.4
"H*"
"""

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 1
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.25
            text = ""
        intervals [2]:
            xmin = 0.25
            xmax = 0.5
            text = "ja"
        intervals [3]:
            xmin = 0.5
            xmax = 1
            text = "nein"
    item [2]:
        class = "TextTier"
        name = "tones"
        xmin = 0
        xmax = 1
        points: size = 1
        points [1]:
            number = 0.4
            mark = "H*"
"""

TIERS = [
    Tier("words", [Segment(0, 0.25, ""), Segment(0.25, 0.5, "ja"), Segment(0.5, 1, "nein")]),
    Tier("tones", [Segment(0.4, 0.4, "H*")]),
]


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        LONG,
        SHORT.rstrip("\n"),
        LONG.replace("item [", "item[").replace("]:", "]"),
        LONG.replace(" = ", "="),
        LONG.replace("\n\n", "\n"),
        LONG.replace("\n", " \n"),
        LONG.replace('text = "ja"', 'text = "ja" ! a comment with "quotes" and 1 number'),
        SHORT.replace("0.25", "2.5e-1"),
        SHORT.replace('"ja"', '" ja "'),
        " ".join(SHORT.split()),
    ],
    ids=[
        "short",
        "long",
        "no-last-line-end",
        "elan",
        "no-spaces",
        "no-blank",
        "spaces",
        "comment",
        "exponent",
        "space",
        "line",
    ],
)
def test_every_dialect_gives_the_same_tiers(text: str) -> None:
    assert parse_textgrid(text, "a") == TIERS


@pytest.mark.parametrize(
    "label", ['""', 'sagt "ja"', "zwei\nZeilen", "item [2]:", "intervals [2]:", "1.5", "<x>", "! x"]
)
def test_labels_may_hold_anything(label: str) -> None:
    quoted = label.replace('"', '""')
    for text in (SHORT, LONG):
        assert parse_textgrid(text.replace('"ja"', f'"{quoted}"'), "a")[0][1].label == label


labels = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(str.strip)
cuts = st.lists(st.integers(1, 5000), unique=True, min_size=1, max_size=6).map(sorted)


@given(cuts, st.data(), st.sampled_from(["short_textgrid", "long_textgrid"]))
def test_what_praatio_writes_is_read_as_it_was(times: list[int], data: st.DataObject, form: str) -> None:
    bounds = [0.0, *(t / 1000 for t in times)]
    intervals = [(a, b, data.draw(labels)) for a, b in pairwise(bounds)]
    points = [(b, data.draw(labels)) for b in bounds]
    name = data.draw(labels)
    grid = {
        "xmin": 0.0,
        "xmax": bounds[-1],
        "tiers": [
            {"class": "IntervalTier", "name": name, "xmin": 0.0, "xmax": bounds[-1], "entries": intervals},
            {
                "class": "TextTier",
                "name": f"{name} points",
                "xmin": 0.0,
                "xmax": bounds[-1],
                "entries": points,
            },
        ],
    }
    text = textgrid_io.getTextgridAsStr(grid, form, includeBlankSpaces=False)
    assert parse_textgrid(text, "a") == [
        Tier(name, [Segment(*each) for each in intervals]),
        Tier(f"{name} points", [Segment(time, time, label) for time, label in points]),
    ]


@given(st.integers(0, len(SHORT.rstrip()) - 1), st.sampled_from([SHORT, LONG]))
def test_a_file_that_is_cut_off_is_never_read_as_whole(length: int, text: str) -> None:
    with pytest.raises(AnnotationError):
        parse_textgrid(text[:length], "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SHORT.replace('"TextGrid"', '"PitchTier"'), "is not a TextGrid"),
        ('"Praat chronological TextGrid text file"\n0 1', "is not a TextGrid.*Save as text file"),
        ("ooBinaryFile\x08TextGrid\0\0", "is not a TextGrid"),
        (SHORT.replace("<exists>\n2", "<absent>").partition('"Inter')[0], "has no tiers"),
        (SHORT.partition('"Inter')[0].replace("\n2\n", "\n0\n"), "has no tiers"),
        (SHORT.replace('"tones"', '"words"'), "several tiers called words"),
        (SHORT.replace('"ja"', '"ja'), r'line 21: " ".*a number'),
        (SHORT.replace('"H*"', '"H*'), "line 28: a quote that is never closed"),
        (SHORT.replace('"ja"', "ja"), r"line 19: 0\.5.*a text"),
        (SHORT.replace("\n3\n", "\n2\n"), r"line 19: 0\.5.*a text"),
        (SHORT.replace("\n3\n", "\n3.5\n"), r"line 12: a count of 3\.5"),
        (SHORT.replace('"TextTier"', '"PointTier"'), "a tier of class 'PointTier'"),
        (SHORT + '0.6\n"L%"\n', "line 29: 0.6 after the last tier"),
        (
            SHORT.replace("0.25\n0.5", "0.2\n0.5"),
            r"tier 'words': '' \(0.0-0.25 s\) overlaps 'ja' \(0.2-0.5 s\)",
        ),
        (
            SHORT.replace("0.25\n0.5", "0.25\n0.2"),
            "line 17, tier 'words': segment 'ja' runs from 0.25 s to 0.2 s",
        ),
        (
            LONG.replace("xmin = 0\n            xmax = 0.25", "xmin = -0.5\n            xmax = 0.25"),
            "from -0.5 s",
        ),
    ],
)
def test_broken_textgrids_are_named_by_line(text: str, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        parse_textgrid(text, "a.TextGrid")


def test_what_conversion_leaves_of_a_time_is_no_overlap() -> None:
    assert len(parse_textgrid(SHORT.replace("0.25\n0.5", "0.2499999\n0.5"), "a")[0]) == 3


def test_an_utterance(record, tmp_path: Path) -> None:
    for speaker in ("anna", "ben"):
        record(f"{speaker}/Grüße.wav").with_suffix(".textgrid").write_text(SHORT, encoding="utf-16")
    utterance = load_corpus(f"textgrid:{tmp_path}")["anna/Grüße"]
    assert (utterance.speaker, utterance.transcript) == ("anna", "ja nein")
    assert dict(utterance.tiers) == {tier.name: tier for tier in TIERS}


def test_annotations_in_a_tree_of_their_own(record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record("sound/anna/a.wav")
    record("sound/anna/b.c.wav")
    aligned = tmp_path / "aligned/anna"
    aligned.mkdir(parents=True)
    (aligned / "a.TextGrid").write_text(SHORT)
    (aligned / "b.c.TextGrid").write_text(SHORT.replace('"words"', '"anna - words"'))
    corpus = load_corpus(f"textgrid:{tmp_path}/sound?annotations={tmp_path}/aligned")
    assert corpus["anna/a"].transcript == "ja nein"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_corpus("textgrid:~/sound?annotations=~/aligned").ids == corpus.ids
    assert corpus["anna/b.c"].tier("words").labels == ["", "ja", "nein"]


@pytest.mark.parametrize(
    ("rule", "speakers"),
    [("folder", [None, "s"]), ("prefix:3", ["s01", "s02"]), ("none", [None, None])],
)
def test_speakers(record, tmp_path: Path, rule: str, speakers: list[str | None]) -> None:
    for name in ("s01_a.wav", "s/s02_b.wav"):
        record(name).with_suffix(".TextGrid").write_text(SHORT)
    by_id = {u.id: u.speaker for u in load_corpus(f"textgrid:{tmp_path}?speaker={rule}")}
    assert [by_id["s01_a"], by_id["s/s02_b"]] == speakers


def test_speakers_of_names_too_short(record, tmp_path: Path) -> None:
    record("s1.wav").with_suffix(".TextGrid").write_text(SHORT)
    with pytest.raises(CorpusError, match=r"prefix:3, and a recording called 's1'"):
        load_corpus(f"textgrid:{tmp_path}?speaker=prefix:3")[0]


def test_channels_and_tiers_by_name(record, tmp_path: Path) -> None:
    text = SHORT.replace('"words"', '"Wörter links"')
    record("a.wav", channels=2).with_suffix(".TextGrid").write_text(text, encoding="utf-8")
    corpus = load_corpus(f"textgrid:{tmp_path}?channel=1&words=Wörter links")
    assert (corpus[0].channel, corpus[0].transcript) == (1, "ja nein")
    assert corpus[0].waveform(16000).shape == (16000,)
    with pytest.raises(AnnotationError, match=r"a.TextGrid has no tier 'x'; it has: Wörter links, tones"):
        load_corpus(f"textgrid:{tmp_path}?phones=x")[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no TextGrid for s/a.wav.*s/a.TextGrid beside it"),
        (b"", "s/a.TextGrid is empty"),
        (bytes(range(256)) * 4, "s/a.TextGrid is not"),
        (b"\xff\xfe" + bytes(range(1, 256)) * 4, "s/a.TextGrid is not"),
        (SHORT.replace("ja", "é").encode("latin-1"), "s/a.TextGrid is not text in UTF-8"),
        (
            SHORT.replace("0.5\n1\n", "0.5\n3\n").encode(),
            r"s/a.TextGrid, tier 'words': 'nein' ends at 3.000 s.*1.000 s",
        ),
    ],
)
def test_recordings_that_cannot_be_used(record, tmp_path: Path, content: bytes | None, message: str) -> None:
    path = record("s/a.wav")
    if content is not None:
        path.with_suffix(".TextGrid").write_bytes(content)
    corpus = load_corpus(f"textgrid:{tmp_path}")
    with pytest.raises(AnnotationError, match=message):
        corpus["s/a"]


@pytest.mark.real
def test_real_textgrids_are_read_as_praatio_reads_them(assets: Path) -> None:
    paths = sorted((assets / "corpora/praat-textgrids").glob("*.TextGrid"))
    for path in paths:
        text = read_text(path, path.name)
        for tier, other in zip(
            parse_textgrid(text, path.name), textgrid_io.parseTextgridStr(text, True)["tiers"], strict=True
        ):
            entries = [tuple(entry) for entry in other["entries"]]
            assert tier.name == other["name"]
            assert [(s.start, s.end) for s in tier] == [(float(e[0]), float(e[-2])) for e in entries]
            assert tier.labels == [e[-1] for e in entries]
    assert len(paths) == 8


@pytest.mark.real
def test_real_recordings(assets: Path, tmp_path: Path) -> None:
    source = assets / "corpora/praat-textgrids"
    for path in source.glob("*.TextGrid"):
        sound = next(wav for wav in source.glob("*.wav") if path.stem.startswith(wav.stem))
        shutil.copy(path, tmp_path)
        shutil.copy(sound, tmp_path / f"{path.stem}.wav")
    utterances = {u.id: u for u in load_corpus(f"textgrid:{tmp_path}")}
    assert {id_: u.transcript for id_, u in utterances.items() if u.transcript} == {
        "bobby_words": "BOBBY RIPPED THE LEDGER",
        "damon_set_test": "damon fried the omelet",
        "mary": "mary rolled the barrel",
        "mary_misaligned": "mary rolled the barrel",
    }
    assert utterances["mary"].tier("phones").labels == ["", *"mərirold", "θ", *"əbœrl", ""]
    assert utterances["bobby_words_with_newlines"].tier('"word"').labels[1] == '"""BOBBY"""\nNoun'
    assert all(s.end <= u.duration for u in utterances.values() for t in u.tiers.values() for s in t)


@pytest.mark.real
def test_real_recordings_without_a_textgrid_are_refused_one_by_one(assets: Path) -> None:
    corpus = load_corpus(f"textgrid:{assets / 'corpora/praat-textgrids'}")
    assert corpus.ids == ["bobby", "damon_set_test", "mary"]
    with pytest.raises(AnnotationError, match=r"no TextGrid for bobby\.wav"):
        corpus["bobby"]
