"""Collect sufficient statistics: from representations, a block at a time, or straight from extraction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from speechinterp.corpora import Corpus
from speechinterp.errors import StoreError
from speechinterp.frames import FrameRule
from speechinterp.representations.encoder import Encoder
from speechinterp.representations.moments import Pair
from speechinterp.representations.plan import cut_into_shards
from speechinterp.representations.pooling import Pool, Row
from speechinterp.representations.shards import UNIT_COLUMNS, layer_column
from speechinterp.representations.statistics import Statistics, View
from speechinterp.representations.store import Representations
from speechinterp.representations.study import OnBad, Study

__all__ = ["collect", "collect_while_extracting"]


def collect(
    reps: Representations,
    groups: str | npt.NDArray[np.generic] = "speaker",
    *,
    targets: Mapping[str, View] | None = None,
    others: Mapping[str, Representations] | None = None,
    layers: Sequence[int] | None = None,
    pairs: Iterable[Pair] | None = None,
) -> Statistics:
    """Collect the statistics of representations in one pass, a few thousand units in memory at a time.

    Parameters
    ----------
    reps
        Their layers are the views ``layer_00``, ``layer_01``, ...
    groups
        A column of ``reps.units``, or a group for each unit [shape=(units,)].
    targets
        More views by name, for instance one column a class (:func:`indicator`) or trajectories
        [shape=(units, q)].
    others
        More representations of the same units; their layers are the views ``name/layer_00``, ...
    layers
        Layers of `reps` to take, or all.
    pairs
        The pairs of views to sum. By default every layer with itself and with every target, every target with
        itself unless it is sparse, every layer of the others with itself, and every layer of `reps` with every
        layer of the others.

    Returns
    -------
    Statistics
        Of all units.

    Raises
    ------
    StoreError
        If numbers of units differ, a view is not finite, or a shard cannot be read.
    """
    targets, others = targets or {}, others or {}
    layers = reps.layers if layers is None else layers
    mine = [layer_column(layer) for layer in layers]
    theirs = {
        name: [f"{name}/{layer_column(layer)}" for layer in other.layers] for name, other in others.items()
    }
    for name, size in [(name, len(other)) for name, other in others.items()] + [
        (name, view.shape[0]) for name, view in targets.items()
    ]:
        if size != len(reps):
            raise StoreError(
                f"{name} has {size} units and the representations have {len(reps)}",
                expected="the same units",
                cause="made from another corpus, tier or selection",
                fix="extract both from the same corpus with the same unit, or use common_units",
            )
    if pairs is None:
        second = [view for names in theirs.values() for view in names]
        pairs = [(view, view) for view in [*mine, *second]]
        pairs += [(name, name) for name, view in targets.items() if not sparse.issparse(view)]
        pairs += [(view, other) for view in mine for other in [*targets, *second]]
    keys = reps.units[groups].astype(str).to_numpy() if isinstance(groups, str) else np.asarray(groups)
    statistics = Statistics(pairs)
    streams = [_aligned(other) for other in others.values()]
    start = 0
    for block in reps.blocks(layers):
        rows = slice(start, start + block.shape[1])
        views: dict[str, Any] = dict(zip(mine, block, strict=True))
        views |= {name: view[rows] for name, view in targets.items()}
        for names, stream in zip(theirs.values(), streams, strict=True):
            views |= dict(zip(names, stream(block.shape[1]), strict=True))
        statistics.add(views, keys[rows])
        start = rows.stop
    return statistics


def _aligned(reps: Representations) -> Callable[[int], npt.NDArray[np.float32]]:
    """Return a function that gives the next so many units [shape=(layers, units, dimensions)]."""
    blocks: Iterator[npt.NDArray[np.float32]] = reps.blocks()
    left: list[npt.NDArray[np.float32]] = []

    def take(n_units: int) -> npt.NDArray[np.float32]:
        nonlocal left
        while sum(block.shape[1] for block in left) < n_units:
            left.append(next(blocks))
        whole = np.concatenate(left, axis=1) if len(left) > 1 else left[0]
        left = [whole[:, n_units:]]
        return whole[:, :n_units]

    return take


def collect_while_extracting(
    model: Encoder,
    corpus: Corpus,
    unit: str = "phones",
    pool: Pool = "mean",
    *,
    groups: str = "speaker",
    targets: Callable[[pd.DataFrame], Mapping[str, View]] | None = None,
    pairs: Callable[[Sequence[str]], Iterable[Pair]] | None = None,
    rule: FrameRule = "centre",
    on_bad: OnBad = "raise",
    shard: tuple[int, int] = (0, 1),
) -> Statistics:
    """Collect the statistics of a corpus while a model runs over it; no vector is kept.

    Parameters
    ----------
    model, corpus, unit, pool, rule, on_bad, shard
        As in :func:`speechinterp.extract`. Statistics of all shards, merged, are those of the corpus.
    groups
        A column of the units: speaker, utterance, label.
    targets
        Gives more views of some units by name; called with their table (utterance, speaker, tier, label, start,
        end, frames, time).
    pairs
        Gives the pairs of views to sum; called with the names of the layers' views. By default every layer with
        itself.

    Returns
    -------
    Statistics
        Of the units of this part of the corpus.

    Raises
    ------
    SpeechInterpError
        For a bad utterance.
    """
    layers = [layer_column(layer) for layer in range(model.n_states)]
    statistics = Statistics(pairs(layers) if pairs else [(layer, layer) for layer in layers])
    study = Study(model, corpus, unit, pool, rule, on_bad)
    part, n_parts = shard
    writer = _Collector(statistics, layers, groups, targets or (lambda _: {}))
    for ids in cut_into_shards(corpus.ids)[part::n_parts]:
        for _ in study.make_shard(writer, ids, {}):
            pass
    return statistics


class _Collector:
    """Takes what a shard would be written of, and sums it."""

    def __init__(
        self,
        statistics: Statistics,
        layers: Sequence[str],
        groups: str,
        targets: Callable[[pd.DataFrame], Mapping[str, View]],
    ) -> None:
        self.statistics, self.layers, self.groups, self.targets = statistics, layers, groups, targets

    def add(
        self, units: Sequence[tuple[str, str | None, str, Row]], vectors: npt.NDArray[np.float32]
    ) -> None:
        """Sum units (utterance, speaker, tier, row) and their vectors [shape=(layers, units, width)]."""
        rows = [(*names, r.label, r.start, r.end, r.frames, r.time) for *names, r in units]
        table = pd.DataFrame(rows, columns=list(UNIT_COLUMNS))
        views: dict[str, Any] = dict(zip(self.layers, vectors, strict=True))
        self.statistics.add(views | dict(self.targets(table)), table[self.groups].astype(str).to_numpy())

    def finish(self, record: Mapping[str, Any]) -> None:
        """Do nothing: there is no file."""
