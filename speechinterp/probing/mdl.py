r"""Minimum description length: how many bits the labels cost somebody who sees the vectors.

Notes
-----
Online (prequential) coding: the units come in blocks that grow from 0.1 % to half of all. The labels of a block are
sent with the probabilities :math:`p_t` of classifiers trained on the blocks before,

.. math:: L = \sum_t \sum_{i \in t} -\log_2 p_t(y_i \mid x_i),

compared with :math:`n \log_2 K` bits without any model: compression is :math:`n \log_2 K / L`. A label that is easy to
learn, from few units, costs less than one that is only learnt from all of them, which accuracy does not tell apart.

:math:`p_t` is the Bayesian mixture of logistic regressions of all regularisers, of the label counts so far and of the
uniform distribution, weighted by how well each has coded what came before. So no regulariser has to be chosen with
labels that are not sent yet, and the code is never more than :math:`\log_2` (number of experts) bits longer than the
best expert's, hence than the uniform code. A label not seen yet is left a probability of
:math:`K / (n_{\mathrm{seen}} + K)`, shared among labels by their counts.

References
----------
Voita, E., & Titov, I. (2020). Information-theoretic probing with minimum description length. EMNLP. Blier, L., &
Ollivier, Y. (2018). The description length of deep learning models. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import log_softmax, logsumexp

from speechinterp.probing.folds import Integers, codes, groups_of
from speechinterp.probing.linear import Doubles, scale_of
from speechinterp.probing.logistic import Logistic
from speechinterp.probing.plan import Plan, make_plan
from speechinterp.probing.scores import resamples
from speechinterp.probing.table import Row, check_confidence, table
from speechinterp.representations import Representations

__all__ = ["description_length"]

SHARES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0)
"""Where blocks end, as shares of all units."""


def description_length(
    reps: Representations,
    target: str = "label",
    folds: str = "speaker",
    *,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Measure by online coding how easily a label is learnt from each layer.

    Parameters
    ----------
    reps, target, seed, baselines, confidence, device, progress
        As in :func:`speechinterp.probe`.
    folds
        The order in which units are sent: whole speakers, ``"utterance"`` or another column, one after the
        other in a random order, so that what is learnt serves new ones; or ``"random"``.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`; metrics are ``codelength`` in bits and ``compression``, to which 1
        is the uniform code. ``majority`` codes with label counts alone; for ``shuffled-labels`` labels are permuted.
        Intervals resample speakers, without refitting.

    Raises
    ------
    ProbeError
        As for :func:`speechinterp.probe`.
    """
    check_confidence(confidence)
    plan = make_plan(reps, target, folds, n_folds=2, seed=seed, baselines=baselines)
    order = _order(plan, folds, seed)
    shuffled = np.random.default_rng(seed).permutation(plan.study.labels)
    found: list[tuple[str, int | None, Doubles]] = []
    controls: list[tuple[str, int | None, Doubles]] = []
    for done, (layer, stream) in enumerate(plan.streams()):
        features = plan.features(stream)[order]
        found.append((stream.baseline, layer, bits(features, plan.study.labels[order], device)))
        if stream.baseline == "none":
            controls.append(("shuffled-labels", layer, bits(features, shuffled[order], device)))
        if progress is not None:
            progress(done + 1, plan.n_layers)
    nothing = np.zeros((len(order), 0), dtype=np.float32)
    found += [*controls, ("majority", None, bits(nothing, plan.study.labels[order], device))]
    rows = [
        row
        for one in found
        for row in _rows(*one, clusters=plan.clusters[order], plan=plan, confidence=confidence)
    ]
    scores = table(rows, plan, target=target, probe="mdl", confidence=confidence)
    uniform = len(order) * np.log2(plan.study.n_classes)
    scores.attrs |= {"uniform_codelength": float(uniform), "blocks": [int(n) for n in _ends(len(order))]}
    scores.attrs.pop("n_folds")
    return scores


