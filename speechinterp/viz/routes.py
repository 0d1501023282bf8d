"""Information-flow routes: units along the time of the sound, layers upwards, edges as wide as their flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from speechinterp.mixing import Routes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_routes"]

COLOURS = {
    "residual": ("#8A8A8A", "residual stream"),
    "attention": ("#0072B2", "attention"),
    "cross_attention": ("#A2568A", "attention to the encoder"),
    "mlp": ("#D55E00", "MLP"),
    "positional": ("#009E73", "positional convolution"),
}
HEIGHTS = {"input": -1.0, "residual": 0.0, "residual_mid": 0.5, "residual_cross": 0.75}
WIDEST, DECODER_ABOVE = 7.0, 1.6
CROWD = 14


def plot_routes(routes: Routes, ax: Axes | None = None) -> Figure:
    """Draw routes: who reads whom in every layer on the way to the target.

    Parameters
    ----------
    routes
        What :func:`speechinterp.mixing.routes` gives, or :func:`speechinterp.mixing.read_routes`.
    ax
        Where to draw; a new figure if none is given.

    Returns
    -------
    matplotlib.figure.Figure
        Units stand at their time in seconds, tokens of a decoder above them at equal distances, and what has
        no time (gap, pad) to the right. The width of an edge is its flow. Beside the target's column stands
        what its states say, where the routes were read out.
    """
    from matplotlib.figure import Figure

    nodes = _placed(routes)
    if ax is None:
        height = 2.2 + 0.55 * (nodes.y.max() - nodes.y.min())
        ax = Figure(figsize=(8.6, min(11.0, height)), layout="constrained").add_subplot()
    _draw_edges(ax, nodes, routes.edges)
    streams = nodes[nodes.part.isin(list(HEIGHTS))]
    ax.scatter(streams.x, streams.y, s=6 + 60 * streams.flow, color="#333333", zorder=4, linewidths=0)
    target = nodes.loc[routes.target]
    ax.scatter(
        [target.x], [target.y], s=170, facecolors="none", edgecolors="#000000", linewidths=1.4, zorder=5
    )
    _name_units(ax, nodes)
    _name_layers(ax, nodes)
    _say(ax, nodes, target)
    _legend(ax, routes.edges)
    held, every = 100 * routes.attrs["held"], routes.attrs["n_edges_in_all"]
    told = f"{held:.0f}% of its flow from the input in {_elementary(routes)} of {every} edges"
    title = f"Routes to “{target.label.strip()}” · {routes.attrs['model']} · {told}"
    ax.set_title(title, loc="left", fontsize=9.5, parse_math=False)
    ax.spines[["top", "right", "left"]].set_visible(False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def _elementary(routes: Routes) -> int:
    """Count edges as the attrs do: a way through a module is one."""
    return int(
        (~routes.edges["source"].isin(routes.nodes["id"][~routes.nodes["part"].isin(list(HEIGHTS))])).sum()
    )


def _placed(routes: Routes) -> pd.DataFrame:
    """Return the nodes by id, with their places: x in seconds, y in layers."""
    nodes = routes.nodes.set_index("id")
    timed = nodes["start"].notna()
    begin, end = (nodes["start"].min(), nodes["end"].max()) if timed.any() else (0.0, 1.0)
    step = (end - begin) / 12
    x = (nodes["start"] + nodes["end"]) / 2
    for number, name in enumerate(("gap", "pad")):
        x = x.where(timed | (nodes["label"] != name), end + (number + 0.7) * step)
    decoder = nodes["stack"] == "decoder"
    if decoder.any():
        n = int(nodes.loc[decoder, "unit"].max()) + 1
        x = x.where(~decoder, begin + (nodes["unit"] + 0.5) / n * (end + 1.2 * step - begin))
    encoder_top = nodes.loc[~decoder, "layer"].max() if (~decoder).any() else 0
    above = np.where(decoder & (~decoder).any(), encoder_top + DECODER_ABOVE + 1, 0)
    y = nodes["layer"] + nodes["part"].map(HEIGHTS).fillna(0.0) + above
    return nodes.assign(x=x.fillna(end + 2.7 * step), y=y)


def _draw_edges(ax: Axes, nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    from matplotlib.patches import FancyArrowPatch

    into = edges[edges["source"].map(nodes["part"]).isin(list(COLOURS)) & (edges["part"] != "residual")]
    written = dict(zip(into["source"], into["target"], strict=True))
    for edge in edges.sort_values("flow").itertuples():
        if edge.source in written:
            continue
        start, end = nodes.loc[edge.source], nodes.loc[written.get(edge.target, edge.target)]
        same = abs(start.x - end.x) < 1e-9
        bend = {"attention": 0.35, "mlp": -0.45, "positional": 0.35}.get(edge.part, 0.0) if same else 0.0
        colour, _ = COLOURS[edge.part]
        ax.add_patch(
            FancyArrowPatch(
                (start.x, start.y),
                (end.x, end.y),
                arrowstyle="-",
                connectionstyle=f"arc3,rad={bend}",
                linewidth=max(0.35, WIDEST * edge.flow),
                color=colour,
                alpha=0.45 if edge.part == "residual" else 0.75,
                zorder=1 if edge.part == "residual" else 2,
                shrinkA=0,
                shrinkB=0,
                capstyle="round",
            )
        )


def _name_units(ax: Axes, nodes: pd.DataFrame) -> None:
    """Write units under the graph, in a strip of their times, and tokens above it."""
    encoder = nodes[nodes["stack"] == "encoder"].drop_duplicates("unit").sort_values("x")
    bottom = nodes["y"].min() - 0.75
    turned: dict[str, Any] = {"rotation": 50, "ha": "right"} if len(encoder) > CROWD else {"ha": "center"}
    for unit in encoder.itertuples():
        timed = np.isfinite(unit.start)
        if timed:
            ax.plot(
                [unit.start, unit.end],
                [bottom + 0.3] * 2,
                color="#333333",
                linewidth=2,
                solid_capstyle="butt",
            )
        style = {} if timed else {"style": "italic", "color": "#6E6E6E"}
        ax.text(unit.x, bottom + 0.15, unit.label, va="top", fontsize=8, parse_math=False, **turned, **style)
    tokens = nodes[nodes["stack"] == "decoder"].drop_duplicates("unit")
    top = nodes["y"].max()
    for unit in tokens.itertuples():
        ax.text(
            unit.x, top + 0.35, unit.label.strip(), rotation=40, ha="left", va="bottom", fontsize=8, parse_math=False
        )  # fmt: skip
    depth = 0.5 if len(encoder) <= CROWD else 1.6
    ax.set_ylim(bottom - depth, top + (1.6 if len(tokens) else 0.6))
    x = nodes["x"]
    margin = 0.04 * (x.max() - x.min() or 1.0)
    starts, ends = nodes["start"].min(), nodes["end"].max()
    ax.set_xlim(np.nanmin([x.min() - margin, starts]), np.nanmax([x.max() + margin, ends]))
    ax.set_xlabel("Time (s)")
    if np.isfinite(ends):
        ax.set_xticks([tick for tick in ax.get_xticks() if starts - 0.3 <= tick <= ends + 1e-9])


def _name_layers(ax: Axes, nodes: pd.DataFrame) -> None:
    rows = nodes[nodes["part"].isin(["input", "residual"])].drop_duplicates("y")
    several = nodes["stack"].nunique() > 1
    names = {}
    for row in rows.itertuples():
        stack = f"{row.stack} " if several else ""
        names[row.y] = f"{stack}input" if row.part == "input" else f"{stack}{row.layer}"
    ax.set_yticks(list(names), list(names.values()), fontsize=8)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel("Layer")
    ax.grid(axis="y", color="#EEEEEE", linewidth=0.6)
    ax.set_axisbelow(True)


def _say(ax: Axes, nodes: pd.DataFrame, target: pd.Series) -> None:
    """Write the most probable symbol of the target's states to the right of the graph."""
    column = nodes[(nodes["stack"] == target["stack"]) & (nodes["unit"] == target["unit"])]
    column = column[(column["part"] == "residual") & column["reads"].astype(bool)]
    for node in column.itertuples():
        symbol, probability = node.reads[0]
        ax.annotate(
            f"{symbol.replace('Ġ', '␣')}  {probability:.2f}",
            (1.01, node.y), xycoords=ax.get_yaxis_transform(), fontsize=8, va="center", parse_math=False,
        )  # fmt: skip
    if len(column):
        ax.annotate(
            "says (p)",
            (1.01, column["y"].max() + 0.45),
            xycoords=ax.get_yaxis_transform(),
            fontsize=8,
            color="#6E6E6E",
        )


def _legend(ax: Axes, edges: pd.DataFrame) -> None:
    from matplotlib.lines import Line2D

    shown = [(colour, name) for part, (colour, name) in COLOURS.items() if (edges["part"] == part).any()]
    handles = [Line2D([], [], color=colour, linewidth=2.5, label=name) for colour, name in shown]
    handles += [
        Line2D([], [], color="#333333", linewidth=WIDEST * flow, label=f"flow {flow:g}")
        for flow in (0.5, 0.1)
    ]
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4, frameon=False, fontsize=8,
        handlelength=1.6,
    )  # fmt: skip
