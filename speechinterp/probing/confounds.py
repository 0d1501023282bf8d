r"""Confounds: what a label goes along with, partialled out of the vectors before they are probed.

Notes
-----
With confounds :math:`C` (duration, phone length, the previous phone) and vectors :math:`X`, the probe sees

.. math:: X - (C - \bar c) B, \qquad B = \arg\min_B \lVert X - \bar x - (C - \bar c) B \rVert_F^2,

with means and :math:`B` from the training units only. What a linear probe could read of the confounds is gone in
training; what is a curved function of them is not. A speaker cannot be learnt from other speakers, so that of
every speaker, also in testing, the own mean is subtracted, which needs no labels.

References
----------
Kriegeskorte, N., & Douglas, P. K. (2019). Interpreting encoding and decoding models. Current Opinion in
Neurobiology 55. Snoek, L., Miletić, S., & Scholte, H. S. (2019). How to control for confounds in decoding analyses of
neuroimaging data. NeuroImage 184.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.folds import codes
from speechinterp.probing.linear import Doubles

__all__ = ["centred_on", "design"]


def design(units: pd.DataFrame, columns: Sequence[str]) -> Doubles:
    """Return what is partialled out: numbers as they are, names as one column a name [shape=(units, confounds)].

    Parameters
    ----------
    units
        The units.
    columns
        Their confounds; ``speaker`` gives no column here, see :func:`centred_on`.

    Raises
    ------
    ProbeError
        If a column is not there, or a number is missing.
    """
    parts = [np.zeros((len(units), 0))]
    for name in columns:
        if name not in units.columns:
            raise ProbeError(
                f"There is no confound {name!r}",
                expected=f"columns of the units: {shortlist(units.columns, 20)}",
                fix="add the column to reps.units, for instance with speechinterp.probing.describe_units",
            )
        column = units[name]
        if name == "speaker":
            continue
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(float)
            if not np.isfinite(values).all():
                raise ProbeError(
                    f"The confound {name!r} is missing in {int(np.sum(~np.isfinite(values)))} units",
                    expected="a number for every unit",
                    cause="a pitch or formant where there is none",
                    fix="leave these units out, or take another confound",
                )
            parts.append(values[:, None])
        else:
            numbers = codes(column)
            parts.append(np.eye(int(numbers.max()) + 1)[numbers])
    return np.concatenate(parts, axis=1)


def centred_on(features: npt.NDArray[np.float32], groups: pd.Series) -> npt.NDArray[np.float32]:
    """Subtract from every vector the mean of its group [shape=(units, dimensions)]."""
    numbers = codes(groups)
    sums = np.zeros((int(numbers.max()) + 1, features.shape[1]))
    np.add.at(sums, numbers, features)
    return (features - (sums / np.bincount(numbers)[:, None])[numbers]).astype(np.float32)