def _order(plan: Plan, folds: str, seed: int) -> Integers:
    """Put whole groups into a random order, and the units of each too [shape=(units,)]."""
    random = np.random.default_rng(seed)
    groups, _ = groups_of(plan.units, folds)
    place = random.permutation(int(groups.max()) + 1)[codes(groups)]
    return np.lexsort((random.permutation(len(groups)), place)).astype(np.int64)


def _ends(n_units: int) -> Integers:
    return np.unique(np.maximum(1, np.round(np.array(SHARES) * n_units).astype(np.int64)))


def bits(features: npt.NDArray[np.float32], labels: Integers, device: str = "cpu") -> Doubles:
    """Return what every label costs, in bits, in the order of sending [shape=(units,)].

    Parameters
    ----------
    features
        Vectors [shape=(units, dimensions)]; without dimensions, label counts alone are used.
    labels
        Class numbers from 0, all of which occur [shape=(units,)].
    device
        Where logistic regression runs.
    """
    n_classes = int(labels.max()) + 1
    strengths = Logistic.strengths if features.shape[1] else ()
    weight = np.full(2 + len(strengths), -np.log(2 + len(strengths)))
    costs, start = np.zeros(len(labels)), 0
    for end in _ends(len(labels)):
        block = slice(start, end)
        seen = np.bincount(labels[:start], minlength=n_classes)
        counts = np.log((seen + 0.5) / (start + n_classes / 2))
        experts = [np.zeros(n_classes) - np.log(n_classes), counts]
        logs = [np.broadcast_to(expert, (end - start, n_classes)) for expert in experts]
        if strengths and np.count_nonzero(seen) > 1:
            logs += _learnt(features[:start], labels[:start], features[block], counts, device)
        else:
            logs += [logs[1]] * len(strengths)
        truth = np.stack([log[np.arange(end - start), labels[block]] for log in logs])
        path = weight[:, None] + np.concatenate([np.zeros((len(logs), 1)), truth.cumsum(axis=1)], axis=1)
        evidence = logsumexp(path, axis=0)
        costs[block] = -np.diff(evidence) / np.log(2)
        weight = path[:, -1] - evidence[-1]
        start = end
    return costs


def _learnt(
    old: npt.NDArray[np.float32], labels: Integers, new: npt.NDArray[np.float32], counts: Doubles, device: str
) -> list[Doubles]:
    """Give log-probabilities of all labels in a block, for every regulariser [shape=(units, classes)]."""
    mean = old.mean(axis=0, dtype=np.float64)
    spread = scale_of(mean, old.std(axis=0, dtype=np.float64))
    present, numbers = np.unique(labels, return_inverse=True)
    solver = Logistic(((old - mean) / spread).astype(np.float32), device=device)
    escape = np.log(len(counts) / (len(old) + len(counts)))
    logs = []
    for linear in solver.fit(numbers.astype(np.int64), len(present), Logistic.strengths):
        known = np.full((len(new), len(counts)), -np.inf)
        known[:, present] = log_softmax(linear((new - mean) / spread), axis=1)
        logs.append(np.logaddexp(known + np.log1p(-np.exp(escape)), counts + escape))
    return logs


def _rows(
    baseline: str, layer: int | None, costs: Doubles, *, clusters: Integers, plan: Plan, confidence: float
) -> list[Row]:
    """Sum bits, with intervals over clusters."""
    n, each = len(costs), np.log2(plan.study.n_classes)
    sizes, sums = np.bincount(clusters), np.bincount(clusters, weights=costs)
    low, high = np.nan, np.nan
    if len(sizes) > 1:
        drawn = resamples(len(sizes), plan.study.seed)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.quantile((drawn @ sums) / (drawn @ sizes), tails)
    mean = float(costs.mean())
    n_train = int(_ends(n)[-2]) if len(_ends(n)) > 1 else 0
    return [
        (layer, "codelength", mean * n, float(low * n), float(high * n), n_train, n, baseline),
        (layer, "compression", each / mean, float(each / high), float(each / low), n_train, n, baseline),
    ]
