"""Deletion curves: what is left of an output as units go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from speechinterp.errors import AttributionError, shortlist
from speechinterp.viz.figure import new_figure
from speechinterp.viz.intervals import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_deletion"]


def plot_deletion(table: pd.DataFrame, target: str | None = None) -> Figure:
    """Draw how an output falls as units are taken away, one line a method, beside random orders.

    Parameters
    ----------
    table
        From :func:`speechinterp.attribution.deletion_curves`.
    target
        Which output; None draws the first.

    Returns
    -------
    matplotlib.figure.Figure
        Grey is the mean of random orders, and where 95 % of them are.

    Raises
    ------
    AttributionError
        If there is no such target.
    """
    targets = list(dict.fromkeys(table["target"]))
    target = targets[0] if target is None and targets else target
    if target not in targets:
        raise AttributionError(
            f"target {target!r}", expected=f"one of {shortlist(targets)}", fix="target=None"
        )
    part = table[table["target"] == target]
    figure = new_figure(6.2, 3.6)
    ax = figure.add_subplot()
    chance, others = (
        part[(part["method"] == "random") == known].sort_values("taken") for known in (True, False)
    )
    ax.fill_between(chance["taken"], chance["low"], chance["high"], color="#9A9A9A", alpha=0.25, linewidth=0)
    ax.plot(chance["taken"], chance["value"], color="#6E6E6E", linestyle="--", label="random order")
    for k, (method, rows) in enumerate(others.groupby("method", sort=False)):
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        ax.plot(rows["taken"], rows["value"], color=colour, marker=marker, markersize=4.5, label=str(method))
    ax.set_xticks(chance["taken"])
    unit, scale = table.attrs.get("unit", "units"), table.attrs.get("target_scale", "score")
    ax.set_xlabel(f"Number of {unit} taken away, most relevant first")
    ax.set_ylabel(str(scale).capitalize())
    ax.set_title(f"{target} · {table.attrs.get('model', '')}", loc="left", fontsize=10, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    figure.legend(loc="outside right upper", frameon=False, fontsize=8.5)
    return figure
