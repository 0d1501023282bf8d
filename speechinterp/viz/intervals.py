"""Numbers with their intervals, one row each, beside chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from speechinterp.errors import SpeechInterpError, shortlist
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_intervals"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#A2568A", "#8A5A00", "#333333")
MARKERS = ("o", "s", "^", "D", "v", "P")


def plot_intervals(
    table: pd.DataFrame,
    row: str,
    value: str,
    axis: str,
    *,
    colour: str | None = None,
    chance: str = "chance",
    percent: bool = False,
    title: str = "",
) -> Figure:
    """Draw one line a row: a number, its interval, and what chance would give.

    Parameters
    ----------
    table
        With a column of names, the numbers, ``ci_low`` and ``ci_high``, and perhaps chance.
    row, value
        The columns of names and of numbers.
    axis
        What the numbers are.
    colour
        A column by which dots of one row differ, such as the model and its random twin.
    chance
        The column of chance; left out where there is none.
    percent
        Draw shares in per cent.
    title
        Of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SpeechInterpError
        If the table has no rows or lacks a column.
    """
    from matplotlib.lines import Line2D

    needed = [row, value, "ci_low", "ci_high", *([colour] if colour else [])]
    if table.empty or not set(needed) <= set(table):
        raise SpeechInterpError(
            f"a table of {len(table)} rows with the columns {shortlist(table)}",
            expected=f"rows with {', '.join(needed)}",
            fix="the summary of a study",
        )
    names = list(dict.fromkeys(table[row].astype(str)))
    kinds = list(dict.fromkeys(table[colour].astype(str))) if colour else [""]
    factor = 100 if percent else 1
    figure = new_figure(7, 1.1 + max(0.22, 0.16 * len(kinds)) * len(names) + 0.3)
    ax = figure.add_subplot()
    for k, kind in enumerate(kinds):
        part = table[table[colour].astype(str) == kind] if colour else table
        places = np.array([names.index(str(each)) for each in part[row]]) + (
            k - (len(kinds) - 1) / 2
        ) * 0.7 / len(kinds)
        middle, low, high = (factor * part[c].to_numpy(float) for c in (value, "ci_low", "ci_high"))
        low, high = (np.where(np.isfinite(edge), edge, middle) for edge in (low, high))
        hue = COLOURS[k % len(COLOURS)]
        ax.hlines(places, low, high, linewidth=1.6, color=hue)
        ax.plot(middle, places, MARKERS[k % len(MARKERS)], markersize=4.5, color=hue)
        if chance in part:
            ax.plot(factor * part[chance].to_numpy(float), places, "|", color="#333333", markersize=9)
    handles = [
        Line2D([], [], color=COLOURS[k % 6], marker=MARKERS[k % 6], linewidth=1.6, markersize=4.5, label=kind)
        for k, kind in enumerate(kinds)
        if len(kinds) > 1
    ]
    if chance in table:
        handles.append(
            Line2D([], [], color="#333333", marker="|", linestyle="", markersize=9, label="chance")
        )
    if handles:
        figure.legend(handles=handles, loc="outside upper right", ncols=4, frameon=False, fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel(axis)
    ax.set_title(title, loc="left", fontsize=10, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="x", color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    return figure
