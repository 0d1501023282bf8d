"""Maps of mixing over layers, and curves of what is read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from speechinterp.errors import MixingError, shortlist
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_by_layer", "plot_mixing"]

BASELINES = {"none": "model", "random-init": "random weights"}

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#A2568A",
    "#E69F00",
    "#56B4E9",
    "#6E6E6E",
    "#000000",
    "#F0B7A4",
    "#7F5F00",
)
LABELLED = 40
NAMES = {
    "value_zeroing": "Value Zeroing",
    "attention": "Attention",
    "rollout": "Attention rollout",
    "attention_norm": "Attention-norm",
    "globenc": "GlobEnc",
    "alti": "ALTI",
    "chefer": "Chefer relevance",
    "front_end": "Front end",
}
WHERE = {"encoder": "encoder", "decoder": "decoder", "cross": "cross-attention"}


def plot_mixing(mix: xr.DataArray, *, columns: int | None = None) -> Figure:
    """Draw the map of every layer of one utterance.

    Parameters
    ----------
    mix
        A map [dims=(layer, target, source)], without heads.
    columns
        Layers in a row.

    Returns
    -------
    matplotlib.figure.Figure
        One colour scale for all layers, over the shares of units. What lies outside the units, padding and gaps,
        stands beside each map as bars from 0 to 1.

    Raises
    ------
    MixingError
        If the map has heads or several utterances.
    """
    depth = "node" if "node" in mix.dims else "layer"
    if set(mix.dims) != {depth, "target", "source"}:
        raise MixingError(
            f"a map with the axes {shortlist(mix.dims)}",
            expected="layer, target and source",
            cause="heads that were not averaged, or the maps of several utterances",
            fix="mix.sel(head=0), or mix.isel(utterance=0)",
        )
    units = mix.source_label.isin(["pad", "gap"]) & mix.source_start.isnull()
    inside, outside = mix.isel(source=np.flatnonzero(~units)), mix.isel(source=np.flatnonzero(units))
    n, n_rows, n_columns = mix.sizes[depth], mix.sizes["target"], inside.sizes["source"]
    columns = columns or min(n, 4)
    rows = -(-n // columns)
    named = max(n_rows, n_columns) <= LABELLED and any(mix.target_label.values)
    cell = 0.24 if named else 2.6 / max(n_rows, n_columns)
    width, height = max(1.9, cell * n_columns) + 0.5, max(1.7, cell * n_rows) + 0.35
    figure = new_figure(columns * width + 1.6, rows * height + 1.3)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    top = float(np.nanmax(inside.values, initial=0.0)) or 1.0
    image = None
    for place, axes in enumerate(grid.flat):
        if place >= n:
            axes.set_axis_off()
            continue
        image = _draw(axes, inside.isel({depth: place}).values, inside, named, top)
        name = mix[depth].values[place]
        axes.set_title(f"layer {name}" if depth == "layer" else str(name), fontsize=9)
        if outside.sizes["source"]:
            _bars(axes, outside.isel({depth: place}))
    for axes in grid[-1] if rows * columns == n else grid.flat:
        axes.tick_params(labelbottom=True)
    figure.supxlabel(_side(mix, "source"), fontsize=9)
    figure.supylabel(_side(mix, "target"), fontsize=9)
    assert image is not None
    bar = figure.colorbar(image, ax=grid, fraction=0.03, pad=0.01)
    bar.set_label("Share of the target's row", fontsize=8.5)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(_title(mix), fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure


def _draw(axes: Axes, values: Any, mix: xr.DataArray, named: bool, top: float) -> Any:
    n_rows, n_columns = values.shape
    if named:
        image = axes.imshow(values, cmap="cividis", vmin=0, vmax=top, aspect="auto", interpolation="nearest")
        sources = [str(label) for label in mix.source_label.values[:n_columns]]
        turned = 90 if max(map(len, sources)) > 2 else 0
        axes.set_xticks(range(n_columns), sources, rotation=turned, fontsize=7.5, parse_math=False)
        spoken = mix.target_next if "target_next" in mix.coords else mix.target_label
        axes.set_yticks(range(n_rows), [str(s) for s in spoken.values], fontsize=7.5, parse_math=False)
    else:
        times = mix.source_start.values[0], mix.source_end.values[n_columns - 1]
        sides = mix.target_start.values[0], mix.target_end.values[-1]
        extent = (*times, *sides[::-1]) if np.isfinite([*times, *sides]).all() else None
        image = axes.imshow(
            values, cmap="cividis", vmin=0, vmax=top, aspect="auto", interpolation="nearest", extent=extent
        )
    axes.tick_params(length=2, labelsize=7.5)
    return image


def _bars(axes: Axes, outside: xr.DataArray) -> None:
    """Draw the shares of padding and gaps beside a map, row by row, from 0 to 1."""
    bottom, top = axes.get_ylim()
    n = outside.sizes["target"]
    step = (bottom - top) / n
    places = top + step * (np.arange(n) + 0.5)
    beside = axes.inset_axes((1.02, 0.0, 0.14, 1.0))
    left = np.zeros(n)
    for name, colour in (("pad", "#9A9A9A"), ("gap", "#D0D0D0")):
        for values in outside.transpose("source", "target").values[outside.source_label.values == name]:
            beside.barh(places, values, 0.8 * abs(step), left=left, color=colour, linewidth=0)
            left = left + values
    beside.set(xlim=(0, 1), ylim=(bottom, top), yticks=[], xticks=[0, 1])
    beside.tick_params(labelsize=6, length=2)
    beside.set_title(" + ".join(map(str, outside.source_label.values)), fontsize=7)
    beside.spines[["top", "right"]].set_visible(False)


def _side(mix: xr.DataArray, side: str) -> str:
    tokens = mix.attrs.get(f"{side}_stack") == "decoder"
    unit = str(mix.attrs.get("unit", "units"))
    timed = unit == "frames" or mix.sizes[side] > LABELLED
    said = "next token" if side == "target" and "target_next" in mix.coords else "token"
    name = said if tokens else f"{unit} (time in s)" if timed else unit
    return f"{side.capitalize()}: {name}"


def _title(mix: xr.DataArray) -> str:
    parts = [NAMES.get(mix.attrs["method"], mix.attrs["method"])]
    parts.append(WHERE.get(mix.attrs.get("where", ""), ""))
    control = mix.attrs.get("baseline", "none")
    parts += [
        str(mix.attrs.get("model", "")),
        control if control != "none" else "",
        str(mix.attrs.get("utterance")),
    ]
    return " · ".join(part for part in parts if part)


def plot_by_layer(
    table: pd.DataFrame,
    label: str,
    *,
    by: str = "measure",
    percent: bool = False,
    chance: str = "chance",
    title: str = "",
) -> Figure:
    """Draw means with their intervals over layers: one line a case and one panel a baseline.

    Of a single case, the baselines are lines of one panel.

    Parameters
    ----------
    table
        Columns `layer`, `mean`, `ci_low`, `ci_high` and `by`, also `baseline`, and `chance`, drawn as a dotted line.
    label
        What is drawn, with its unit.
    by
        The column that tells lines apart.
    percent
        Whether values from 0 to 1 are drawn as per cent.
    chance
        What the dotted line is called.
    title
        Of the figure.
    """
    if "baseline" in table:
        table = table.assign(baseline=[BASELINES.get(name, name) for name in table["baseline"]])
        if table[by].nunique() == 1 < table["baseline"].nunique():
            only = str(table[by].iloc[0])
            table = table.drop(columns=by).rename(columns={"baseline": by}).assign(baseline=only)
    panels = list(dict.fromkeys(table["baseline"])) if "baseline" in table else [""]
    figure = new_figure(3.6 * len(panels) + 2.1, 3.4)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    factor = 100 if percent else 1
    names = list(dict.fromkeys(table[by]))
    for axes, panel in zip(grid, panels, strict=True):
        part = table[table["baseline"] == panel] if "baseline" in table else table
        for place, name in enumerate(names):
            rows = part[part[by] == name].sort_values("layer")
            if rows.empty:
                continue
            colour = COLOURS[place % len(COLOURS)]
            layers = rows["layer"].to_numpy(float)
            axes.plot(layers, factor * rows["mean"], color=colour, marker="o", markersize=3.5, label=name)
            low, high = (factor * rows[column].to_numpy(float) for column in ("ci_low", "ci_high"))
            axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)
        if "chance" in part:
            level = part.groupby("layer")["chance"].mean()
            axes.plot(level.index, factor * level, color="#333333", linestyle=":", label=chance)
        axes.set_xlabel("Layer")
        axes.set_xticks(sorted(part["layer"].unique()))
        axes.set_title(panel, fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#E5E5E5", linewidth=0.6)
        axes.set_axisbelow(True)
    grid[0].set_ylabel(label)
    grid[0].set_ylim(bottom=0)
    handles, texts = grid[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside right center", fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    return figure
