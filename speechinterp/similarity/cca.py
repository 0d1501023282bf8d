"""Canonical correlations: which linear combinations of one view go with which of the other?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from speechinterp.errors import SimilarityError, check_choice
from speechinterp.representations import Moments, Representations
from speechinterp.similarity.compare import Chance, compared
from speechinterp.similarity.nulls import Null, Rotations
from speechinterp.similarity.views import Doubles, Other

__all__ = ["cca"]

Kind = Literal["svcca", "pwcca", "cca"]
RANK = 1e-10
"""Principal components with less variance than this share of the largest are none."""


def cca(
    reps: Representations,
    other: Other = None,
    *,
    kind: Kind = "svcca",
    variance: float = 0.99,
    null: Null = "shift",
    n_null: int = 20,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    r"""Compare layers by canonical correlation analysis.

    Parameters
    ----------
    reps, other, null, n_null, over, confidence, seed, baselines, progress
        As in :func:`speechinterp.similarity.cka`. Phone labels as the other side (``"label"``) are one column a phone.
    kind
        ``svcca``: the mean canonical correlation of the principal components that hold most of the variance;
        ``cca``: of all dimensions; ``pwcca``: of all, each weighted by how much it accounts for of the layer of `reps`.
    variance
        The share of variance that the components of ``svcca`` hold.

    Returns
    -------
    pandas.DataFrame
        As for :func:`speechinterp.similarity.cka`, and `heldout`: the mean correlation, on speakers that were left out,
        of the combinations found on the others. ``pwcca`` has a row for each order of two layers, since it is not
        symmetric.

    Raises
    ------
    SimilarityError
        If the two sides have no units in common, or an argument is not one of its values.

    Warns
    -----
    SimilarityWarning
        If chance is above 0.2: with n units, p and q independent dimensions correlate by about
        :math:`\sqrt{\max(p, q) / n}` and more; with n below p + q some correlate perfectly.

    Notes
    -----
    With :math:`S_{xx} = V \Lambda V^\top` and :math:`W_x = V \Lambda^{-1/2}`, the correlations
    :math:`\rho_1 \ge \rho_2 \ge \dots` are the singular values of :math:`W_x^\top S_{xy} W_y = A \rho B^\top`.
    ``pwcca`` is :math:`\sum_k \alpha_k \rho_k / \sum_k \alpha_k`, :math:`\alpha_k = \sum_j |\langle h_k, x_j \rangle| =
    \sum_j |(S_{xx} W_x A)_{jk}|`, :math:`h_k` the k-th canonical variable of the first side and :math:`x_j` its
    columns. `heldout` is the mean over k of the correlation of the k-th variables, about the means of the other
    speakers, averaged over speakers by their numbers of units; it can be below 0.

    References
    ----------
    Raghu, M., et al. (2017). SVCCA: singular vector canonical correlation analysis for deep learning dynamics and
    interpretability. NeurIPS. Morcos, A., Raghu, M., & Bengio, S. (2018). Insights on representational similarity
    in neural networks with canonical correlation. NeurIPS.
    """
    check_choice("kind", kind, get_args(Kind), SimilarityError)
    if not 0 < variance <= 1:
        raise SimilarityError(
            f"variance is {variance}", expected="a share above 0, up to 1", fix="variance=0.99"
        )
    return compared(
        reps, other, _Canonical(kind, variance), null=null, n_null=n_null, over=over, confidence=confidence, seed=seed,
        baselines=baselines, progress=progress,
    )  # fmt: skip


class _Own(NamedTuple):
    """A side's whitening [shape=(p, k)], and what its columns have in common with the whitened ones."""

    white: Doubles
    loadings: Doubles


class _Canonical:
    """Canonical correlations as a function of moments."""

    def __init__(self, kind: Kind, variance: float) -> None:
        self.name: str = kind
        self.variance = variance if kind == "svcca" else 1.0
        self.symmetric = kind != "pwcca"

    def own(self, moments: Moments, view: str) -> _Own:
        power, axes = np.linalg.eigh(moments.cross(view, view))
        power, axes = power[::-1], axes[:, ::-1]
        before = np.concatenate([[0], np.cumsum(power)[:-1]]) / power.sum()
        keep = (power > RANK * power[0]) & (before < self.variance)
        spread = np.sqrt(power[keep])
        return _Own(axes[:, keep] / spread, axes[:, keep] * spread)

    def score(self, moments: Moments, own: _Own, other: _Own) -> float:
        return self._mean(own.white.T @ moments.cross("a", "b") @ other.white, own)

    def rows(self, centred: Doubles, own: _Own) -> Doubles:
        return centred @ own.white

    def drawn(self, chance: Chance, own: _Own, other: _Own) -> float:
        return self._mean(chance.cross, own)

    def expected(self, null: Null, x: Rotations, y: Rotations, own: _Own, other: _Own) -> None:
        return None

    def heldout(self, train: Moments, a: Doubles, b: Doubles, own: _Own, other: _Own) -> float:
        left, _, right = np.linalg.svd(own.white.T @ train.cross("a", "b") @ other.white, full_matrices=False)
        x = (a - train.mean("a")) @ own.white @ left
        y = (b - train.mean("b")) @ other.white @ right.T
        size = np.sqrt(np.sum(x**2, axis=0) * np.sum(y**2, axis=0))
        return float(np.mean(np.sum(x * y, axis=0) / np.where(size > 0, size, 1)))

    def _mean(self, whitened: Doubles, own: _Own) -> float:
        if self.name != "pwcca":
            return float(np.minimum(np.linalg.svd(whitened, compute_uv=False), 1).mean())
        left, correlations, _ = np.linalg.svd(whitened, full_matrices=False)
        weights = np.abs(own.loadings @ left).sum(axis=0)
        return float(np.minimum(correlations, 1) @ weights / weights.sum())
