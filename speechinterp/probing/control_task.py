r"""Control tasks: could the probe have learnt anything at all by heart?

Notes
-----
Every type (word, phone) is given a label at random, drawn with the frequencies of the true labels, and keeps it
everywhere. Reading these labels takes nothing but recognising types and remembering their labels. With the accuracy
on both tasks,

.. math:: \mathrm{selectivity} = \mathrm{accuracy}_{\mathrm{task}} - \mathrm{accuracy}_{\mathrm{control}},

a probe of high accuracy and low selectivity is strong, not the representation. Where vectors hold nothing of the units,
both are at chance and selectivity is 0.

References
----------
Hewitt, J., & Liang, P. (2019). Designing and interpreting probes with control tasks. EMNLP-IJCNLP.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.probing.folds import Integers, codes
from speechinterp.probing.linear import Doubles
from speechinterp.probing.plan import Plan
from speechinterp.probing.scores import Counts, resamples
from speechinterp.probing.table import Row
from speechinterp.probing.units import check_column

__all__ = ["control_labels", "selectivity"]


def control_labels(units: pd.DataFrame, labels: Integers, types: str, seed: int) -> Integers:
    """Draw a label for every type, and give it to all of its units [shape=(units,)].

    Parameters
    ----------
    units
        The units.
    labels
        Their true labels [shape=(units,)].
    types
        A column of the units.
    seed
        Of the draws.

    Raises
    ------
    ProbeError
        If there is no such column, or if it has too few values to give each label.
    """
    check_column(units, types, "types='label', or add the column to reps.units")
    type_of = codes(units[types])
    drawn = np.random.default_rng(seed).choice(labels, size=int(type_of.max()) + 1)
    control = np.unique(drawn[type_of], return_inverse=True)[1].astype(np.int64)
    if control.max() < 1:
        raise ProbeError(
            f"{len(drawn)} types of {types} got one and the same label at random",
            expected="many more types than labels",
            cause="a column with few values",
            fix="types of finer grain: phones for manner or place, words for phones",
        )
    return control


def selectivity(
    layer: int | None,
    guess: Integers,
    control: Integers,
    *,
    plan: Plan,
    control_plan: Plan,
    confidence: float,
) -> Row:
    """Give the difference in accuracy between task and control task, with an interval over the same resamples."""
    right: list[Doubles] = []
    for study, found in ((plan.study, guess), (control_plan.study, control)):
        right.append(Counts.of(found == study.labels, study.labels, plan.clusters).right.sum(axis=1))
    sizes = np.bincount(plan.clusters)
    gain = right[0] - right[1]
    low, high = np.nan, np.nan
    if len(sizes) > 1:
        drawn = resamples(len(sizes), plan.study.seed)
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.quantile((drawn @ gain) / (drawn @ sizes), tails)
    n_train = round(float(np.mean([len(train) for train, _ in plan.study.splits()])))
    point = float(gain.sum() / sizes.sum())
    return layer, "selectivity", point, float(low), float(high), n_train, len(guess), "none"
