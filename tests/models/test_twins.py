"""Twins: other weights or other digits, and all else the same."""

from __future__ import annotations

import pytest
import torch
from tiny import sound, tiny_model, tiny_module

from speechinterp.models import SpeechModel

N = 3000


def test_the_exact_self_of_a_coarse_model():
    coarse = SpeechModel(tiny_module("hubert").bfloat16(), "me", {"do_normalize": False}, "abc")
    exact = coarse.exact()
    assert (exact.dtype, exact.id, exact.revision) == (torch.float32, "me", "abc")
    assert exact.describe()["normalize"] is False
    assert coarse.dtype == torch.bfloat16
    assert exact.exact() is exact
    twin = coarse.random_twin(3)
    assert twin.dtype == torch.bfloat16
    assert twin.exact().weights_hash == exact.random_twin(3).weights_hash


@pytest.mark.parametrize("name", ["wav2vec2-pre-ctc", "wavlm", "whisper"])
def test_the_random_twin(name):
    model = tiny_model(name)
    state = torch.random.get_rng_state()
    twin, again, other = (model.random_twin(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert twin.weights_hash == again.weights_hash
    assert len({model.weights_hash, twin.weights_hash, other.weights_hash}) == 3
    shapes = [{key: t.shape for key, t in m.module.state_dict().items()} for m in (model, twin)]
    assert shapes[0] == shapes[1]
    assert type(twin.module) is type(model.module)
    assert not twin.module.training
    assert (twin.baseline, twin.seed, twin.grid) == ("random-init", 1, model.grid)
    assert twin.describe() == model.describe() | {
        "baseline": "random-init",
        "init_seed": 1,
        "weights_sha256": twin.weights_hash,
    }
    assert not torch.allclose(twin.states([sound(N)])[0], model.states([sound(N)])[0])
