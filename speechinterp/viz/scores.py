"""Probe scores over layers, with the controls in the same figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import ProbeError, shortlist
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_scores", "save_figure"]

Doubles: TypeAlias = npt.NDArray[np.float64]


class _Style(NamedTuple):
    """How a baseline is drawn; the colours are those of Okabe and Ito (2008), safe for colour-blind readers."""

    name: str
    colour: str
    line: str | tuple[float, tuple[float, float]]
    width: float
    marker: str


STYLES = {
    "none": _Style("model", "#0072B2", "-", 1.8, "o"),
    "random-init": _Style("random weights", "#D55E00", "-", 1.4, "s"),
    "mfcc": _Style("MFCC", "#009E73", "-", 1.1, ""),
    "logmel": _Style("log-mel", "#A2568A", "-", 1.1, ""),
    "control-task": _Style("control task", "#8A5A00", (0, (6, 1.5)), 1.1, "^"),
    "mean-pooling": _Style("mean pooling", "#2B7BA8", (0, (1, 1)), 1.3, "v"),
    "shuffled-labels": _Style("shuffled labels", "#6E6E6E", (0, (4, 2)), 0.9, ""),
    "majority": _Style("majority class", "#333333", ":", 1.1, ""),
}
LABEL_HEIGHT = 0.052
SHARES = ("accuracy", "balanced_accuracy", "selectivity")
"""Metrics drawn in per cent."""
NAMES = {
    "pearson_r": "Pearson r (within test folds)",
    "r2": "R² (share of variance)",
    "unique_r2": "Unique R² (share of variance)",
    "compression": "Compression (uniform code / code)",
    "codelength": "Code length (bits)",
    "weight": "Share in the mix",
}


def plot_scores(scores: pd.DataFrame, metric: str = "accuracy", ax: Axes | None = None) -> Figure:
    """Draw scores over layers with their intervals, one line for the model and one for each baseline.

    Parameters
    ----------
    scores
        The table of one probe, as `speechinterp.probe` returns it.
    metric
        The metric to draw.
    ax
        Where to draw; a new figure if none is given.

    Returns
    -------
    matplotlib.figure.Figure
        The figure; bands and bars are the intervals of the table.

    Raises
    ------
    ProbeError
        If the table has no such metric, or more than one model, target or probe.
    """
    from matplotlib.ticker import FixedLocator, MaxNLocator

    chosen = _one_study(scores, metric)
    if ax is None:
        ax = new_figure(5.6, 3.4).add_subplot()
    layers = np.sort(chosen["layer"].dropna().unique()).astype(int)
    margin = 0.03 * (layers[-1] - layers[0]) or 0.5
    left, right = layers[0] - margin, layers[-1] + margin

    factor = 100 if metric in SHARES else 1
    ends: list[tuple[float, _Style]] = []
    for baseline, style in STYLES.items():
        rows = chosen[chosen["baseline"] == baseline].sort_values("layer")
        if rows.empty:
            continue
        percent = factor * rows[["score", "ci_low", "ci_high"]].to_numpy(float)
        flat = rows["layer"].isna().any()
        x = np.array([left, right], float) if flat else rows["layer"].to_numpy(float)
        _draw(ax, x, np.repeat(percent[:1], 2, axis=0).T if flat else percent.T, style)
        ends.append((float(percent[-1, 0]), style))

    ax.set_xlim(left, right)
    drawn = factor * chosen.loc[chosen["baseline"].isin(list(STYLES)), ["score", "ci_low", "ci_high"]]
    top = 1.08 * np.nanmax(drawn.to_numpy(float)) or 1
    ax.set_ylim(min(0, 1.08 * np.nanmin(drawn.to_numpy(float))), min(102, top) if factor == 100 else top)
    ax.xaxis.set_major_locator(
        FixedLocator(layers.tolist()) if len(layers) < 14 else MaxNLocator(13, integer=True)
    )
    ax.set_xlabel("Layer")
    ax.set_ylabel(NAMES.get(metric) or f"{metric.replace('_', ' ').capitalize()} (%)")
    ax.set_title(f"{_asked(scores)} · {chosen['model'].iloc[0]}", loc="left", fontsize=10, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)
    _name_lines(ax, ends)
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def save_figure(figure: Figure, path: str | Path) -> tuple[Path, Path]:
    """Write a figure as PNG (200 dpi) and as PDF whose text stays text.

    Parameters
    ----------
    figure
        The figure.
    path
        Where to, without suffix: ``scores`` gives ``scores.png`` and ``scores.pdf``.

    Returns
    -------
    png, pdf
        The files written.
    """
    import matplotlib as mpl

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = path.with_name(path.name + ".png"), path.with_name(path.name + ".pdf")
    with mpl.rc_context({"pdf.fonttype": 42}):
        figure.savefig(png, dpi=200, bbox_inches="tight")
        figure.savefig(pdf, bbox_inches="tight", metadata={"CreationDate": None})
    return png, pdf


def _asked(scores: pd.DataFrame) -> str:
    """Name what was probed for: the units where their own label is the target, else the target of the units."""
    target = str(scores["target"].iloc[0])
    unit = scores.attrs.get("representations", {}).get("unit", "")
    if not unit:
        return target
    return unit if target == "label" else f"{target} of {unit}"


def _one_study(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    chosen = scores[scores["metric"] == metric]
    if chosen.empty:
        raise ProbeError(
            f"The table has no scores of metric {metric!r}",
            expected=f"one of {shortlist(scores['metric'].unique())}",
            fix="metric='accuracy'",
        )
    for column in ("model", "target", "probe"):
        if chosen[column].nunique() > 1:
            raise ProbeError(
                f"The table has scores of several values of {column}: {shortlist(chosen[column].unique())}",
                expected=f"one {column} a figure",
                cause="tables of several probes were joined",
                fix=f"plot_scores(scores[scores.{column} == {chosen[column].iloc[0]!r}])",
            )
    if chosen["layer"].isna().all():
        raise ProbeError("The table has no scores with a layer", expected="at least one row of the model")
    return chosen


def _draw(ax: Axes, x: Doubles, percent: Doubles, style: _Style) -> None:
    """Draw one line with its band; a single layer gets a point with a bar."""
    score, low, high = percent
    ax.plot(
        x,
        score,
        color=style.colour,
        linestyle=style.line,
        linewidth=style.width,
        marker=style.marker or ("D" if len(x) == 1 else ""),
        markersize=4,
        label=style.name,
        zorder=3,
    )
    if len(x) == 1:
        ax.vlines(x, low, high, color=style.colour, linewidth=style.width)
    else:
        ax.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)


def _name_lines(ax: Axes, ends: list[tuple[float, _Style]]) -> None:
    """Write each line's name beside its right end, moved apart where names would overlap."""
    bottom, top = ax.get_ylim()
    height = LABEL_HEIGHT * (top - bottom)
    ends = sorted(ends, key=lambda end: end[0])
    places = _apart(np.array([value for value, _ in ends]), height, bottom, top)
    for (value, style), place in zip(ends, places, strict=True):
        ax.annotate(
            style.name,
            xy=(1, value),
            xytext=(1.045, place),
            xycoords=ax.get_yaxis_transform(),
            textcoords=ax.get_yaxis_transform(),
            color=style.colour,
            fontsize=8.5,
            va="center",
            ha="left",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 1,
            },
        )


def _apart(values: Doubles, height: float, bottom: float, top: float) -> Doubles:
    """Move sorted values as little as it takes for each to be `height` above the one below (least squares)."""
    steps = height * np.arange(len(values))
    blocks: list[list[float]] = []
    for value in values - steps:
        blocks.append([value])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    level = np.concatenate([np.full(len(block), np.mean(block)) for block in blocks])
    return np.clip(level, bottom, max(bottom, top - steps[-1])) + steps
