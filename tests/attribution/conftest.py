"""What tests of attribution share: one thread for tiny models (more cost ten times what they save), and spaces."""

from __future__ import annotations

import pytest
import torch
from attribution.slopes_of import CASES, heard, target
from tiny import shared_model

from speechinterp.attribution.slopes import opened_space


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def opened(request):
    """Return a space of a model, in which the target is scored."""
    name, space = request.param
    return opened_space(shared_model(name), heard(), target(), space)
