r"""Attention-pooled probes: a label of a whole utterance, read from the frames that tell it.

Notes
-----
Frames :math:`x_t` of an utterance are averaged with weights that the probe learns:

.. math:: \alpha_t = \mathrm{softmax}_t(q \cdot x_t), \quad z = \sum_t \alpha_t x_t, \quad
          p(k \mid z) \propto \exp(w_k \cdot z + b_k).

With :math:`q = 0` this is mean pooling, which stands beside it in the table. Where attention does much better, what
is asked for is in few frames; where it does not, averaging loses nothing.

References
----------
Chrupała, G., Higy, B., & Alishahi, A. (2020). Analyzing analytical methods: the case of phonology in neural models of
spoken language. ACL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.cross_validation import Guess, cross_validate, majority
from speechinterp.probing.descent import minimise
from speechinterp.probing.folds import Integers, codes
from speechinterp.probing.linear import scale_of
from speechinterp.probing.plan import make_plan
from speechinterp.probing.table import accuracies, check_confidence, table
from speechinterp.probing.units import check_column, finite, in_order
from speechinterp.representations import Representations

__all__ = ["probe_utterances"]

STRENGTHS = (1e-2, 1e-1, 1.0, 10.0)
MAX_STEPS = 100


def probe_utterances(
    reps: Representations,
    target: str,
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
    """Measure how well a label of utterances is read from their frames by learnt attention.

    Parameters
    ----------
    reps
        Frames (``unit="frames"``), or any units of which an utterance has several.
    target
        A column that is the same for all units of an utterance: speaker, sex, intent.
    folds, n_folds, seed, baselines, confidence, shared_speakers, device, progress
        As in :func:`speechinterp.probe`. A voice cannot be tested on other voices: ``folds="utterance"`` for
        ``target="speaker"``.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`speechinterp.probe`; the baseline ``mean-pooling`` averages the frames instead.

    Raises
    ------
    ProbeError
        If the target differs within an utterance, or as for :func:`speechinterp.probe`.
    """
    check_confidence(confidence)
    utterances, members = _utterances(reps, target)
    others = {}
    for name, baseline in (baselines or {}).items():
        theirs, its_members = _utterances(baseline, None)
        labels = utterances[target].to_numpy() if len(theirs) == len(utterances) else None
        named = theirs if labels is None else theirs.assign(**{target: labels})
        others[name] = (_as_representations(named, baseline), its_members)
    plan = make_plan(
        _as_representations(utterances, reps),
        target,
        folds,
        n_folds=n_folds,
        seed=seed,
        baselines={name: rep for name, (rep, _) in others.items()},
        shared_speakers=shared_speakers,
    )
    study = plan.study
    frames_of = {"none": (reps, members)} | {
        name: ((baselines or {})[name], its_members) for name, (_, its_members) in others.items()
    }
    steps = plan.n_layers * study.n_folds
    done = iter(range(1, 2 * steps + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), 2 * steps)

    guesses: list[tuple[str, int | None, Integers]] = []
    for layer, stream in plan.streams():
        source, owner = frames_of[stream.baseline]
        vectors = finite(source.layer(stream.layer), stream.baseline, stream.layer)
        place = np.full(len(stream.reps), -1, dtype=np.int64)
        place[stream.rows] = np.arange(len(stream.rows))
        owners = place[owner]
        for attend in (True, False):
            with_control = attend and stream.baseline == "none"
            found = cross_validate(
                partial(_fit, vectors=vectors, owners=owners, attend=attend, device=device),
                study,
                with_control,
                step,
            )
            if attend or stream.baseline == "none":
                guesses.append((stream.baseline if attend else "mean-pooling", layer, found.true))
            if with_control:
                guesses.append(("shuffled-labels", layer, found.shuffled))
    guesses.append(("majority", None, majority(study)))
    rows = accuracies(guesses, plan, confidence)
    return table(rows, plan, target=target, probe="attention", confidence=confidence)


def _utterances(reps: Representations, target: str | None) -> tuple[pd.DataFrame, Integers]:
    """Return one row an utterance, and the utterance of every unit [shape=(units,)]."""
    in_order(reps)
    units = reps.units.reset_index(drop=True)
    if target is not None:
        check_column(units, target)
    owner = codes(units["utterance"])
    if target is not None:
        different = units.groupby("utterance")[target].nunique(dropna=False)
        mixed = different.index[different > 1]
        if len(mixed):
            raise ProbeError(
                f"{target} differs within {len(mixed)} utterances: {shortlist(mixed)}",
                expected="one value for all units of an utterance",
                cause="a property of phones or words, not of utterances",
                fix="probe='logistic', which takes every unit on its own",
            )
    first = units.drop_duplicates("utterance").copy()
    first = first.iloc[np.argsort(codes(first["utterance"]), kind="stable")].reset_index(drop=True)
    return first.assign(start=0.0, end=0.0, label=first["utterance"].astype(str)), owner


def _as_representations(utterances: pd.DataFrame, reps: Representations) -> Representations:
    empty = np.zeros((len(utterances), 0), dtype=np.float32)
    return Representations(utterances, lambda layer: empty, reps.layers, reps.meta, reps)


def _fit(
    train: Integers,
    test: Integers,
    *,
    vectors: npt.NDArray[np.float32],
    owners: Integers,
    attend: bool,
    device: str,
) -> tuple[Guess, tuple[float, ...]]:
    """Take the frames of the utterances to train and to test on, standardised by the former."""
    (old, old_owner), (new, new_owner) = (_frames(vectors, owners, rows) for rows in (train, test))
    mean = old.mean(axis=0, dtype=np.float64)
    spread = scale_of(mean, old.std(axis=0, dtype=np.float64))
    known, other = (
        torch.as_tensor((part - mean) / spread, dtype=torch.float32, device=device) for part in (old, new)
    )

    def guess(labels: Integers, strengths: Sequence[float]) -> list[Integers]:
        present, numbers = np.unique(labels, return_inverse=True)
        target = torch.as_tensor(numbers, device=device)
        found = []
        for strength in strengths:
            weights = _learn(
                known, old_owner.to(device), target, n_classes=len(present), strength=strength, attend=attend
            )
            with torch.no_grad():
                logits = _logits(other, new_owner.to(device), len(test), weights)
            found.append(present[logits.argmax(1).cpu().numpy()])
        return found

    return guess, STRENGTHS


def _frames(
    vectors: npt.NDArray[np.float32], owners: Integers, rows: Integers
) -> tuple[npt.NDArray[np.float32], torch.Tensor]:
    """Return the frames of some utterances, and the position of each one's utterance among them."""
    place = np.full(int(owners.max()) + 1, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    mine = (owners >= 0) & (place[owners] >= 0)
    return vectors[mine], torch.as_tensor(place[owners[mine]])


Weights = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def _logits(frames: torch.Tensor, owner: torch.Tensor, n: int, weights: Weights) -> torch.Tensor:
    q, w, b = weights
    score = frames @ q
    top = torch.full((n,), -torch.inf, device=frames.device).scatter_reduce(0, owner, score, "amax")
    share = torch.exp(score - top.detach()[owner])
    share = share / torch.zeros(n, device=frames.device).index_add(0, owner, share)[owner]
    pooled = torch.zeros(n, frames.shape[1], device=frames.device).index_add(
        0, owner, share[:, None] * frames
    )
    return pooled @ w + b


def _learn(
    frames: torch.Tensor,
    owner: torch.Tensor,
    target: torch.Tensor,
    *,
    n_classes: int,
    strength: float,
    attend: bool,
) -> Weights:
    """Minimise the loss by L-BFGS, from mean pooling on; the query and the weights are penalised alike."""
    q = torch.zeros(frames.shape[1], device=frames.device, requires_grad=attend)
    w = torch.zeros(frames.shape[1], n_classes, device=frames.device, requires_grad=True)
    b = torch.zeros(n_classes, device=frames.device, requires_grad=True)

    def objective() -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(_logits(frames, owner, len(target), (q, w, b)), target)
        return loss + 0.5 / (strength * len(target)) * ((w * w).sum() + (q * q).sum())

    minimise(objective, [q, w, b] if attend else [w, b], MAX_STEPS)
    return q.detach(), w.detach(), b.detach()
