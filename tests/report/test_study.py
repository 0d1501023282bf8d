"""The page of a probing study."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speechinterp.probing import probe
from speechinterp.report import write_probe_report
from speechinterp.representations import Representations
from speechinterp.viz import plot_scores, save_figure


@pytest.fixture
def scores() -> pd.DataFrame:
    """A probe of two layers, of which the second knows the label."""
    random = np.random.default_rng(0)
    n = 400
    label = np.array(["a", "i", "u", "<script>"])[np.arange(n) % 4]
    units = pd.DataFrame(
        {
            "utterance": [f"u{i // 10}" for i in range(n)],
            "speaker": [f"s{i // 50}" for i in range(n)],
            "tier": "phones",
            "label": label,
            "start": np.arange(n) / 10,
            "end": np.arange(n) / 10 + 0.1,
            "frames": 5,
            "time": np.arange(n) / 10 + 0.05,
        }
    )
    vectors = random.standard_normal((2, n, 8)).astype(np.float32)
    vectors[1, :, 0] += 3 * (np.arange(n) % 4)
    meta = {"model": "m<b>", "unit": "phones", "grid": {"hop": 320}, "revision": None}
    return probe(Representations.of(units, vectors, meta), probe="ridge")


class Text(HTMLParser):
    """The words of a page, and the names of its tags."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.tags = "", set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.words += data


def read(path: Path) -> Text:
    text = Text()
    text.feed(path.read_text(encoding="utf-8"))
    return text


def test_it_answers_with_the_best_layer_its_interval_and_its_controls(scores, tmp_path: Path) -> None:
    png, _ = save_figure(plot_scores(scores), tmp_path / "f")
    page = read(write_probe_report(tmp_path / "r.html", scores, png, notes=["And that."]))
    best = scores[(scores.baseline == "none") & (scores.metric == "accuracy")].set_index("layer").loc[1]
    assert (
        f"The best layer of m<b> is 1: the ridge probe names {100 * best.score:.1f} % of the 400 phones"
        in page.words
    )
    assert re.search(r"shuffled labels \d+\.\d %, majority class \d+\.\d %", page.words)
    assert "And that." in page.words
    assert "hop 320" in page.words
    assert "revision" not in page.words
    assert "regularisers" not in page.words


def test_names_stay_text(scores, tmp_path: Path) -> None:
    png, _ = save_figure(plot_scores(scores), tmp_path / "f")
    page = read(write_probe_report(tmp_path / "r.html", scores, png))
    assert not {"script", "b"} & page.tags
    assert "m<b>" in page.words
