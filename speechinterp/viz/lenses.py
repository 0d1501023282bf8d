"""Figures of lenses: error rates over layers, and what every layer says at every step of one utterance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from speechinterp.errors import LensError, shortlist
from speechinterp.viz.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_lens", "plot_trajectory"]


class _Style(NamedTuple):
    """How a line is drawn; the colours are those of Okabe and Ito (2008), safe for colour-blind readers."""

    name: str
    colour: str
    line: str
    marker: str


STYLES = {
    "none": _Style("model", "#0072B2", "-", "o"),
    "random-init": _Style("random weights", "#D55E00", "-", "s"),
    "shuffled-transcripts": _Style("others' transcripts", "#6E6E6E", "--", ""),
}
UNTUNED = _Style("untuned", "#0072B2", "--", "^")
NAMES = {
    "wer": "Word error rate (%)",
    "cer": "Character error rate (%)",
    "per": "Phone error rate (%)",
    "surprisal": "Surprisal (nats)",
    "entropy": "Entropy (nats)",
    "kl": "KL to the top (nats)",
    "agreement": "Agreement with the top (%)",
    "settled": "Settled (%)",
    "accuracy": "Accuracy of the next token (%)",
    "regressive": "Right here, wrong at the top (%)",
    "progressive": "Wrong here, right at the top (%)",
    "ended": "Texts that came to an end (%)",
}
NATS = ("surprisal", "entropy", "kl")
ERRORS = ("wer", "cer", "per")
PANEL = (3.6, 3.0)


def plot_lens(rates: pd.DataFrame, metrics: list[str] | None = None) -> Figure:
    """Draw what layers make of the sound: one panel a metric, one line the model and one each control.

    Parameters
    ----------
    rates
        From :func:`speechinterp.lenses.rates`, of one model.
    metrics
        Which to draw; None draws the error rate of words or phones, surprisal, and agreement, as far as there.

    Returns
    -------
    matplotlib.figure.Figure
        Bands are the intervals of the table. An axis of error rates ends at 150 %; what lies above, texts that
        repeat themselves without end, is marked at the edge by an arrow.

    Raises
    ------
    LensError
        If a metric is not in the table, or it holds several models.
    """
    there = list(dict.fromkeys(rates["metric"]))
    if metrics is None:
        groups = (("wer", "per"), ("surprisal", "kl"), ("agreement",))
        metrics = [next(m for m in group if m in there) for group in groups if set(group) & set(there)]
    missing = [metric for metric in metrics if metric not in there]
    if missing or not metrics or rates["model"].nunique() != 1:
        raise LensError(
            f"metrics {shortlist(missing) or 'none'}, models {shortlist(rates['model'].unique())}",
            expected=f"metrics among {shortlist(there)}, one model",
            fix="choose metrics=[...], or the rows of one model",
        )
    lens, model = rates["lens"].iloc[0], rates["model"].iloc[0]
    lens = "tuned" if set(rates["lens"]) >= {"tuned"} else lens
    figure = new_figure(PANEL[0] * len(metrics), PANEL[1] + 0.5)
    every = np.atleast_1d(figure.subplots(1, len(metrics)))
    for ax, metric in zip(every, metrics, strict=True):
        _draw(ax, rates[rates["metric"] == metric], metric)
        of_decoder = lens == "logit" or (lens == "tuned" and rates.attrs.get("symbols") == "pieces")
        ax.set_xlabel("Decoder layer" if of_decoder else "Layer")
    handles = {
        label: line for ax in every for line, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
    )
    title = {"ctc": "CTC lens", "decoder": "DecoderLens", "logit": "Logit lens", "tuned": "Tuned lens"}
    figure.suptitle(f"{title.get(lens, lens)} · {model}", x=0.01, ha="left", fontsize=10).set_parse_math(
        False
    )
    return figure


def _draw(ax: Axes, rows: pd.DataFrame, metric: str) -> None:
    scale = 1.0 if metric in NATS else 100.0
    top = 0.0
    for (baseline, lens), part in rows.groupby(["baseline", "lens"], sort=False):
        if lens == "untuned" and baseline != "none":
            continue
        style = UNTUNED if lens == "untuned" else STYLES[str(baseline)]
        ordered = part.sort_values("layer")
        x = ordered["layer"].to_numpy()
        score, low, high = (scale * ordered[name].to_numpy(float) for name in ("score", "ci_low", "ci_high"))
        name = "tuned" if lens == "tuned" and baseline == "none" else style.name
        ax.plot(
            x, score, color=style.colour, linestyle=style.line, marker=style.marker, markersize=4, label=name
        )
        ax.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)
        top = max(top, float(np.nanmax([*score, *high])))
        if metric in ERRORS:
            for place, value in zip(x, score, strict=True):
                if value > 150:
                    ax.annotate(
                        f"{value:.0f}", (place, 150), color=style.colour, fontsize=7, ha="center", va="top"
                    )
    ax.set_ylim(0, min(150.0, 1.05 * top) if metric in ERRORS else 1.05 * top or 1)
    layers = np.sort(rows["layer"].unique())
    ax.set_xticks(layers[:: max(1, len(layers) // 13)])
    ax.set_ylabel(NAMES.get(metric, metric))
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    ax.set_axisbelow(True)


def plot_trajectory(data: xr.Dataset, start: int = 0, stop: int | None = None) -> Figure:
    """Draw what every layer says at every step of one utterance, coloured by how probable it finds that.

    Parameters
    ----------
    data
        From :func:`speechinterp.lenses.trajectory`.
    start, stop
        The steps (frames or tokens) to draw; all if not given.

    Returns
    -------
    matplotlib.figure.Figure
        One row a layer, the top above; the line is the prediction depth: from it upwards, all layers say the same.
        Blanks are empty cells; of equal symbols in neighbouring frames the first is written.
    """
    part = data.isel(step=slice(start, stop))
    tokens = "token" in part.coords
    n_layers, n_steps = part.sizes["layer"], part.sizes["step"]
    cell = 0.62 if tokens else 0.16
    figure = new_figure(min(30.0, 1.8 + cell * n_steps), 1.5 + 0.27 * n_layers)
    ax = figure.add_subplot()
    edges = np.arange(n_steps + 1) - 0.5
    mesh = ax.pcolormesh(
        edges, np.arange(n_layers + 1) - 0.5, part["probability"].to_numpy(), cmap="cividis", vmin=0, vmax=1,
        rasterized=True,
    )  # fmt: skip
    symbols, probability = part["symbol"].to_numpy(), part["probability"].to_numpy()
    for layer in range(n_layers):
        for step in range(n_steps):
            symbol = str(symbols[layer, step])
            if not symbol or (not tokens and step and symbols[layer, step - 1] == symbol):
                continue
            ax.text(
                step, layer, _short(symbol), ha="center", va="center", fontsize=6.5, parse_math=False,
                color="black" if probability[layer, step] > 0.5 else "white",
            )  # fmt: skip
    depth = part["depth"].to_numpy() - 0.5
    ax.step(edges, [*depth, depth[-1]], where="post", color="#D55E00", linewidth=1.2)
    key = "above the line, all layers agree" if n_steps * cell > 5 else "line: agreed above"
    ax.set_title(key, loc="right", color="#B24D00", fontsize=8)
    ax.set_yticks(range(n_layers), [str(n) for n in part["layer"].to_numpy()], fontsize=8)
    if tokens:
        ax.set_xticks(range(n_steps), [_short(str(t)) for t in part["token"].to_numpy()], rotation=45, ha="right",
                      fontsize=7.5, parse_math=False)  # fmt: skip
        ax.set_xlabel("Next token")
    else:
        times = part["time"].to_numpy()
        marks = np.arange(np.ceil(times[0] * 10) / 10, times[-1], 0.1)
        ax.set_xticks(
            np.interp(marks, times, np.arange(n_steps)), [f"{mark:.1f}" for mark in marks], fontsize=8
        )
        ax.set_xlabel("Time (s)")
    ax.set_ylabel("Decoder layer" if data.attrs.get("stack") == "decoder" else "Layer")
    ax.set_title(f"{data.attrs.get('model', '')} · {data.attrs.get('utterance', '')}", loc="left", fontsize=9,
                 parse_math=False)  # fmt: skip
    figure.colorbar(mesh, ax=ax, label="Probability", pad=0.01, fraction=0.03)
    return figure


def _short(symbol: str) -> str:
    """Return a symbol as it is drawn: special tokens without their bars, spaces as they stand in print."""
    text = {"<|endoftext|>": "END", "<|notimestamps|>": "no times", "<|startoftranscript|>": "START"}.get(
        symbol, symbol
    )
    text = text.strip().replace("\n", "↵") or "␣"
    return text if len(text) < 9 else text[:8] + "…"
