"""What tests of models share: one thread (more cost ten times what they save), models left as they were, no hub."""

from __future__ import annotations

import pytest
import torch
from tiny import FAMILIES, shared_model

from speechinterp.models import loading


@pytest.fixture(scope="package", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=FAMILIES)
def model(request):
    """Return a model, and see that every test leaves it as it was."""
    model = shared_model(request.param)
    before = hooks_of(model)
    yield model
    assert hooks_of(model) == before


def hooks_of(model):
    return [
        (len(m._forward_hooks), len(m._forward_pre_hooks), sorted(m.__dict__)) for m in model.module.modules()
    ]


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """Let no test wait for a network."""
    monkeypatch.setattr(loading, "hub_answers", lambda: False)
