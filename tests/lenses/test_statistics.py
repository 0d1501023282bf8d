"""Statistics of predictions, one number at a time."""

from __future__ import annotations

import pytest
import torch
from lenses.reference import entropy, kl, settled_from, softmax

from speechinterp.lenses.statistics import predictions


def test_every_number_is_that_of_its_formula():
    logits = torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(0)) * 2
    logits[3, :4] = logits[4, :4]  # settles early at some steps
    logits[2, :2] = logits[4, :2]
    seen = predictions(iter(logits), logits[-1])
    for step in range(7):
        p = [softmax(logits[layer, step].tolist()) for layer in range(5)]
        best = [max(range(4), key=row.__getitem__) for row in p]
        assert seen.depth[step] == settled_from(best)
        for layer in range(5):
            assert seen.best[layer, step] == best[layer]
            assert float(seen.log_prob[layer, step].exp()) == pytest.approx(max(p[layer]))
            assert float(seen.entropy[layer, step]) == pytest.approx(entropy(p[layer]))
            assert float(seen.kl[layer, step]) == pytest.approx(kl(p[4], p[layer]), abs=1e-9)
            assert float(seen.top_log_prob[layer, step].exp()) == pytest.approx(p[layer][best[4]])
            assert bool(seen.agrees[layer, step]) == (best[layer] == best[4])
            assert bool(seen.settled[layer, step]) == (layer >= settled_from(best))
    assert len(set(seen.depth.tolist())) > 1
