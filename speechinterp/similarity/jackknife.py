"""Intervals: every speaker is left out in turn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["jackknife"]

Doubles = npt.NDArray[np.float64]


def jackknife(score: float, without: Doubles, confidence: float = 0.95) -> tuple[float, float]:
    r"""Return the interval of a score from its values without one speaker each.

    Parameters
    ----------
    score
        Of all speakers.
    without
        The score without the first, the second, ... speaker [shape=(speakers,)].
    confidence
        The share of such intervals that hold the true value.

    Returns
    -------
    low, high
        Missing with fewer than two speakers.

    Notes
    -----
    The variance is :math:`\frac{G-1}{G} \sum_g (\theta_{-g} - \bar\theta)^2`, and the interval is Student's with
    G - 1 degrees of freedom. Resampling speakers with replacement would compare units with copies of themselves,
    which look alike in every view, and so push every measure of similarity up; leaving speakers out does not.

    References
    ----------
    Efron, B., & Stein, C. (1981). The jackknife estimate of variance. The Annals of Statistics 9(3).
    """
    from scipy.stats import t

    kept = without[np.isfinite(without)]
    if len(kept) < 2 or not np.isfinite(score):
        return np.nan, np.nan
    deviation = np.sqrt((len(kept) - 1) / len(kept) * np.sum((kept - kept.mean()) ** 2))
    half = float(t.ppf((1 + confidence) / 2, len(kept) - 1)) * deviation
    return float(score - half), float(score + half)
