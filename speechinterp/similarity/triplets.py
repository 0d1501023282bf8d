"""The task of ABX: which units are A, B and X, and how often A is the nearer one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError, shortlist

__all__ = ["Integers", "Task", "wins"]

Integers: TypeAlias = npt.NDArray[np.int64]
Doubles: TypeAlias = npt.NDArray[np.float64]
TILE = 768
"""Frames of small cells that are compared in one product."""
TABLE = 8_000_000
"""Distances of frames that are in memory at once."""


@dataclass(frozen=True)
class Task:
    """Units sorted into cells: A, B and X agree in `by`; A and X in `on`, B not; X differs from both in `across`.

    Parameters
    ----------
    on, by, sides
        The number of the value of `on`, of all of `by` together, and of all of `across` together, for each unit
        [shape=(units,)].
    across
        The numbers of the values of each column of `across` [shape=(columns, units)].
    """

    on: Integers
    by: Integers
    sides: Integers
    across: Integers

    @classmethod
    def of(cls, units: pd.DataFrame, on: str, by: Sequence[str], across: Sequence[str]) -> Task:
        """Make the task of a table of units.

        Raises
        ------
        SimilarityError
            If a column is missing or named twice, or no unit has both a partner and a competitor.
        """
        named = [on, *by, *across]
        absent = [column for column in named if column not in units.columns]
        if absent or len(set(named)) < len(named):
            raise SimilarityError(
                f"ABX on {on}, by {shortlist(by) or 'nothing'}, across {shortlist(across) or 'nothing'}",
                expected=f"different columns among {shortlist(units.columns, 20)}",
                cause=f"the units have no {shortlist(absent)}" if absent else "a column that is named twice",
                fix="on='label', by=['speaker']; previous and next are the labels of the neighbours",
            )
        for column in (*by, *across):
            missing = int(units[column].isna().sum())
            if missing:
                raise SimilarityError(
                    f"{missing} of {len(units)} units have no {column}",
                    expected=f"a {column} for every unit",
                    cause="the corpus does not name its speakers"
                    if column == "speaker"
                    else "a column filled in part",
                    fix=f"leave {column} out of by and across, or leave these units out",
                )
        sides = [_codes(units[column]) for column in across]
        task = cls(
            pd.factorize(units[on])[0].astype(np.int64), _joint([_codes(units[column]) for column in by], len(units)),
            _joint(sides, len(units)), np.array(sides, dtype=np.int64).reshape(len(sides), len(units)),
        )  # fmt: skip
        if not task.cells():
            raise SimilarityError(
                f"no unit has another one of the same {on} to be compared with",
                expected="two units of one label with all of by in common"
                + (f" and another {shortlist(across)}" if across else ""),
                cause="too few units, one speaker only, or conditions that hardly ever recur, such as words in context",
                fix="fewer conditions in by (--by speaker)",
            )
        return task

    def shuffled(self, seed: int) -> Task:
        """Return the same task with labels dealt out anew within every group of `by` and `across`."""
        random, on = np.random.default_rng(seed), self.on.copy()
        group = np.where(on < 0, -1, _joint([self.by, self.sides], len(on)))
        order = np.lexsort((random.random(len(on)), group))
        on[np.argsort(group, kind="stable")] = self.on[order]
        return Task(on, self.by, self.sides, self.across)

    def cells(self) -> list[Integers]:
        """Return the units of each value of `by` that can have triplets: two labels, and one with a partner."""
        known = np.flatnonzero(self.on >= 0)
        units = pd.DataFrame({"by": self.by, "on": self.on, "side": self.sides}).iloc[known]
        partners = units.groupby(["by", "on"])["side"].agg("nunique" if len(self.across) else "size") > 1
        labels = units.groupby("by")["on"].nunique() > 1
        use = labels.index[(labels & partners.groupby("by").any()).to_numpy()]
        order = known[np.argsort(self.by[known], kind="stable")]
        order = order[np.isin(self.by[order], use)]
        return np.split(order, np.flatnonzero(np.diff(self.by[order])) + 1) if len(order) else []

    def tiles(self, lengths: Integers) -> Iterator[tuple[Integers, Integers]]:
        """Yield which X are compared with which units, so that few distances of frames are computed in vain.

        Small cells share a tile; a large one is cut by its X.

        Parameters
        ----------
        lengths
            The number of frames of each unit [shape=(units,)].
        """
        waiting: list[Integers] = []
        for cell in self.cells():
            size = lengths[cell].sum()
            if size > TILE:
                step = max(TABLE // size, lengths[cell].max())
                pieces = np.cumsum(lengths[cell]) // step
                yield from ((piece, cell) for piece in np.split(cell, np.flatnonzero(np.diff(pieces)) + 1))
                continue
            if waiting and sum(lengths[other].sum() for other in waiting) + size > TILE:
                yield (together := np.concatenate(waiting)), together
                waiting = []
            waiting.append(cell)
        if waiting:
            yield (together := np.concatenate(waiting)), together

    def pairs(self, xs: Integers, others: Integers) -> tuple[Integers, Integers]:
        """Return the pairs of an X and an A or B, as positions in `xs` and in `others`."""
        fits = self.by[xs][:, None] == self.by[others]
        fits &= xs[:, None] != others
        for side in self.across:
            fits &= side[xs][:, None] != side[others]
        x, other = np.nonzero(fits)
        return x, other


def wins(task: Task, x: Integers, other: Integers, distance: Doubles) -> pd.DataFrame:
    r"""Count for every cell how often A is nearer to X than B is, an equal distance as one half.

    Parameters
    ----------
    x, other
        The units of each pair; all pairs of an X have to be here [shape=(pairs,)].
    distance
        Between them [shape=(pairs,)].

    Returns
    -------
    pandas.DataFrame
        One row a cell, indexed by the numbers of `on` of A and X, of `on` of B, of `by`, and of `across` of A and B
        and of X: `wins`, and `triplets`, the number of triplets.

    Notes
    -----
    That count is the Mann-Whitney statistic of the distances to A and to B. It is found by sorting the
    distances to each X once, which also serves all its B at the same time: n log n steps in the place of
    one for every triplet.
    """
    row = x * (int(task.sides.max(initial=0)) + 1) + task.sides[other]
    order = np.lexsort((distance, row))
    row, distance, x, other = row[order], distance[order], x[order], other[order]
    is_a = task.on[x] == task.on[other]
    seen = np.concatenate([[0], np.cumsum(is_a)])
    new_row = np.append(True, row[1:] != row[:-1])
    new_value = new_row | np.append(True, distance[1:] != distance[:-1])
    starts, ends = _spans(new_row)
    first, last = _spans(new_value)
    nearer = (seen[first] + seen[last]) / 2 - seen[starts]
    among = seen[ends] - seen[starts]
    use = ~is_a & (among > 0)
    keys = [task.on[x], task.on[other], task.by[x], task.sides[other], task.sides[x]]
    names = ["on", "on_b", "by", "side", "side_x"]
    table = pd.DataFrame({name: key[use] for name, key in zip(names, keys, strict=True)})
    table["wins"], table["triplets"] = nearer[use], among[use]
    return table.groupby(names).sum()


def _spans(new: npt.NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return where the run of each entry starts and where it ends [shape=(entries,)] each."""
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], len(new))
    run = np.cumsum(new) - 1
    return starts[run], ends[run]


def _codes(values: pd.Series) -> Integers:
    return pd.factorize(values)[0].astype(np.int64)


def _joint(codes: Sequence[Integers], n_units: int) -> Integers:
    """Give every combination of values its number."""
    joint = np.zeros(n_units, dtype=np.int64)
    for code in codes:
        joint = np.unique(joint * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1].astype(
            np.int64
        )
    return joint
