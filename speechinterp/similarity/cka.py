"""Centred kernel alignment: do two views tell the same units apart?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from speechinterp.errors import SimilarityError
from speechinterp.representations import Moments, Representations
from speechinterp.similarity.compare import Chance, compared
from speechinterp.similarity.nulls import Null, Rotations, shift_mean
from speechinterp.similarity.rbf import compared_by_rbf
from speechinterp.similarity.views import Doubles, Other

__all__ = ["cka"]

TAIL = 1e-3
"""How much of a side's own HSIC (as a norm) may be left out of what the null is drawn from."""


def cka(
    reps: Representations,
    other: Other = None,
    *,
    kernel: Literal["linear", "rbf"] = "linear",
    debiased: bool = True,
    null: Null = "shift",
    n_null: int = 50,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    bandwidth: float = 1.0,
    max_units: int = 2000,
    baselines: Mapping[str, Representations] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    r"""Compare layers by centred kernel alignment (CKA).

    Parameters
    ----------
    reps
        The representations whose layers are compared.
    other
        With what: other representations (a model, MFCC), one row of numbers a unit (articulatory channels), a
        table with one row a label (phone features, word embeddings), a column of the units, or None for the
        layers among each other.
    kernel
        ``linear``, or ``rbf``: Gaussian.
    debiased
        Take the debiased estimator of HSIC. The biased one is near 1 for few units in many dimensions, whatever
        they are.
    null
        What chance is: ``shift`` rotates the units of every utterance in time, which keeps how alike neighbours,
        utterances and speakers are; ``permutation`` exchanges all units, and is taken
        where a rotation moves nothing: one unit an utterance, or a column that is the same in the whole utterance.
    n_null
        Number of draws for `null_high`.
    over
        What is left out in turn for the interval: ``speaker`` (utterances where there are not two), or a column.
    confidence
        Of the interval, and the quantile of the draws that `null_high` is.
    seed
        Of the draws.
    bandwidth
        Of the Gaussian kernel, in medians of the distances of units.
    max_units
        The Gaussian kernel takes as many whole utterances, drawn at random, as have at most so many units.
    baselines
        More representations of the same units by name, such as the random twin, compared in the same way.
    progress
        Called with (pairs done, pairs in all).

    Returns
    -------
    pandas.DataFrame
        One row a pair of layers: `score`, its interval `ci_low` to `ci_high`, the mean of the null as `null`, and its
        upper quantile as `null_high`. For the linear kernel that mean is exact: over all rotations or permutations.

    Raises
    ------
    SimilarityError
        If the two sides have no units in common, or an argument is not one of its values.

    Warns
    -----
    SimilarityWarning
        If chance is above 0.2.

    Notes
    -----
    With centred :math:`X` and :math:`Y`,

    .. math:: \mathrm{CKA} = \frac{\lVert X^\top Y \rVert_F^2}{\lVert X^\top X \rVert_F \lVert Y^\top Y \rVert_F}
              \quad\text{or, debiased,}\quad
              \frac{\mathrm{HSIC}_1(X, Y)}{\sqrt{\mathrm{HSIC}_1(X, X) \, \mathrm{HSIC}_1(Y, Y)}}.

    Both come from streaming sums (:mod:`speechinterp.representations.statistics`), the interval by subtracting
    speakers from them. Draws of the null are made of leading principal components only, which lowers them by about
    0.002 at most.

    References
    ----------
    Kornblith, S., et al. (2019). Similarity of neural network representations revisited. ICML. Song, L., et al.
    (2012). Feature selection via dependence maximization. JMLR 13. Murphy, A., et al. (2024). Correcting biased
    centered kernel alignment measures in biological and artificial neural networks. arXiv 2405.01012.
    """
    settings: dict[str, Any] = {
        "null": null,
        "n_null": n_null,
        "over": over,
        "confidence": confidence,
        "seed": seed,
        "baselines": baselines,
        "progress": progress,
    }
    if kernel == "linear":
        return compared(reps, other, _Linear(debiased), **settings)
    if kernel == "rbf":
        return compared_by_rbf(
            reps, other, debiased=debiased, bandwidth=bandwidth, max_units=max_units, **settings
        )
    raise SimilarityError(f"kernel {kernel!r}", expected="linear or rbf", fix="kernel='linear'")


class _Own(NamedTuple):
    norm: float
    trace: float
    n_units: int


class _Linear:
    """CKA with the linear kernel as a function of moments."""

    symmetric = True

    def __init__(self, debiased: bool) -> None:
        self.debiased = debiased
        self.name = "cka" if debiased else "cka-biased"

    def own(self, moments: Moments, view: str) -> _Own:
        cross = moments.cross(view, view)
        norm = moments.hsic(view, view) if self.debiased else float(np.linalg.norm(cross)) ** 2
        return _Own(np.sqrt(norm) if norm > 0 else np.nan, float(np.trace(cross)), moments.count)

    def score(self, moments: Moments, own: _Own, other: _Own) -> float:
        shared = moments.hsic("a", "b") if self.debiased else np.sum(moments.cross("a", "b") ** 2)
        return float(shared / (own.norm * other.norm))

    def rows(self, centred: Doubles, own: _Own) -> Doubles:
        wide = centred.shape[1] > len(centred)
        power, axes = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
        tail = np.sqrt(np.cumsum(power**2))
        keep = tail > TAIL * tail[-1]
        return axes[:, keep] * np.sqrt(power[keep]) if wide else centred @ axes[:, keep]

    def drawn(self, chance: Chance, own: _Own, other: _Own) -> float:
        return self._value(float(np.sum(chance.cross**2)), chance.norms, own, other)

    def expected(self, null: Null, x: Rotations, y: Rotations, own: _Own, other: _Own) -> float:
        if null == "shift":
            return self._value(*shift_mean(x, y), own, other)
        if self.debiased:
            return 0.0
        return own.trace * other.trace / ((own.n_units - 1) * own.norm * other.norm)

    def heldout(self, train: Moments, a: Doubles, b: Doubles, own: _Own, other: _Own) -> None:
        return None

    def _value(self, squared: float, norms: float, own: _Own, other: _Own) -> float:
        """Return CKA from the squared norm of the cross-products and the sum of products of squared norms."""
        if self.debiased:
            n = own.n_units
            squared += own.trace * other.trace / ((n - 1) * (n - 2)) - n / (n - 2) * norms
            squared /= n * (n - 3)
        return squared / (own.norm * other.norm)
