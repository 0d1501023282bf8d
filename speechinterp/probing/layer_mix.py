r"""Scalar mix: one probe of all layers at once, and where in the model it finds what it reads.

Notes
-----
The probe sees one weighted sum of the standardised layers, learnt with it:

.. math:: z_i = \sum_l s_l x_i^{(l)}, \quad s = \mathrm{softmax}(a), \quad p(k \mid z) \propto \exp(w_k \cdot z + b_k).

Two summaries say where the information is. The centre of gravity :math:`\sum_l l \, s_l` looks at the weights. The
expected layer looks at scores: with :math:`A_l` the accuracy of the mix of layers 0 to :math:`l` and
:math:`\Delta_l = A_l - A_{l-1}`, it is :math:`\sum_{l \ge 1} l \Delta_l / \sum_{l \ge 1} \Delta_l`: the layer at which,
on average, what layer 0 could not tell is told.

References
----------
Tenney, I., Das, D., & Pavlick, E. (2019). BERT rediscovers the classical NLP pipeline. ACL. Peters, M. E., et al.
(2018). Deep contextualized word representations. NAACL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from speechinterp.errors import ProbeError
from speechinterp.probing.cross_validation import best_of, majority
from speechinterp.probing.descent import minimise
from speechinterp.probing.folds import Integers
from speechinterp.probing.linear import Doubles, scale_of
from speechinterp.probing.plan import MODELS, Plan, make_plan
from speechinterp.probing.scores import Counts, resamples
from speechinterp.probing.streaming import Stream
from speechinterp.probing.table import Row, accuracies, check_confidence, table
from speechinterp.representations import Representations

__all__ = ["ScalarMix", "mix_layers"]

STRENGTHS = (1e-3, 1e-2, 1e-1)
MAX_STEPS = 150

Floats = npt.NDArray[np.float32]


class Mixed(NamedTuple):
    """A trained mix: the share of each layer [shape=(layers,)], weights [shape=(d, classes)] and levels."""

    shares: Doubles
    weights: Doubles
    level: Doubles

    def __call__(self, layers: Floats) -> Doubles:
        """Return the scores of some units [shape=(units, classes)] from their layers [shape=(layers, units, d)]."""
        return np.tensordot(self.shares, layers.astype(np.float64), 1) @ self.weights + self.level


class ScalarMix:
    """Logistic regressions on a learnt mix of layers.

    Parameters
    ----------
    layers
        Standardised training vectors [shape=(layers, units, dimensions)].
    device
        Where it runs.
    """

    def __init__(self, layers: Floats, device: str = "cpu") -> None:
        self._layers = torch.as_tensor(layers, dtype=torch.float32, device=device)

    def fit(self, labels: Integers, n_classes: int, strength: float) -> Mixed:
        r"""Minimise :math:`C \sum_i -\log p(y_i \mid z_i) + \frac12 \lVert W \rVert^2` over W, b and a.

        Parameters
        ----------
        labels
            Class numbers from 0 to `n_classes` - 1 [shape=(units,)].
        n_classes
            The number of classes.
        strength
            The value of C.
        """
        layers, device = self._layers, self._layers.device
        target = torch.as_tensor(labels, device=device)
        a = torch.zeros(len(layers), device=device, requires_grad=True)
        w = torch.zeros(layers.shape[2], n_classes, device=device, requires_grad=True)
        b = torch.zeros(n_classes, device=device, requires_grad=True)

        def objective() -> torch.Tensor:
            logits = torch.tensordot(torch.softmax(a, 0), layers, 1) @ w + b
            loss = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
            return (loss + 0.5 / strength * (w * w).sum()) / len(target)

        minimise(objective, [a, w, b], MAX_STEPS, tolerance_grad=1e-5, tolerance_change=1e-7)
        shares = torch.softmax(a.detach().double(), 0)
        return Mixed(*(part.detach().double().cpu().numpy() for part in (shares, w, b)))


def mix_layers(
    reps: Representations,
    target: str = "label",
    folds: str | npt.ArrayLike = "speaker",
    *,
    n_folds: int = 4,
    seed: int = 0,
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    shared_speakers: bool = False,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Probe a learnt mix of all layers, and find where in the model a label is read.

    Parameters
    ----------
    reps, target, folds, n_folds, seed, baselines, confidence, shared_speakers, device, progress
        As in :func:`speechinterp.probe`; of the baselines, ``random-init`` alone has layers to mix.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`. At layer l, ``accuracy`` and ``balanced_accuracy`` are those of the
        mix of layers 0 to l, and ``weight`` is the share of layer l in the mix of all. Without a layer stand
        ``centre_of_gravity`` and ``expected_layer``; the interval of the first is the range over folds, that of
        the second resamples speakers. ``shuffled-labels`` is the mix of all layers.

    Raises
    ------
    ProbeError
        If there is one layer only, or as for :func:`speechinterp.probe`.
    """
    check_confidence(confidence)
    if len(reps.layers) < 2:
        raise ProbeError(
            f"There is {len(reps.layers)} layer to mix",
            expected="representations of two layers or more",
            cause="acoustic features, which have one",
            fix="probe='logistic'",
        )
    chosen = {name: rep for name, rep in (baselines or {}).items() if name in MODELS}
    plan = make_plan(
        reps, target, folds, n_folds=n_folds, seed=seed, baselines=chosen, shared_speakers=shared_speakers
    )
    steps, done = len(plan.sources) * plan.study.n_folds, 0
    rows: list[Row] = []
    guesses: list[tuple[str, int | None, Integers]] = []
    for name, (source, places) in plan.sources.items():
        layers = np.stack([plan.features(Stream(source, layer, places, name)) for layer in source.layers])
        found = np.zeros((len(layers), len(places)), dtype=np.int64)
        control, shares = np.zeros(len(places), dtype=np.int64), []
        for (train, test), shuffles in zip(plan.study.splits(), plan.study.shuffles(), strict=True):
            share, strength = _fold(layers, train, test, plan=plan, found=found, device=device)
            shares.append(share)
            if name == "none":
                mixed = _guess(layers, train, test, shuffles[0], strength=strength, device=device)
                control[test] = mixed[0]
            done += 1
            if progress is not None:
                progress(done, steps)
        guesses += [(name, layer, guess) for layer, guess in zip(source.layers, found, strict=True)]
        if name == "none":
            guesses.append(("shuffled-labels", None, control))
        rows += _summaries(name, source.layers, np.array(shares), found, plan=plan, confidence=confidence)
    guesses.append(("majority", None, majority(plan.study)))
    return table(
        accuracies(guesses, plan, confidence) + rows, plan, target=target, probe="mix", confidence=confidence
    )


