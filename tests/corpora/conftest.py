"""Recordings for corpora made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Record = Callable[..., Path]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """Write noise to a file below tmp_path, given its name and length in seconds."""

    def write(name: str, seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(len(name)).uniform(-0.5, 0.5, (round(seconds * rate), channels))
        form = "WAV" if path.suffix.lower() == ".wav" else None
        soundfile.write(path, noise, rate, format=form)
        return path

    return write
