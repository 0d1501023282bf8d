"""A trajectory is what every layer says at every step, and the same numbers as the lens."""

from __future__ import annotations

import pytest
from tiny_vocabulary import reading_model

import speechinterp as si


def test_a_trajectory_shows_every_step(model, words):
    data = si.lenses.trajectory(model, words[0])
    row = si.lenses.logit(model, words.subset([words.ids[0]])).sort_values("layer")
    assert data.sizes == {"layer": 3, "step": row.steps.iloc[0]}
    assert data.kl.mean("step").values == pytest.approx(row.kl.to_numpy())
    assert data.agreement.mean("step").values == pytest.approx(row.agreement.to_numpy())
    assert data.symbol.values[-1].tolist() == data.token.values.tolist()
    ctc = reading_model("data2vec-ctc")
    data = si.lenses.trajectory(ctc, words[0])
    assert data.time.values == pytest.approx(ctc.frames(words[0]).times)
    assert set(data.symbol.values.ravel()) <= {"", *ctc.vocabulary.symbols}
    settled = [int(d) for d in data.depth]
    for step, first in enumerate(settled):
        assert data.agreement.values[first:, step].all()
        assert first == 0 or not data.agreement.values[first - 1, step]
