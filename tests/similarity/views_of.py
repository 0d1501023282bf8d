"""Representations with a known relation, for the tests of similarity."""

from __future__ import annotations

import numpy as np
import pandas as pd

from speechinterp.representations import Representations


def timed(sizes, speakers=4):
    """Make units of utterances with so many units each, in the order of time."""
    rows = []
    for u, size in enumerate(sizes):
        for i in range(size):
            rows.append({"utterance": f"u{u:03}", "speaker": f"s{u % speakers}", "label": "aiou"[(u * 7 + i * 3) % 4],
                         "start": 0.1 * i, "end": 0.1 * (i + 1)})  # fmt: skip
    return pd.DataFrame(rows)


def views(units, *matrices, model="demo/x", **meta):
    """Make representations of matrices of one width, a layer each."""
    return Representations.of(units, np.stack(matrices).astype(np.float32), {"model": model, **meta})


def related(n_utterances=12, size=20, p=6, q=4, strength=1.0, seed=0, speakers=4):
    """Make two matrices that share a few dimensions."""
    random = np.random.default_rng(seed)
    units = timed([size] * n_utterances, speakers)
    shared = random.normal(size=(len(units), 3))
    x, y = (
        strength * shared @ random.normal(size=(3, d)) + random.normal(size=(len(units), d)) + 5
        for d in (p, q)
    )
    return units, x, y
