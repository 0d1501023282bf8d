"""What tests of every room share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores between them


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models and corpora that `real` tests use."""
    folder = os.environ.get("SPEECHINTERP_TEST_ASSETS")
    if not folder:
        pytest.skip("SPEECHINTERP_TEST_ASSETS is not set: no real models and corpora to test on")
    return Path(folder)
