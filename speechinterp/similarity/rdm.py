"""Representational similarity of labels: one mean vector a label, ranks if wanted, and how good it can get."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError
from speechinterp.representations import Representations
from speechinterp.similarity.jackknife import jackknife
from speechinterp.similarity.rsa import cosine, likeness_of
from speechinterp.similarity.views import Doubles, Integers, clusters, paired

__all__ = ["noise_ceiling", "rsa_of_labels"]

Correlation = Literal["pearson", "spearman"]
FEWEST_LABELS = 4


def rsa_of_labels(
    reps: Representations,
    other: pd.DataFrame | Representations,
    *,
    on: str = "label",
    correlation: Correlation = "spearman",
    n_null: int = 1000,
    over: str = "speaker",
    confidence: float = 0.95,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
) -> pd.DataFrame:
    """Correlate how alike the mean vectors of labels are with another likeness of labels.

    Parameters
    ----------
    reps, over, confidence, seed, baselines
        As in :func:`speechinterp.similarity.cka`.
    other
        A table indexed by label: square with labels in both directions (a likeness, such as
        :func:`~speechinterp.similarity.feature_similarity`), or one row of numbers a label (word embeddings), whose
        cosines are taken; or other representations of the same units.
    on
        The column that holds the labels.
    correlation
        ``spearman`` or ``pearson``, over all pairs of two labels.
    n_null
        How often labels are exchanged on one side for the null (a Mantel test).

    Returns
    -------
    pandas.DataFrame
        As for :func:`speechinterp.similarity.rsa`, with `n` the number of labels.

    Raises
    ------
    SimilarityError
        If there are fewer than four labels on both sides, or an argument is not one of its values.

    References
    ----------
    Kriegeskorte, N., Mur, M., & Bandettini, P. (2008). Representational similarity analysis. Frontiers in Systems
    Neuroscience 2. Mantel, N. (1967). The detection of disease clustering and a generalized regression approach.
    Cancer Research 27.
    """
    _check(correlation)
    rows: list[tuple[Any, ...]] = []
    record: dict[Any, Any] = {}
    for name, source in {"none": reps, **(baselines or {})}.items():
        both = isinstance(other, Representations)
        units, first, second = paired(source, other if both else None)
        labels, codes = _labels(units, on)
        speakers, what = clusters(units, over, seed)
        record = record or {
            "measure": f"rsa-labels-{correlation}", "clusters": what, "n_clusters": int(speakers.max()) + 1,
            "confidence": confidence, "seed": seed, "null": "permutation", "n_null": n_null,
        }  # fmt: skip
        if second is not None:
            theirs: dict[int | None, _Sums | Doubles] = {
                layer: _Sums(second.read(layer), codes, speakers) for layer in second.layers
            }
        else:
            assert isinstance(other, pd.DataFrame)
            table = other.set_axis(other.index.astype(str), axis=0)
            known = np.isin(labels, table.index)
            given = np.full((len(labels), len(labels)), np.nan)
            given[np.ix_(known, known)] = _matrix(labels[known], table)
            theirs = {None: given}
        for layer in first.layers:
            mine = _Sums(first.read(layer), codes, speakers)
            for other_layer, side in theirs.items():
                scores = []
                for out in range(-1, int(speakers.max()) + 1):
                    x, y = mine.likeness(out), side if isinstance(side, np.ndarray) else side.likeness(out)
                    scores.append(_correlated(x, y, correlation))
                    if out < 0:
                        draws, n = _mantel(x, y, correlation, n_null, seed)
                low, high = jackknife(scores[0], np.array(scores[1:]), confidence)
                title = second.name if second else on
                chance = float(draws.mean()), float(np.quantile(draws, confidence))
                rows.append(
                    (
                        first.name,
                        layer,
                        title,
                        other_layer,
                        record["measure"],
                        scores[0],
                        low,
                        high,
                        *chance,
                        n,
                        name,
                    )
                )
    columns = ["model", "layer", "other", "other_layer", "measure", "score", "ci_low", "ci_high", "null", "null_high",
               "n", "baseline"]  # fmt: skip
    result = pd.DataFrame(rows, columns=columns).astype({"layer": "Int64", "other_layer": "Int64"})
    result.attrs = record | {"representations": dict(reps.meta)}
    return result


def noise_ceiling(
    reps: Representations, *, on: str = "label", correlation: Correlation = "spearman"
) -> pd.DataFrame:
    """Return how well speakers agree on which labels are alike: what no other likeness of labels can exceed.

    Parameters
    ----------
    reps
        The units.
    on
        The column that holds the labels.
    correlation
        As in :func:`rsa_of_labels`.

    Returns
    -------
    pandas.DataFrame
        One row a layer: `lower`, the mean correlation of a speaker's likeness of labels with that of all others
        together, `upper`, with that of all speakers, and the number of speakers.

    Raises
    ------
    SimilarityError
        If there are fewer than two speakers.

    References
    ----------
    Nili, H., et al. (2014). A toolbox for representational similarity analysis. PLoS Computational Biology 10(4).
    """
    _check(correlation)
    units, side, _ = paired(reps, None)
    _, codes = _labels(units, on)
    if "speaker" not in units or units["speaker"].isna().any() or units["speaker"].nunique() < 2:
        raise SimilarityError(
            "a noise ceiling without speakers",
            expected="at least two speakers, and a speaker for every unit",
            cause="a recording session of one speaker, or a corpus that does not name them",
            fix="more speakers",
        )
    speakers = pd.factorize(units["speaker"])[0].astype(np.int64)
    rows = []
    for layer in side.layers:
        sums = _Sums(side.read(layer), codes, speakers)
        alone = [sums.likeness_of(speaker) for speaker in range(int(speakers.max()) + 1)]
        lower = [_correlated(x, sums.likeness(speaker), correlation) for speaker, x in enumerate(alone)]
        upper = [_correlated(x, sums.likeness(-1), correlation) for x in alone]
        rows.append((side.name, layer, np.nanmean(lower), np.nanmean(upper), len(alone)))
    return pd.DataFrame(rows, columns=["model", "layer", "lower", "upper", "n_speakers"])


class _Sums:
    """Sums of the vectors of every label by every speaker."""

    def __init__(self, rows: Doubles, codes: Integers, speakers: Integers) -> None:
        known = codes >= 0
        shape = (int(speakers.max()) + 1, int(codes.max()) + 1)
        cell = speakers[known] * shape[1] + codes[known]
        self.counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        sums = np.zeros((shape[0] * shape[1], rows.shape[1]))
        np.add.at(sums, cell, rows[known])
        self.sums = sums.reshape(*shape, -1)

    def likeness(self, out: int) -> Doubles:
        """Return the cosine of the means of two labels without a speaker; -1 takes all."""
        use = np.arange(len(self.counts)) != out
        return _cosines(self.sums[use].sum(axis=0), self.counts[use].sum(axis=0))

    def likeness_of(self, speaker: int) -> Doubles:
        """Return the same for one speaker."""
        return _cosines(self.sums[speaker], self.counts[speaker])


def _cosines(sums: Doubles, counts: Integers) -> Doubles:
    """Return the cosines of means; labels without units are missing."""
    means = np.full(sums.shape, np.nan)
    means[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
    rows = cosine(means[counts > 0]).phi
    found = np.full((len(counts), len(counts)), np.nan)
    found[np.ix_(counts > 0, counts > 0)] = rows @ rows.T
    return found


def _matrix(labels: npt.NDArray[np.str_], table: pd.DataFrame) -> Doubles:
    likeness = likeness_of(pd.Series(labels), table)
    left = likeness.phi if likeness.inner is None else likeness.phi @ likeness.inner
    right = likeness.phi
    product = left @ right.T
    return np.asarray(product.toarray() if hasattr(product, "toarray") else product)


def _labels(units: pd.DataFrame, on: str) -> tuple[npt.NDArray[np.str_], Integers]:
    if on not in units:
        raise SimilarityError(
            f"the units have no column {on!r}", expected=", ".join(units.columns), fix="on='label'"
        )
    codes, names = pd.factorize(units[on].astype(str).where(units[on].notna()), sort=True)
    return np.asarray(names, dtype=str), codes.astype(np.int64)


def _correlated(x: Doubles, y: Doubles, correlation: Correlation) -> float:
    upper = np.triu_indices(len(x), 1)
    a, b = x[upper], y[upper]
    both = np.isfinite(a) & np.isfinite(b)
    return _r(a[both], b[both], correlation)


def _r(a: Doubles, b: Doubles, correlation: Correlation) -> float:
    if correlation == "spearman":
        from scipy.stats import rankdata

        a, b = rankdata(a), rankdata(b)
    if len(a) < 2 or not a.std() or not b.std():
        return np.nan
    return float(np.corrcoef(a, b)[0, 1])


def _mantel(x: Doubles, y: Doubles, correlation: Correlation, draws: int, seed: int) -> tuple[Doubles, int]:
    """Exchange the labels of one side; those that both sides have."""
    kept = np.flatnonzero(np.isfinite(np.diag(x)) & np.isfinite(np.diag(y)))
    if len(kept) < FEWEST_LABELS:
        raise SimilarityError(
            f"{len(kept)} labels are on both sides",
            expected=f"at least {FEWEST_LABELS}",
            cause="a table of another inventory, or labels spelled differently",
            fix="a table with the labels of these units",
        )
    x, y = x[np.ix_(kept, kept)], y[np.ix_(kept, kept)]
    random = np.random.default_rng(seed)
    orders = (random.permutation(len(kept)) for _ in range(draws))
    return np.array([_correlated(x, y[order][:, order], correlation) for order in orders]), len(kept)


def _check(correlation: str) -> None:
    if correlation not in ("pearson", "spearman"):
        raise SimilarityError(
            f"correlation {correlation!r}", expected="pearson or spearman", fix="correlation='spearman'"
        )
