"""The plan of a probe: which units are trained and tested, in the model and in everything it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.probing.cross_validation import Study
from speechinterp.probing.folds import Integers, assign_folds, codes, groups_of
from speechinterp.probing.streaming import Stream
from speechinterp.probing.units import check_column, finite, in_order, matching, usable
from speechinterp.representations import Representations

__all__ = ["Plan", "make_plan"]

MODELS = ("none", "random-init")
ACOUSTIC = ("mfcc", "logmel")


@dataclass(frozen=True)
class Plan:
    """What is probed.

    Parameters
    ----------
    study
        Labels and folds of the units, in an order of their own.
    units
        The table of these units.
    sources
        The model as ``none`` and its baselines, each with the row that every unit has in it [shape=(units,)].
    record
        Folds, seed and what was left out.
    """

    study: Study
    units: pd.DataFrame
    sources: Mapping[str, tuple[Representations, Integers]]
    record: dict[Hashable | None, Any]

    @property
    def n_layers(self) -> int:
        """Layers of all sources together."""
        return sum(len(reps.layers) for reps, _ in self.sources.values())

    @property
    def clusters(self) -> Integers:
        """The cluster (speaker) of every unit, which the bootstrap resamples [shape=(units,)]."""
        return self.study.nested[0]

    def streams(self) -> Iterator[tuple[int | None, Stream]]:
        """Give every layer of every source, with the number it has in a table: none for acoustic features."""
        for name, (reps, rows) in self.sources.items():
            for layer in reps.layers:
                yield layer if name in MODELS else None, Stream(reps, layer, rows, name)

    def features(self, stream: Stream) -> npt.NDArray[np.float32]:
        """Return all vectors of a layer [shape=(units, dimensions)]."""
        return finite(stream.reps.layer(stream.layer), stream.baseline, stream.layer)[stream.rows]


def make_plan(
    reps: Representations,
    target: str | None,
    folds: str | npt.ArrayLike,
    *,
    n_folds: int,
    seed: int,
    baselines: Mapping[str, Representations] | None,
    shared_speakers: bool = False,
    n_shuffles: int = 1,
    confounds: Callable[[pd.DataFrame], npt.NDArray[np.float64]] | None = None,
    numeric: bool = False,
) -> Plan:
    """Decide what is trained and tested.

    Parameters
    ----------
    target
        The column to read; None keeps all units and gives no labels.
    reps, folds, n_folds, seed, baselines, shared_speakers
        As in :func:`speechinterp.probe`.
    n_shuffles
        How often labels are shuffled.
    confounds
        Gives what is partialled out of the vectors of some units [shape=(units, confounds)].
    numeric
        The target is a measure: units without a value are left out, and there are no classes.

    Raises
    ------
    ProbeError
        If speakers are missing or too few, fewer than two labels are left, a baseline has other units, or an
        argument is not one of its values.
    """
    if n_shuffles < 1:
        raise ProbeError(
            f"shuffles={n_shuffles}",
            expected="at least one shuffling of the labels, the control of every probe",
            fix="shuffles=1",
        )
    units, order = in_order(reps)
    sources = {"none": (reps, order)}
    for name, baseline in (baselines or {}).items():
        _check_baseline(name, baseline)
        sources[name] = (baseline, matching(name, baseline, units))
    if not isinstance(folds, str) and np.shape(folds) == order.shape:
        folds = np.asarray(folds)[order]
    if target is not None:
        check_column(units, target)
    given = not isinstance(folds, str)
    groups, clusters = groups_of(units, folds, shared_speakers=shared_speakers)
    rare: list[str] = []
    if target is None:
        keep = np.ones(len(units), dtype=bool)
    elif numeric:
        keep = np.isfinite(pd.to_numeric(units[target], errors="coerce").to_numpy(float))
    else:
        keep, rare = usable(units[target], groups)
    kept, groups = units[keep].reset_index(drop=True), groups[keep]
    unlabelled = target is None or numeric
    labels = np.zeros(len(kept), dtype=np.int64) if unlabelled else codes(kept[target])
    if not unlabelled and len(np.unique(labels)) < 2:
        raise ProbeError(
            f"{len(np.unique(labels))} labels of {target} are left to tell apart",
            expected="at least two labels that are each in two groups of units",
            cause=f"{target} is a measure, a name, or the same everywhere",
            fix="another target, probe='regression' for a measure, "
            "or folds='utterance' if labels differ by speaker",
        )
    study = Study(
        labels,
        fold=np.unique(groups, return_inverse=True)[1].astype(np.int64)
        if given
        else assign_folds(groups, n_folds, seed),
        nested=(codes(clusters[keep]), codes(kept["utterance"]), np.arange(len(kept), dtype=np.int64)),
        seed=seed,
        n_shuffles=n_shuffles,
        confounds=confounds(kept) if confounds else None,
    )
    record: dict[Hashable | None, Any] = {
        "folds": "given" if given else folds,
        "n_folds": study.n_folds,
        "seed": seed,
        "n_speakers": int(kept["speaker"].nunique()) if "speaker" in kept else 0,
        "excluded_labels": rare,
        "excluded_units": int(np.sum(~keep)),
        "representations": dict(reps.meta),
    }
    rows = {name: (source, its_order[keep]) for name, (source, its_order) in sources.items()}
    return Plan(study, kept, rows, record)


def _check_baseline(name: str, baseline: Representations) -> None:
    if name not in ("random-init", *ACOUSTIC):
        raise ProbeError(
            f"There is no baseline {name!r} to pass",
            expected="random-init, mfcc or logmel",
            cause="shuffled-labels and majority are always computed and need not be passed",
            fix="baselines={'random-init': ..., 'mfcc': ...}",
        )
    if name in ACOUSTIC and len(baseline.layers) != 1:
        raise ProbeError(
            f"The baseline {name} has {len(baseline.layers)} layers",
            expected="one layer of acoustic features",
            cause="representations of a model were passed in its place",
            fix=f"extract the {name} baseline, or pass a model as 'random-init'",
        )
