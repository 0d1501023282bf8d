"""Similarities: curves over layers, or maps of layers by layers, each beside its chance level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import SimilarityError, shortlist
from speechinterp.viz.figure import new_figure
from speechinterp.viz.scores import STYLES, _draw, _name_lines, _Style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_similarity"]

NAMES = {
    "abx": "ABX error (%)",
    "cka": "CKA, debiased",
    "cka-biased": "CKA, biased",
    "cka-rbf": "CKA, Gaussian kernel, debiased",
    "cka-rbf-biased": "CKA, Gaussian kernel, biased",
    "cca": "Mean canonical correlation",
    "svcca": "SVCCA",
    "pwcca": "PWCCA",
    "procrustes": "Procrustes similarity",
    "rsa": "RSA (Pearson's r)",
    "rsa-partial": "RSA (partial r)",
    "rsa-labels-spearman": "RSA of labels (Spearman's ρ)",
    "rsa-labels-pearson": "RSA of labels (Pearson's r)",
}
CHANCE = "#6E6E6E"
MOST_NUMBERS = 14
"""Layers up to which the numbers are written into a map."""


def plot_similarity(table: pd.DataFrame) -> Figure:
    """Draw a table of similarities.

    Parameters
    ----------
    table
        Of one measure, as the functions of :mod:`speechinterp.similarity` return it.

    Returns
    -------
    matplotlib.figure.Figure
        Where the other side has layers, a map of layers by layers for the model, for each baseline, and of the
        model's null. Otherwise a curve over layers for each, with its interval, and the null as a broken line.

    Raises
    ------
    SimilarityError
        If the table has several measures or models.
    """
    for column in ("measure", "model"):
        of_model = table[table["baseline"] == "none"]
        if of_model[column].nunique() != 1:
            raise SimilarityError(
                f"the table has several values of {column}, or none: {shortlist(of_model[column].unique())}",
                expected=f"one {column} a figure",
                cause="tables that were joined, or no row of the model itself",
                fix=f"plot_similarity(table[table.{column} == ...])",
            )
    if "other_layer" in table and table["other_layer"].nunique() > 1:
        return _maps(table)
    return _curves(table)


def _title(table: pd.DataFrame) -> str:
    name = str(table["model"].iloc[0])
    other = str(table["other"].iloc[0]) if "other" in table else ""
    if other == name:
        return f"layers of {name}"
    if not other:
        return _asked(table, name)
    return f"{name} · {other}"


def _asked(table: pd.DataFrame, name: str) -> str:
    asked = table.attrs
    if "on" not in asked:
        return name
    parts = [f"on {asked['on']}"]
    parts += [f"{word} {', '.join(asked[word])}" for word in ("by", "across") if asked.get(word)]
    return f"{name} · {', '.join(parts)}"


def _curves(table: pd.DataFrame) -> Figure:

    measure = str(table["measure"].iloc[0])
    factor = 100 if measure == "abx" else 1
    figure = new_figure(5.8, 3.5)
    ax = figure.add_subplot()
    layers = np.sort(table["layer"].dropna().unique()).astype(int)
    margin = 0.03 * (layers[-1] - layers[0]) or 0.5
    ends: list[tuple[float, _Style]] = []
    for baseline, style in STYLES.items():
        rows = table[table["baseline"] == baseline].sort_values("layer")
        if rows.empty:
            continue
        flat = bool(rows["layer"].isna().any())
        x = np.array([layers[0] - margin, layers[-1] + margin]) if flat else rows["layer"].to_numpy(float)
        values = factor * rows[["score", "ci_low", "ci_high"]].to_numpy(float).T
        _draw(ax, x, np.repeat(values[:, :1], 2, axis=1) if flat else values, style)
        null = factor * rows["null"].to_numpy(float)
        dots = len(x) == 1
        ax.plot(x, np.repeat(null, len(x) // len(null)), color=style.colour, linewidth=0.9, linestyle=(0, (4, 2)),
                marker="_" if dots else "", markersize=12)  # fmt: skip
        ends.append((float(values[0, -1]), style))
        if baseline == "none":
            ends.append((float(null[-1]), _Style("chance", CHANCE, (0, (4, 2)), 0.9, "")))
    ax.set_xlim(layers[0] - margin, layers[-1] + margin)
    low, high = ax.get_ylim()
    ax.set_ylim(min(0, low), high)
    ax.set_xticks(layers[:: max(1, len(layers) // 13)])
    ax.set_xlabel("Layer")
    ax.set_ylabel(NAMES.get(measure, measure))
    ax.set_title(_title(table), loc="left", fontsize=10, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    _name_lines(ax, ends)
    return figure


def _maps(table: pd.DataFrame) -> Figure:

    names = [name for name in STYLES if name in set(table["baseline"])]
    panels = [(STYLES[name].name, table[table["baseline"] == name], "score") for name in names]
    panels.append(("chance (model)", panels[0][1], "null"))
    grids = [(title, _grid(rows, column)) for title, rows, column in panels]
    low = min(0.0, *(float(np.nanmin(grid)) for _, grid in grids))
    height, width = max(grid.shape[0] for _, grid in grids), max(grid.shape[1] for _, grid in grids)
    cell = 0.34 if max(height, width) <= MOST_NUMBERS else 0.16
    size = (len(grids) * (cell * width + 0.7) + 0.9, cell * height + 1.1)
    figure = new_figure(max(size[0], 5.0), max(size[1], 2.4))
    axes = figure.subplots(1, len(grids), squeeze=False)[0]
    for ax, (title, grid) in zip(axes, grids, strict=True):
        image = ax.imshow(grid, vmin=low, vmax=1, cmap="viridis", origin="lower")
        if max(grid.shape) <= MOST_NUMBERS:
            _write(ax, grid, low)
        ax.set_title(title, fontsize=9)
        step = max(1, grid.shape[1] // 13)
        ax.set_xticks(range(0, grid.shape[1], step))
        ax.set_yticks(range(0, grid.shape[0], step))
        ax.set_xlabel(
            "Layer" if panels[0][1]["other"].iloc[0] == table["model"].iloc[0] else "Layer of the other"
        )
    axes[0].set_ylabel("Layer")
    figure.colorbar(image, ax=axes, shrink=0.9, label=NAMES.get(str(table["measure"].iloc[0]), ""))
    figure.suptitle(_title(table), fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure


def _grid(rows: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return scores as a map; that of a symmetric measure is filled up on the other side."""
    one_sided = bool((rows["other"] == rows["model"]).all())
    shape = rows["layer"].max() + 1, rows["other_layer"].max() + 1
    grid = np.full((max(shape), max(shape)) if one_sided else shape, np.nan)
    a, b = rows["layer"].to_numpy(int), rows["other_layer"].to_numpy(int)
    grid[a, b] = rows[column]
    if one_sided:
        back = np.isnan(grid[b, a])
        grid[b[back], a[back]] = rows[column].to_numpy()[back]
        if column == "score":
            np.fill_diagonal(grid, 1.0)
    return grid


def _write(ax: Axes, grid: npt.NDArray[np.float64], low: float) -> None:
    """Write every number into its cell, without the zero before the point."""
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            text = "1" if value > 0.995 else f"{value:.2f}".replace("0.", ".", 1)
            dark = (value - low) / (1 - low) < 0.6
            ax.text(
                column, row, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black"
            )
