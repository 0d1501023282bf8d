"""ABX: is a unit nearer to another one of its label than to one of another label?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from speechinterp.errors import SimilarityError, check_choice
from speechinterp.representations import Representations
from speechinterp.similarity.dtw import DISTANCES, DistanceName, frame_distances, warped
from speechinterp.similarity.jackknife import jackknife
from speechinterp.similarity.sequences import Sequences, sequences
from speechinterp.similarity.triplets import Doubles, Integers, Task, wins

__all__ = ["abx", "abx_pairs"]

KEYS = ["on", "on_b", "by", "side", "side_x"]


def abx(
    reps: Representations,
    on: str = "label",
    by: Sequence[str] = (),
    across: str | Sequence[str] | None = None,
    *,
    distance: DistanceName = "angular",
    baselines: Mapping[str, Representations] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    r"""Measure how often a unit is nearer to a unit of another label than to one of its own: the ABX error rate.

    Parameters
    ----------
    reps
        Units with one vector each, or with all their frames (``pool="all"``), which are then aligned by dynamic
        time warping.
    on
        What A and X have in common and B has not: a column of the units.
    by
        What all three have in common: columns of the units, ``previous`` and ``next`` (the labels of the
        neighbours, ``#`` where there is none), ``speaker``.
    across
        What A and B have in common and X has not, for instance ``"speaker"``.
    distance
        ``angular``, ``cosine`` or ``euclidean``, between vectors or frames.
    baselines
        More representations of the same units by name, such as ``random-init`` and ``mfcc``.
    confidence
        Of the interval.
    seed
        Of the shuffled labels.
    device
        Where distances are computed: ``cpu`` or ``cuda``.
    progress
        Called with (layers done, layers in all).

    Returns
    -------
    pandas.DataFrame
        One row a layer and baseline: the error rate as `score` (0 is perfect, 0.5 chance), `ci_low` and `ci_high`
        over speakers, and as `null` the error rate with labels shuffled within the groups of `by` and
        `across`. Intervals are missing where `speaker` is in neither.

    Raises
    ------
    SimilarityError
        If a column is missing, or no triplet satisfies the conditions.

    Notes
    -----
    For each cell of triplets, with all of the same labels, `by`, and values of `across`, the error is

    .. math:: 1 - \frac{1}{|C|} \sum_{(a, b, x) \in C} \left( [d(a, x) < d(b, x)]
              + \tfrac12 [d(a, x) = d(b, x)] \right),

    over all triplets in which a is not x. Cells are averaged first over contexts (all of `by` but the speaker)
    and over the speakers of X together, then over the speakers of A and B, then over ordered pairs of labels, each
    time without weights. All triplets are counted, none is sampled.

    References
    ----------
    Schatz, T., et al. (2013). Evaluating speech features with the minimal-pair ABX task. Interspeech. Schatz, T.
    (2016). ABX-discriminability measures and applications. Poissonnet, M., et al. (2025). fastabx: a library
    for efficient computation of ABX discriminability. arXiv 2505.02692.
    """
    if not 0 < confidence < 1:
        raise SimilarityError(
            f"confidence is {confidence}", expected="a share between 0 and 1", fix="confidence=0.95"
        )
    study = _Study(reps, on=on, by=by, across=across, distance=distance, device=device)
    sources = {"none": reps, **(baselines or {})}
    total = sum(len(source.layers) for source in sources.values())
    done, rows = 0, []
    for name, source in sources.items():
        single = name != "none" and len(source.layers) == 1
        for layer in source.layers:
            true, shuffled = study.cells(source, layer, seed)
            score, low, high = study.interval(true, confidence)
            rows.append(
                (
                    None if single else layer, score, low, high, study.error(shuffled), len(true),
                    int(true["triplets"].sum()), name,
                )
            )  # fmt: skip
            done += 1
            if progress:
                progress(done, total)
    columns = ["layer", "score", "ci_low", "ci_high", "null", "n_cells", "n_triplets", "baseline"]
    table = pd.DataFrame(rows, columns=columns).astype({"layer": "Int64"})
    table.insert(0, "model", str(reps.meta.get("model", "unknown")))
    table.insert(2, "measure", "abx")
    table.attrs = study.record() | {
        "confidence": confidence,
        "seed": seed,
        "representations": dict(reps.meta),
    }
    return table


def abx_pairs(
    reps: Representations,
    on: str = "label",
    by: Sequence[str] = (),
    across: str | Sequence[str] | None = None,
    *,
    distance: DistanceName = "angular",
    device: str = "cpu",
) -> pd.DataFrame:
    """Measure the ABX error of every pair of labels: which sounds does a layer confuse?

    Parameters
    ----------
    reps, on, by, across, distance, device
        As in :func:`abx`.

    Returns
    -------
    pandas.DataFrame
        One row a layer and ordered pair: the label of A and X, that of B, `score` and `n_triplets`.

    Raises
    ------
    SimilarityError
        As :func:`abx` does.
    """
    study = _Study(reps, on=on, by=by, across=across, distance=distance, device=device)
    names = dict(enumerate(pd.factorize(study.sequences.units[on])[1]))
    tables = []
    for layer in reps.layers:
        (cells,) = study.cells(reps, layer, None)
        pairs = study.pairs(cells)
        sizes = cells.groupby(["on", "on_b"])["triplets"].sum()
        tables.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "label": [names[a] for a, _ in pairs.index],
                    "label_b": [names[b] for _, b in pairs.index],
                    "score": pairs.to_numpy(),
                    "n_triplets": sizes[pairs.index].to_numpy().astype(int),
                }
            )
        )
    table = pd.concat(tables, ignore_index=True)
    table.attrs = study.record() | {"representations": dict(reps.meta)}
    return table


class _Study:
    """One ABX task on the units of some representations."""

    def __init__(
        self, reps: Representations, *, on: str, by: Sequence[str], across: str | Sequence[str] | None,
        distance: DistanceName, device: str,
    ) -> None:  # fmt: skip
        check_choice("distance", distance, DISTANCES, SimilarityError)
        self.on, self.distance, self.device = on, distance, device
        self.by = [by] if isinstance(by, str) else list(by)
        self.across = [across] if isinstance(across, str) else list(across or ())
        self.sequences = sequences(reps)
        self.task = Task.of(self.sequences.units, on, self.by, self.across)
        self.speakers = self._speakers()

    def _speakers(self) -> dict[str, Integers]:
        """Return the number of the speaker for each value of `by` and of `across` as a whole, where it has one."""
        if "speaker" not in (*self.by, *self.across):
            return {}
        codes, key = (
            pd.factorize(self.sequences.units["speaker"])[0],
            "by" if "speaker" in self.by else "side",
        )
        group = self.task.by if key == "by" else self.task.sides
        speakers = np.empty(int(group.max()) + 1, dtype=np.int64)
        speakers[group] = codes
        return {key: speakers} if key == "by" else {"side": speakers, "side_x": speakers}

    def cells(self, source: Representations, layer: int, seed: int | None) -> list[pd.DataFrame]:
        """Return the cells of a layer with the true labels and, if there is a seed, with shuffled ones."""
        mine = sequences(source, like=self.sequences)
        frames = torch.from_numpy(mine.vectors(source, layer)).to(self.device, torch.float64)
        prepare, between = frame_distances(self.distance)
        frames = prepare(frames)
        tasks = [self.task] + ([] if seed is None else [self.task.shuffled(seed)])
        found: list[list[pd.DataFrame]] = [[] for _ in tasks]
        for xs, others in self.task.tiles(mine.lengths):
            x, other = self.task.pairs(xs, others)
            if len(x):
                distance = _distances(frames, mine, (xs, x), (others, other), between)
                for task, tables in zip(tasks, found, strict=True):
                    tables.append(wins(task, xs[x], others[other], distance))
        merged = [pd.concat(tables).groupby(level=KEYS).sum().reset_index() for tables in found]
        return [table.assign(error=1 - table["wins"] / table["triplets"]) for table in merged]

    def pairs(self, cells: pd.DataFrame) -> pd.Series:
        """Average cells over contexts and X's speakers, then over speakers; one error for each pair of labels."""
        contexts = [column for column in self.by if column != "speaker"]
        speaker = next(iter(self.speakers), None)
        table = cells.assign(speaker=self.speakers[speaker][cells[speaker]] if speaker else 0)
        if contexts:
            table = table.groupby(["on", "on_b", "side", "speaker"])["error"].mean().reset_index()
        return table.groupby(["on", "on_b"])["error"].mean()

    def error(self, cells: pd.DataFrame) -> float:
        """Average cells in the order of the field."""
        return float(self.pairs(cells).mean())

    def interval(self, cells: pd.DataFrame, confidence: float) -> tuple[float, float, float]:
        """Return the error with its interval over speakers; every one is left out in turn, as A, B and X."""
        score = self.error(cells)
        if not self.speakers:
            return score, np.nan, np.nan
        owners = [codes[cells[key]] for key, codes in self.speakers.items()]
        without = []
        for speaker in np.unique(np.concatenate(owners)):
            kept = cells[np.all([owner != speaker for owner in owners], axis=0)]
            if len(kept):
                without.append(self.error(kept))
        low, high = np.clip(jackknife(score, np.array(without), confidence), 0, 1)
        return score, float(low), float(high)

    def record(self) -> dict[Any, Any]:
        """Say what was asked."""
        return {
            "on": self.on,
            "by": self.by,
            "across": self.across,
            "distance": self.distance,
            "warped": bool((self.sequences.lengths > 1).any()),
            "n_units": len(self.sequences.units),
        }


def _distances(
    frames: Tensor, units: Sequences, xs: tuple[Integers, Integers], others: tuple[Integers, Integers],
    between: Callable[[Tensor, Tensor], Tensor],
) -> Doubles:  # fmt: skip
    """Return the distances of pairs of units; one product gives all distances of their frames.

    `xs` and `others` are units, and for each pair the position of one among them. Where both are the same units, every
    distance is computed once.
    """
    if xs[0] is others[0] and len(xs[0]):
        half = xs[1] < others[1]
        both = np.zeros((len(xs[0]), len(xs[0])))
        pairs = (xs[0], xs[1][half]), (others[0].copy(), others[1][half])
        both[xs[1][half], others[1][half]] = _distances(frames, units, *pairs, between)
        return (both + both.T)[xs[1], others[1]]
    device = frames.device
    sides = []
    for members, _ in (xs, others):
        lengths = units.lengths[members]
        first = np.cumsum(lengths) - lengths
        rows = np.repeat(units.starts[members] - first, lengths) + np.arange(lengths.sum())
        sides.append((torch.from_numpy(rows), first, lengths))
    table = between(*(frames[rows.to(device)] for rows, _, _ in sides))
    if table.shape == (len(xs[0]), len(others[0])):
        distance = table[torch.from_numpy(xs[1]).to(device), torch.from_numpy(others[1]).to(device)]
    else:
        places = []
        for (_, first, lengths), (_, pair) in zip(sides, (xs, others), strict=True):
            places += [torch.from_numpy(first[pair]).to(device), torch.from_numpy(lengths[pair]).to(device)]
        distance = warped(table, *places)
    return distance.cpu().numpy()
