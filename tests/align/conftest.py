"""What tests of alignment share."""

from __future__ import annotations

import pytest
from align.planted import Planted


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Models that hear what the test plants; needs torchaudio."""
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    return Planted(monkeypatch)
