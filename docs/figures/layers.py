"""What the figures over layers share: a table of the gallery, lines with their intervals, and axes."""

from pathlib import Path

import pandas as pd


def table_of(name):
    """Return a table of the gallery."""
    return pd.read_csv(Path(__file__).parents[1] / "gallery" / f"{name}.csv")


def draw(ax, rows, style, factor=1):
    """Draw scores over layers with their intervals, those without a layer as a level, and nothing of no rows."""
    name, colour, line, marker = style
    if rows.layer.isna().any():
        ax.axhline(factor * rows.score.iloc[0], color=colour, linestyle=line, linewidth=1.1, label=name)
    elif len(rows):
        ax.plot(
            rows.layer, factor * rows.score, color=colour, linestyle=line, marker=marker, markersize=4, label=name
        )  # fmt: skip
        low, high = factor * rows.ci_low, factor * rows.ci_high
        ax.fill_between(rows.layer, low, high, color=colour, alpha=0.15, linewidth=0)


def tidy(ax):
    """Number the layers, from 0 to 4, and draw no more lines than are needed."""
    ax.set_xticks(range(5))
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.spines[["top", "right"]].set_visible(False)


def name_lines(figure, ax):
    """Give an empty panel the names of all lines of a figure."""
    handles = {line.get_label(): line for each in figure.axes for line in each.lines}
    ax.axis("off")
    ax.legend(handles.values(), handles.keys(), loc="center", frameon=False)
