"""Paths of a CTC target: sums and best spans against all paths, one by one; who owns the blanks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from speechinterp.models.targets.ctc_paths import best_spans, path_sum, territories


def collapsed(path, blank) -> list[int]:
    return [s for i, s in enumerate(path) if s != blank and (i == 0 or path[i - 1] != s)]


@pytest.mark.parametrize("symbols", [[1], [1, 2], [1, 1], [2, 1, 2]])
def test_path_sum_and_best_path_equal_all_paths_one_by_one(symbols):
    said = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(len(symbols)))
    said = said.log_softmax(-1)
    paths = [p for p in itertools.product(range(3), repeat=5) if collapsed(p, 0) == symbols]
    totals = [sum(float(said[t, s]) for t, s in enumerate(path)) for path in paths]
    assert float(path_sum(said[None], symbols, 0)) == pytest.approx(np.logaddexp.reduce(totals), abs=1e-10)
    best = paths[int(np.argmax(totals))]
    spans, frames = best_spans(said.numpy(), symbols, 0), [0] * 5
    for symbol, (a, b) in zip(symbols, spans, strict=True):
        frames[a:b] = [symbol] * (b - a)
    assert tuple(frames) == best


def test_the_gradient_of_a_path_sum_is_that_of_the_logits():
    logits = torch.randn(
        6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True
    )
    torch.autograd.gradcheck(lambda x: path_sum(x.log_softmax(-1)[None], [1, 3], 0), logits)


def test_territories_share_out_the_blanks():
    assert territories([(2, 3), (6, 8), (8, 9)], 12) == [(0, 4), (4, 8), (8, 12)]
