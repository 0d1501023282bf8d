"""Confusions: a map of true labels by guessed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from speechinterp.errors import ProbeError
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_confusions"]

MOST_NUMBERS = 16
"""Labels up to which shares are written into the map."""


def plot_confusions(table: pd.DataFrame) -> Figure:
    """Draw what each label is taken for, in per cent of its units.

    Parameters
    ----------
    table
        Counts, true labels by guessed ones, as :func:`speechinterp.probing.confusions` returns them; take
        ``table.loc[order, order]`` for another order.

    Returns
    -------
    matplotlib.figure.Figure
        Shares below half a per cent are left blank; rows of labels without units, too.

    Raises
    ------
    ProbeError
        If the table is empty.
    """
    if not table.size:
        raise ProbeError("There are no labels to draw", expected="a table of confusions")
    counts = table.to_numpy(float)
    with np.errstate(invalid="ignore"):
        shares = 100 * counts / counts.sum(axis=1, keepdims=True)
    n, written = max(shares.shape), max(shares.shape) <= MOST_NUMBERS
    size = float(np.clip((0.42 if written else 0.17) * n + 1.4, 3.0, 12.0))
    figure = new_figure(size + 0.6, size)
    ax = figure.add_subplot()
    image = ax.imshow(shares, vmin=0, vmax=100, cmap="viridis")
    names, small = [str(name) for name in table.columns], 8 if written else 6.5
    wide = max(map(len, names)) > 3
    ax.set_xticks(
        range(len(names)), names, fontsize=small, rotation=45 if wide else 0, ha="right" if wide else "center"
    )
    ax.set_yticks(range(len(table)), [str(name) for name in table.index], fontsize=small)
    for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
        label.set_parse_math(False)
    for (row, column), share in np.ndenumerate(shares):
        if written and share >= 0.5:
            ax.text(
                column, row, f"{share:.0f}", ha="center", va="center", fontsize=7,
                color="white" if share < 60 else "black",
            )  # fmt: skip
    ax.set_xlabel("Taken for")
    ax.set_ylabel("True label")
    about = table.attrs
    if "layer" in about:
        model = str(about.get("representations", {}).get("model", ""))
        ax.set_title(f"{model} · layer {about['layer']}", loc="left", fontsize=10, parse_math=False)
    figure.colorbar(image, ax=ax, label="% of its units", shrink=0.8)
    return figure
