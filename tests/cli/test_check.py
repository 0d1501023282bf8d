"""``speechinterp check``."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest


def test_a_sound_model_passes(run, tmp_path: Path) -> None:
    result = run("check", "demo/untrained", "--out", tmp_path / "o")
    assert result.exit_code == 0, result.output
    assert "all checks passed" in result.output
    assert "hop 320 and receptive field 400 samples at 16000 Hz" in result.output
    assert pd.read_csv(tmp_path / "o/check.csv").passed.all()


def test_a_check_that_fails_has_exit_code_1(run, monkeypatch) -> None:
    from contextlib import nullcontext

    from speechinterp.models import wav2vec2

    monkeypatch.setattr(wav2vec2, "exact_padding", lambda *args: nullcontext())
    result = run("check", "demo/untrained")
    assert result.exit_code == 1
    assert "1 failed: batch equals one by one" in result.output


def test_an_unknown_model_is_an_error_not_a_traceback(run, tmp_path: Path) -> None:
    result = run("check", tmp_path)
    assert result.exit_code == 1
    assert "has no config.json" in result.output
    assert "Traceback" not in result.output


@pytest.mark.real
@pytest.mark.long
def test_a_real_model_passes(run, assets: Path) -> None:
    result = run("check", assets / "models/whisper-tiny.en")
    assert result.exit_code == 0, result.output
