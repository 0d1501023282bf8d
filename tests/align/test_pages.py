"""The examples of the pages on alignment run as they are printed."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from speechinterp.embedded import embedded_models

DOCS = Path(__file__).parents[2] / "docs"
CTC = {"demo/wav2vec2", "demo/wav2vec2-phones"} <= set(embedded_models()) and find_spec("torchaudio")
pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="the tests stand alone here, without the pages")


def run(page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str = "demo/wav2vec2") -> None:
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert blocks
    monkeypatch.chdir(tmp_path)
    code = "\n".join(blocks).replace('"demo/wav2vec2"', f'"{model}"')
    exec(compile(code, f"{page}.md", "exec"), {})


def test_whisper_alignment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run("methods/whisper-alignment", monkeypatch, tmp_path)


@pytest.mark.skipif(not CTC, reason="needs torchaudio, and demo/wav2vec2 in data/models")
def test_alignment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run("methods/alignment", monkeypatch, tmp_path)
    assert (tmp_path / "homophone-01.TextGrid").is_file()


@pytest.mark.filterwarnings("ignore::speechinterp.align.AlignmentWarning")
def test_from_a_recording_to_tiers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run("recording-to-tiers", monkeypatch, tmp_path, "demo/wav2vec2" if CTC else "demo/whisper")
    assert len(list((tmp_path / "tiers").glob("*.TextGrid"))) == 6
    for name in ("first.png", "first.eaf", "first.ctm"):
        assert (tmp_path / name).stat().st_size
