"""Proximity: known values, parts that cancel, and shares with their sign."""

from __future__ import annotations

import pytest
import torch

from speechinterp.mixing.proximity import proximity, signed_shares


@pytest.mark.parametrize(
    ("parts", "whole", "shares"),
    [
        ([(1, 1), (-1, 0), (2, 1)], (2, 2), (0.43613, 0, 0.56387)),
        ([(1, 1), (2, 2), (1, 1)], (4, 4), (0.25, 0.5, 0.25)),
        ([(1, 0), (-1, 0), (3, 0)], (3, 0), (0.25, 0, 0.75)),
    ],
)
def test_known_values_of_the_proximity(parts, whole, shares):
    parts, whole = (torch.tensor(x, dtype=torch.float64) for x in (parts, whole))
    assert proximity(parts, whole, order=2).tolist() == pytest.approx(shares, abs=1e-5)


def test_large_parts_that_cancel_leave_shares_that_can_be_told():
    parts = torch.tensor([[10.0], [-9.0]], dtype=torch.float64)
    assert proximity(parts, torch.tensor([1.0], dtype=torch.float64)).tolist() == [1, 0]
    nothing = proximity(torch.zeros(3, 4), torch.zeros(4))
    assert nothing.tolist() == pytest.approx([1 / 3] * 3)


def test_signed_shares_sum_to_one_and_are_the_limit_of_small_parts():
    generator = torch.Generator().manual_seed(0)
    parts = torch.randn(400, 60, generator=generator, dtype=torch.float64) + 0.3
    signed, near = signed_shares(parts, parts.sum(0)), proximity(parts, parts.sum(0))
    assert signed.sum() == pytest.approx(1)
    ahead = signed.clamp_min(0) / signed.clamp_min(0).sum()
    assert (near - ahead).abs().max() < 0.1 * near.max()
    assert (signed < 0).any()