def _fold(
    layers: Floats, train: Integers, test: Integers, *, plan: Plan, found: Integers, device: str
) -> tuple[Doubles, float]:
    """Guess the tested units with the mixes of 1, 2, ... layers; return the shares of all layers, and C."""
    labels, inner = plan.study.labels[train], plan.study.inner(train)
    guesses = [
        _guess(layers, train[~inner], train[inner], labels[~inner], strength=strength, device=device)[0]
        for strength in STRENGTHS
    ]
    strength = best_of(STRENGTHS, np.array([np.sum(guess == labels[inner]) for guess in guesses]))
    for n_layers in range(1, len(layers) + 1):
        mixed = _guess(layers[:n_layers], train, test, labels, strength=strength, device=device)
        found[n_layers - 1, test], shares = mixed
    return shares, strength


def _guess(
    layers: Floats, train: Integers, test: Integers, labels: Integers, *, strength: float, device: str
) -> tuple[Integers, Doubles]:
    """Train on standardised layers and guess; return the guesses and the shares."""
    old = layers[:, train]
    mean = old.mean(axis=1, dtype=np.float64, keepdims=True)
    spread = scale_of(mean, old.std(axis=1, dtype=np.float64, keepdims=True))
    present, numbers = np.unique(labels, return_inverse=True)
    mixed = ScalarMix(((old - mean) / spread).astype(np.float32), device).fit(
        numbers.astype(np.int64), len(present), strength
    )
    return present[mixed(((layers[:, test] - mean) / spread).astype(np.float32)).argmax(axis=1)], mixed.shares


def _summaries(
    name: str, layers: Sequence[int], shares: Doubles, found: Integers, *, plan: Plan, confidence: float
) -> list[Row]:
    """Give the shares, the centre of gravity and the expected layer."""
    study, numbers = plan.study, np.array(layers, dtype=np.float64)
    n_train = round(float(np.mean([len(train) for train, _ in study.splits()])))
    n = len(study.labels)
    rows: list[Row] = [
        (layer, "weight", float(each.mean()), float(each.min()), float(each.max()), n_train, n, name)
        for layer, each in zip(layers, shares.T, strict=True)
    ]
    gravity = shares @ numbers
    rows.append(
        (
            None,
            "centre_of_gravity",
            float(gravity.mean()),
            float(gravity.min()),
            float(gravity.max()),
            n_train,
            n,
            name,
        )
    )
    counts = [Counts.of(guess == study.labels, study.labels, plan.clusters) for guess in found]
    right = np.array([count.right.sum(axis=1) for count in counts])
    expected = float(_expected(right.sum(axis=1)[None], numbers)[0])
    low, high = np.nan, np.nan
    if right.shape[1] > 1:
        drawn = resamples(right.shape[1], study.seed)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.nanquantile(_expected(drawn @ right.T, numbers), tails)
    rows.append((None, "expected_layer", expected, float(low), float(high), n_train, n, name))
    return rows


def _expected(right: Doubles, layers: Doubles) -> Doubles:
    """Weight layers by what each adds to the right guesses [shape=(resamples, layers)] of those before it."""
    gains = np.diff(right, axis=1)
    total = gains.sum(axis=1)
    return np.divide(gains @ layers[1:], total, out=np.full(len(total), np.nan), where=total > 0)
