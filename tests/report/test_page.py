"""The page holds everything it shows, shows all text as text, and asks for nothing."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from speechinterp.errors import SpeechInterpError
from speechinterp.report import Heading, Paragraph, Picture, Record, Table, beginning, write_report

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Reads tags, attributes and the text that a reader would see; fails on unbalanced tags."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "figure.png"
    Figure(figsize=(1, 1)).savefig(path)
    return path


def read(path):
    return Reader(path.read_text(encoding="utf-8"))


def cells(path):
    return re.findall(r"<td[^>]*>(.*?)</td>", path.read_text(encoding="utf-8"))


def test_all_sections_are_there_in_order(tmp_path, picture):
    page = write_report(
        tmp_path / "new" / "report.html",
        "Phones in HuBERT",
        [
            Heading("Scores"),
            Paragraph("Layer 9 is best."),
            Picture(picture, "accuracy over layers", "With 95% intervals."),
            Table(pd.DataFrame({"layer": [0, 1]}), "Every layer."),
            Record({"seed": 0, "labels": ["a", "b"]}, "Settings."),
        ],
    )
    text = "|".join(part.strip() for part in read(page).text if part.strip())
    assert text == (
        "Phones in HuBERT|Phones in HuBERT|Scores|Layer 9 is best.|With 95% intervals."
        "|layer|0|1|Every layer.|seed|0|labels|a, b|Settings."
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30))
def test_any_text_is_shown_and_never_obeyed(tmp_path_factory, text):
    frame = pd.DataFrame({text: [text]})
    sections = [Heading(text), Paragraph(text), Table(frame, text), Record({text: text}, text)]
    page = read(write_report(tmp_path_factory.mktemp("page") / "p.html", text, sections))
    assert page.text.count(text) == 10 or text.isspace()
    plain = read(write_report(tmp_path_factory.mktemp("page") / "p.html", "x", [*map(type_of, sections)]))
    assert page.tags == plain.tags


def type_of(section):
    """Return the same section with a harmless text."""
    match section:
        case Heading():
            return Heading("x")
        case Paragraph():
            return Paragraph("x")
        case Table():
            return Table(pd.DataFrame({"x": ["x"]}), "x")
        case _:
            return Record({"x": "x"}, "x")


def test_a_script_in_a_label_or_alt_text_stays_text(tmp_path, picture):
    nasty = '"><script>alert(1)</script>'
    page = write_report(
        tmp_path / "p.html", nasty, [Table(pd.DataFrame({"label": [nasty]})), Picture(picture, nasty)]
    )
    reader = read(page)
    assert "script" not in reader.tags
    assert ("alt", nasty) in reader.attributes


def test_the_page_asks_for_nothing(tmp_path, picture):
    page = write_report(tmp_path / "p.html", "t", [Picture(picture, "a")])
    html = page.read_text(encoding="utf-8")
    assert "http://" not in html
    assert "https://" not in html
    assert "@import" not in html
    assert "url(" not in html
    reader = read(page)
    assert not {"script", "link", "iframe"} & set(reader.tags)
    assert any("default-src 'none'" in (value or "") for _, value in reader.attributes)
    (source,) = [value for name, value in reader.attributes if name == "src"]
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == picture.read_bytes()


def test_numbers_have_the_same_decimals_and_gaps_a_dash(tmp_path):
    frame = pd.DataFrame(
        {
            "score": [0.91234567, 0.4, np.nan],
            "residual": [1e-9, 0.25, 0.0],
            "n": pd.array([12345, pd.NA, 3], dtype="Int64"),
            "large": [1234.56, 12.0, -3.0],
            "label": ["ə", None, "tʃ"],
            "layer": [0.0, 11.0, np.nan],
            "ms": [5.625, 99.1, 123.456],
        }
    )
    found = np.array(cells(write_report(tmp_path / "p.html", "t", [Table(frame)]))).reshape(3, 7)
    assert found[:, 5].tolist() == ["0", "11", "–"]
    assert found[:, 6].tolist() == ["5.6", "99.1", "123.5"]
    assert found[:, 0].tolist() == ["0.912", "0.400", "–"]
    assert found[:, 1].tolist() == ["1e-09", "0.25", "0"]
    assert found[:, 2].tolist() == ["12345", "–", "3"]
    assert found[:, 3].tolist() == ["1235", "12", "-3"]
    assert found[:, 4].tolist() == ["ə", "–", "tʃ"]


def test_an_empty_table_keeps_its_head(tmp_path):
    page = read(write_report(tmp_path / "p.html", "t", [Table(pd.DataFrame({"layer": [], "score": []}))]))
    assert [part for part in page.text if part.strip()][-2:] == ["layer", "score"]


def test_columns_of_the_same_name_are_both_there(tmp_path):
    frame = pd.DataFrame([[1, "x"]], columns=["a", "a"])
    assert cells(write_report(tmp_path / "p.html", "t", [Table(frame)])) == ["1", "x"]


def test_a_picture_that_is_missing_or_not_png_is_refused_and_nothing_written(tmp_path):
    pdf = tmp_path / "scores.pdf"
    pdf.write_bytes(b"%PDF-1.4")
    for path, complaint in [(pdf, "is not PNG"), (tmp_path / "no.png", "cannot be read")]:
        with pytest.raises(SpeechInterpError, match=complaint):
            write_report(tmp_path / "p.html", "t", [Picture(path, "a")])
    assert not (tmp_path / "p.html").exists()


def test_what_is_the_same_in_all_rows_stands_in_the_caption():
    frame = pd.DataFrame({"model": "<m>", "layer": range(50), "score": 0.25, "seed": 1.0})
    table = beginning(frame, "scores.csv", rows=3)
    assert list(table.frame) == ["layer"]
    assert len(table.frame) == 3
    assert table.caption == "scores.csv, its first 3 rows. The same in all: model <m>, score 0.250, seed 1."
    assert beginning(frame.head(1), "one.csv").caption == "one.csv"
    assert list(beginning(frame[["model", "seed"]], "alike.csv").frame) == ["model", "seed"]
