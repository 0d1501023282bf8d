"""What tests of alignment share."""

from __future__ import annotations

import pytest
from align.planted import LETTERS_HEARD, PHONES_HEARD, Planted


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Planted:
    """Models that hear what the test plants; needs torchaudio."""
    pytest.importorskip("torchaudio", reason="CTC alignment needs torchaudio")
    return Planted(monkeypatch)


@pytest.fixture
def both(planted: Planted) -> Planted:
    """Models of which that of letters and that of phones hear the same words."""
    planted.hears(LETTERS_HEARD)
    planted.hears(PHONES_HEARD, phones=True)
    return planted
