"""Information-flow routes: units along the time of the sound, layers upwards, edges as wide as their flow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from speechinterp.mixing import Routes
from speechinterp.viz.figure import new_figure

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
MODULES = [part for part in COLOURS if part != "residual"]
HEIGHTS = {"input": -1.0, "residual": 0.0, "residual_mid": 0.5, "residual_cross": 0.75}
WIDEST, DECODER_ABOVE = 7.0, 0.4
CROWD = 14
DARK, PALE = "#333333", "#9A9A9A"


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
    nodes = _placed(routes)
    if ax is None:
        height = 2.2 + 0.55 * (nodes.y.max() - nodes.y.min())
        ax = new_figure(8.6, min(11.0, height)).add_subplot()
    _draw_edges(ax, nodes, routes.edges)
    streams = nodes[nodes.part.isin(list(HEIGHTS))]
    ax.scatter(streams.x, streams.y, s=6 + 60 * streams.flow, color="#333333", zorder=4, linewidths=0)
    target: Any = nodes.loc[routes.target]
    ax.scatter(
        [target.x], [target.y], s=170, facecolors="none", edgecolors="#000000", linewidths=1.4, zorder=5
    )
    _name_units(ax, nodes, routes.attrs["units"])
    _name_layers(ax, nodes)
    _say(ax, nodes, target)
    _legend(ax, routes.edges)
    held, every = 100 * routes.attrs["held"], routes.attrs["n_edges_in_all"]
    told = f"{held:.0f}% of its flow from the input in {_elementary(routes)} of {every} edges"
    title = f"Routes to “{routes.attrs['target'].strip()}” · {routes.attrs['model']} · {told}"
    ax.set_title(
        title, loc="left", fontsize=9.5, parse_math=False, pad=30 if target.stack == "decoder" else 6
    )
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
    nodes, units = routes.nodes.set_index("id"), routes.attrs["units"]
    places = {(stack, i): x for stack in units for i, x in enumerate(_columns(units, stack))}
    x = [places[key] for key in zip(nodes["stack"], nodes["unit"], strict=True)]
    decoder = nodes["stack"] == "decoder"
    encoder_top = nodes.loc[~decoder, "layer"].max() if (~decoder).any() else 0
    above = np.where(decoder & bool((~decoder).any()), encoder_top + DECODER_ABOVE + 1, 0)
    return nodes.assign(x=x, y=nodes["layer"] + nodes["part"].map(HEIGHTS).fillna(0.0) + above)


def _columns(units: dict[str, Any], stack: str) -> list[float]:
    """Return the place of every unit: its middle, or beside the sound what has no time; tokens side by side."""
    times = [(start, end) for _, start, end in units["encoder"] if start is not None]
    begin, end = min(start for start, _ in times), max(end for _, end in times)
    step, outside = (end - begin) / 12, 0
    if stack == "decoder":
        n = len(units["decoder"])
        return [begin + (i + 0.5) / n * (end + step - begin) for i in range(n)]
    places = []
    for _, first, last in units["encoder"]:
        outside += first is None
        places.append(end + (outside - 0.3) * step if first is None else (first + last) / 2)
    return places


def _draw_edges(ax: Axes, nodes: pd.DataFrame, edges: pd.DataFrame) -> None:
    from matplotlib.patches import FancyArrowPatch

    out = edges[edges["source"].map(nodes["part"]).isin(MODULES)]
    written = dict(zip(out["source"], out["target"], strict=True))
    edge: Any
    for edge in edges.sort_values("flow").itertuples():
        if edge.source in written:
            continue
        start: Any = nodes.loc[edge.source]
        end: Any = nodes.loc[written.get(edge.target, edge.target)]
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


def _name_units(ax: Axes, nodes: pd.DataFrame, units: dict[str, Any]) -> None:
    """Write units under the graph, in a strip of their times, and tokens above it; pale where no route passes."""
    passed = set(zip(nodes["stack"], nodes["unit"], strict=True))
    listed, places = units["encoder"], _columns(units, "encoder")
    bottom, top = nodes["y"].min() - 0.75, nodes["y"].max()
    crowded = len(listed) > CROWD
    turned: dict[str, Any] = {"rotation": 50, "ha": "right"} if crowded else {"ha": "center"}
    for i, (label, start, end) in enumerate(listed):
        colour = DARK if ("encoder", i) in passed else PALE
        if start is not None:
            ax.plot([start, end], [bottom + 0.3] * 2, color=colour, linewidth=2.5, solid_capstyle="butt")
        style = "italic" if start is None else "normal"
        text: dict[str, Any] = {"color": colour, "style": style, "fontsize": 8, "parse_math": False}
        ax.text(places[i], bottom + 0.15, label, va="top", **turned, **text)
    tokens = units.get("decoder", [])
    for i, (label, *_) in enumerate(tokens):
        text = {"color": DARK if ("decoder", i) in passed else PALE, "fontsize": 8, "parse_math": False}
        ax.text(_columns(units, "decoder")[i], top + 0.35, label.strip(), rotation=40, va="bottom", **text)
    ax.set_ylim(bottom - (1.6 if crowded else 0.5), top + (1.6 if tokens else 0.6))
    times = [time for _, *both in listed for time in both if time is not None]
    every = [*places, *times, *nodes["x"]]
    margin = 0.02 * (max(every) - min(every))
    ax.set_xlim(min(every) - margin, max(every) + margin)
    ax.set_xlabel("Time (s)")
    ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= max(times) + 1e-9])
    ax.set_xlim(min(every) - margin, max(every) + margin)


def _name_layers(ax: Axes, nodes: pd.DataFrame) -> None:
    rows = nodes[nodes["part"].isin(["input", "residual"])].drop_duplicates("y")
    several = nodes["stack"].nunique() > 1
    names: dict[Any, str] = {}
    row: Any
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
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=4, frameon=False, fontsize=8,
        handlelength=1.6,
    )  # fmt: skip
