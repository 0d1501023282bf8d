"""Procrustes: how much of one view is left when the other is rotated onto it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from speechinterp.representations import Moments, Representations
from speechinterp.similarity.compare import Chance, compared
from speechinterp.similarity.nulls import Null, Rotations
from speechinterp.similarity.views import Doubles, Other

__all__ = ["procrustes"]


def procrustes(
    reps: Representations,
    other: Other = None,
    *,
    null: Null = "shift",
    n_null: int = 20,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    r"""Compare layers by the best rotation of one onto the other.

    Parameters
    ----------
    reps, other, null, n_null, over, confidence, seed, baselines, progress
        As in :func:`speechinterp.similarity.cka`.

    Returns
    -------
    pandas.DataFrame
        As for :func:`speechinterp.similarity.cka`. The score is 1 for two views that differ by a rotation, a shift and
        one scale; ``2 - 2 * score`` is the squared Procrustes distance of the two, each scaled to norm 1, and
        ``arccos(score)`` their angle.

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
    With centred :math:`X` and :math:`Y` and the nuclear norm (the sum of singular values),

    .. math:: \max_{Q^\top Q = I} \frac{\mathrm{tr}(Q^\top X^\top Y)}{\lVert X \rVert_F \lVert Y \rVert_F}
              = \frac{\lVert X^\top Y \rVert_*}{\lVert X \rVert_F \lVert Y \rVert_F}.

    References
    ----------
    Schönemann, P. H. (1966). A generalized solution of the orthogonal Procrustes problem. Psychometrika 31(1).
    Ding, F., Denain, J.-S., & Steinhardt, J. (2021). Grounding representation similarity through statistical
    testing. NeurIPS. Williams, A. H., et al. (2021). Generalized shape metrics on neural representations. NeurIPS.
    """
    return compared(
        reps, other, _Rotated(), null=null, n_null=n_null, over=over, confidence=confidence, seed=seed,
        baselines=baselines, progress=progress,
    )  # fmt: skip


class _Rotated:
    """Procrustes similarity as a function of moments; what a side contributes alone is its norm."""

    name = "procrustes"
    symmetric = True

    def own(self, moments: Moments, view: str) -> float:
        return float(np.sqrt(np.trace(moments.cross(view, view))))

    def score(self, moments: Moments, own: float, other: float) -> float:
        return self._value(moments.cross("a", "b"), own, other)

    def rows(self, centred: Doubles, own: float) -> Doubles:
        return centred

    def drawn(self, chance: Chance, own: float, other: float) -> float:
        return self._value(chance.cross, own, other)

    def expected(self, null: Null, x: Rotations, y: Rotations, own: float, other: float) -> None:
        return None

    def heldout(self, train: Moments, a: Doubles, b: Doubles, own: float, other: float) -> None:
        return None

    def _value(self, cross: Doubles, own: float, other: float) -> float:
        return float(np.linalg.svd(cross, compute_uv=False).sum() / (own * other))
