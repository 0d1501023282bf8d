"""The player: a click plays a unit, nothing is fetched, and labels stay text."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import CHROMIUM, Browser

from speechinterp import Segment
from speechinterp.errors import SpeechInterpError
from speechinterp.report import Paragraph, Player, Row, write_report

EVIL = "<script>window.hurt = true</script>"
UNITS = (Segment(0.1, 0.3, EVIL), Segment(0.3, 0.45, 'ʃ"&'))
TONE = (0.3 * np.sin(np.arange(8000) * 0.2)).astype(np.float32)


def page(path: Path, **changes) -> Path:
    player = Player(
        **{"name": EVIL, "samples": TONE, "sample_rate": 16000, "rows": [Row(EVIL, UNITS, (1.0, -0.5))]}
        | changes
    )
    return write_report(path / "page.html", EVIL, [Paragraph(EVIL), player])


def test_the_page_holds_the_sound_and_shows_labels_as_text(tmp_path: Path) -> None:
    html = page(tmp_path, more=[("gated", TONE / 2)]).read_text(encoding="utf-8")
    assert html.count("<script>") == 1
    assert EVIL not in html
    sounds = re.findall(r'src="data:audio/wav;base64,([^"]+)"', html)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])), dtype="float32")
    assert (len(sounds), rate) == (2, 16000)
    assert np.allclose(samples, TONE, atol=1e-4)
    assert re.findall(r'data-start="([\d.]+)" data-end="([\d.]+)"', html) == [
        ("0.100000", "0.300000"), ("0.300000", "0.450000"),
    ]  # fmt: skip
    assert not re.search(r"https?://", html)


def test_relevance_colours_the_units(tmp_path: Path) -> None:
    html = page(tmp_path).read_text(encoding="utf-8")
    colours = [tuple(map(int, found)) for found in re.findall(r"rgb\((\d+), (\d+), (\d+)\)", html)]
    assert colours[0] == (178, 24, 43)
    assert colours[1][2] > colours[1][0] > 33  # half blue
    assert "+1.00<" in html
    assert "-0.50<" in html
    plain = page(tmp_path, rows=[Row("words", UNITS)]).read_text(encoding="utf-8")
    assert "rgb(" not in plain


def test_pages_without_a_player_have_no_script(tmp_path: Path) -> None:
    html = write_report(tmp_path / "plain.html", "plain", [Paragraph("text")]).read_text(encoding="utf-8")
    assert "script" not in html


def test_values_must_fit_the_units(tmp_path: Path) -> None:
    with pytest.raises(SpeechInterpError, match="3 values for 2 units"):
        page(tmp_path, rows=[Row("words", UNITS, (1.0, 2.0, 3.0))])
    assert not (tmp_path / "page.html").exists()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.long
def test_a_click_plays_a_segment_and_nothing_is_fetched(tmp_path: Path) -> None:
    path = page(tmp_path)
    browser = Browser(tmp_path / "profile")
    try:
        watch = """
            window.played = []; window.ended = 0;
            const start = AudioBufferSourceNode.prototype.start;
            AudioBufferSourceNode.prototype.start = function (when, offset, seconds) {
              window.played.push([when, offset, seconds, this.buffer.duration]);
              this.addEventListener("ended", () => { window.ended += 1; });
              return start.call(this, when, offset, seconds);
            };"""
        browser.do("Page.addScriptToEvaluateOnNewDocument", source=watch)
        browser.open(path)
        assert browser.value("window.hurt") is None
        assert browser.value("document.querySelector('.row button').firstChild.textContent") == EVIL
        assert browser.value("document.querySelectorAll('script').length") == 1

        browser.click(".row button:nth-of-type(2)")
        browser.until("window.played.length === 1")
        when, offset, seconds, whole = browser.value("window.played[0]")
        assert (when, whole) == (0, pytest.approx(0.5, abs=0.001))
        assert (offset, seconds) == (pytest.approx(0.3), pytest.approx(0.15))
        browser.until("window.ended === 1")
        assert browser.value("document.querySelectorAll('.playing').length") == 0

        browser.click(".row button")
        browser.until("window.played.length === 2")
        assert browser.value("window.played[1][1]") == pytest.approx(0.1)
        assert browser.requests() == [path.as_uri()]
        logged = [
            e for e in browser.events if e.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
        assert logged == []
        assert browser.value("window.hurt") is None
    finally:
        browser.close()
