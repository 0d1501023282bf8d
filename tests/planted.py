"""Units of known labels, and vectors in which they are planted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from speechinterp.representations import Representations

NAMES = np.array(["a", "i", "u", "ə", "e", "o"])


def planted(
    strengths=(0.0, 2.0), *, n=480, speakers=8, classes=4, dimensions=12, seed=0, meta=None
) -> Representations:
    """Make one layer for each strength, in which classes are that far apart; ten units an utterance."""
    rng = np.random.default_rng(seed)
    speaker = np.arange(n) * speakers // n
    labels = rng.integers(classes, size=n)
    units = pd.DataFrame(
        {
            "utterance": [f"s{s}/u{i // 10:03d}" for i, s in enumerate(speaker)],
            "speaker": [f"s{s}" for s in speaker],
            "tier": "phones",
            "label": NAMES[labels],
            "start": 0.1 * (np.arange(n) % 10),
            "end": 0.1 * (np.arange(n) % 10) + 0.1,
        }
    )
    means = rng.normal(size=(classes, dimensions))
    noise = rng.normal(size=(len(strengths), n, dimensions))
    vectors = np.array(strengths)[:, None, None] * means[labels] + noise
    return Representations.of(units, vectors.astype(np.float32), {"model": "demo/x"} | (meta or {}))


def score_of(scores: pd.DataFrame, metric: str = "accuracy", baseline: str = "none") -> pd.Series:
    """Return the scores of one metric and baseline, by layer."""
    return scores[(scores.metric == metric) & (scores.baseline == baseline)].set_index("layer").score
