r"""Edge probes: what can be read of the relation between two units.

Notes
-----
Two units with vectors :math:`x` and :math:`y` become one unit with the vector
:math:`[x; y; x \circ y]`, which any probe takes. The products are there because a linear probe of :math:`[x; y]` alone
cannot tell whether two units are alike, only what each of them is.

References
----------
Tenney, I., et al. (2019). What do you learn from context? Probing for sentence structure in contextualized word
representations. ICLR.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.probing.units import check_column
from speechinterp.representations import Representations

__all__ = ["adjacent_pairs", "edges"]


def adjacent_pairs(units: pd.DataFrame, target: str) -> pd.DataFrame:
    """Pair each unit with the next of its utterance; the label says whether their targets are the ``same``.

    Parameters
    ----------
    units
        The units, ``reps.units``.
    target
        A column of them. Two phones with the ``same`` word have no word boundary between them.

    Returns
    -------
    pandas.DataFrame
        ``first`` and ``second``, rows of `units`, and ``label``: ``same`` or ``different``. Pairs in which one has no
        target are left out.

    Raises
    ------
    ProbeError
        If there is no such column.
    """
    check_column(units, target)
    order = (
        units.reset_index(drop=True)
        .sort_values(["utterance", "start", "end"], kind="stable")
        .index.to_numpy()
    )
    first, second = order[:-1], order[1:]
    values, utterances = units[target].to_numpy(), units["utterance"].to_numpy()
    whole = pd.notna(values[first]) & pd.notna(values[second]) & (utterances[first] == utterances[second])
    first, second = first[whole], second[whole]
    label = np.where(values[first] == values[second], "same", "different")
    return pd.DataFrame({"first": first, "second": second, "label": label})


def edges(reps: Representations, pairs: pd.DataFrame) -> Representations:
    """Make representations of pairs of units, to be probed like any others.

    Parameters
    ----------
    reps
        The units and their vectors.
    pairs
        ``first`` and ``second``, rows of ``reps.units``, of one utterance each; ``label``, their relation; other
        columns are kept.

    Returns
    -------
    Representations
        One row a pair: vectors are both vectors and their products, dimension by dimension [3 x dimensions].

    Raises
    ------
    ProbeError
        If a column is missing, or a pair is of no units or of two utterances.
    """
    missing = [name for name in ("first", "second", "label") if name not in pairs.columns]
    rows = pairs[["first", "second"]].to_numpy() if not missing else np.zeros((0, 2), dtype=int)
    if missing or not len(rows) or rows.min() < 0 or rows.max() >= len(reps):
        raise ProbeError(
            f"pairs without {shortlist(missing)}" if missing else f"{len(rows)} pairs of {len(reps)} units",
            expected="columns first and second, which are rows of reps.units, and label",
            fix="adjacent_pairs(reps.units, 'words'), or a table of your own",
        )
    units = reps.units.reset_index(drop=True)
    one, other = units.iloc[rows[:, 0]], units.iloc[rows[:, 1]]
    torn = one["utterance"].to_numpy() != other["utterance"].to_numpy()
    if torn.any():
        raise ProbeError(
            f"{int(torn.sum())} pairs are of two utterances",
            expected="both units of a pair in one utterance, since folds keep utterances whole",
            fix="leave these pairs out",
        )
    table = pd.DataFrame(
        {
            "utterance": one["utterance"].to_numpy(),
            "speaker": one["speaker"].to_numpy(),
            "start": np.minimum(one["start"].to_numpy(float), other["start"].to_numpy(float)),
            "end": np.maximum(one["end"].to_numpy(float), other["end"].to_numpy(float)),
            **{name: pairs[name].to_numpy() for name in pairs.columns if name not in ("first", "second")},
        }
    )

    def read(layer: int) -> npt.NDArray[np.float32]:
        vectors = reps.layer(layer)
        x, y = vectors[rows[:, 0]], vectors[rows[:, 1]]
        centre = vectors.mean(axis=0)
        return np.concatenate([x, y, (x - centre) * (y - centre)], axis=1).astype(np.float32)

    meta = dict(reps.meta) | {"unit": f"pairs of {reps.meta.get('unit', 'units')}"}
    return Representations(table, read, reps.layers, meta, reps)
