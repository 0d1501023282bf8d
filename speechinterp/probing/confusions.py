"""Confusions: which labels a probe of one layer takes for which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, check_choice
from speechinterp.probing.layerwise import KINDS, guesses_of
from speechinterp.probing.plan import make_plan
from speechinterp.probing.streaming import Stream
from speechinterp.representations import Representations

__all__ = ["confusions"]


def confusions(
    reps: Representations,
    layer: int,
    target: str = "label",
    folds: str | npt.ArrayLike = "speaker",
    *,
    probe: str = "logistic",
    n_folds: int = 4,
    seed: int = 0,
    shared_speakers: bool = False,
    device: str = "cpu",
) -> pd.DataFrame:
    """Count what the labels of one layer are taken for, by the probe of :func:`speechinterp.probe`.

    Parameters
    ----------
    reps
        The units and their vectors.
    layer
        Which layer; 0 of acoustic features.
    target, folds, probe, n_folds, seed, shared_speakers, device
        As in :func:`speechinterp.probe`, whose accuracy of this layer is the share of the diagonal.

    Returns
    -------
    pandas.DataFrame
        Units of each label (row, `true`) that were guessed to have each label (column, `guessed`), over all test
        folds [shape=(labels, labels)]. ``attrs`` records the layer and how it was made.

    Raises
    ------
    ProbeError
        If there is no such layer, or as for :func:`speechinterp.probe`.
    """
    check_choice("probe", probe, KINDS, ProbeError, "probe='logistic'")
    if layer not in reps.layers:
        raise ProbeError(
            f"There is no layer {layer}",
            expected=f"one of {', '.join(map(str, reps.layers))}",
            fix=f"layer={reps.layers[-1]}",
        )
    plan = make_plan(
        reps, target, folds, n_folds=n_folds, seed=seed, baselines=None, shared_speakers=shared_speakers
    )
    stream = Stream(reps, layer, plan.sources["none"][1])
    found = guesses_of(
        stream, plan, probe, device=device, by_speaker=False, step=lambda: None, with_control=False
    ).true
    names = np.unique(plan.units[target].astype(str))
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (plan.study.labels, found), 1)
    table = pd.DataFrame(
        counts, index=pd.Index(names, name="true"), columns=pd.Index(names, name="guessed"), dtype=int
    )
    table.attrs = plan.record | {"layer": layer, "target": target, "probe": probe}
    return table
