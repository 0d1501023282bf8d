"""Figures of lenses: what they draw is what the tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from speechinterp.errors import LensError
from speechinterp.viz import plot_lens, plot_trajectory, save_figure


def rates(lens="decoder", baselines=("none", "random-init", "shuffled-transcripts"), layers=4):
    rows = [
        {"model": "m $x_$", "baseline": b, "lens": lens, "layer": layer, "metric": metric,
         "score": 1.0 - 0.2 * layer + 0.05 * i, "ci_low": 0.1, "ci_high": 1.1, "n": 5}
        for i, b in enumerate(baselines) for layer in range(layers) for metric in ("wer", "surprisal", "agreement")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_lines_are_the_rows_of_the_table(tmp_path):
    table = rates()
    figure = plot_lens(table)
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "Word error rate (%)", "Surprisal (nats)", "Agreement with the top (%)",
    ]  # fmt: skip
    for ax, scale in zip(figure.axes, (100, 1, 100), strict=True):
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        assert drawn["model"] == pytest.approx(scale * (1 - 0.2 * np.arange(4)))
        assert set(drawn) == {"model", "random weights", "others' transcripts"}
    assert all(path.stat().st_size > 1000 for path in save_figure(figure, tmp_path / "x"))


def test_error_rates_above_the_axis_are_written_out():
    table = rates()
    table.loc[(table.metric == "wer") & (table.layer == 0) & (table.baseline == "none"), "score"] = 6.2
    ax = plot_lens(table, ["wer"]).axes[0]
    assert ax.get_ylim()[1] == 150
    assert [text.get_text() for text in ax.texts] == ["620"]


def test_tuned_and_untuned_are_told_apart():
    table = pd.concat([rates("tuned", ("none", "random-init")), rates("untuned", ("none", "random-init"))])
    labels = {line.get_label() for line in plot_lens(table, ["agreement"]).axes[0].lines}
    assert labels == {"tuned", "untuned", "random weights"}


def test_what_is_not_in_the_table():
    with pytest.raises(LensError, match=r"per.*among wer, surprisal, agreement"):
        plot_lens(rates(), ["per"])
    with pytest.raises(LensError, match="one model"):
        plot_lens(pd.concat([rates(), rates().assign(model="n")]))


def trajectory(tokens):
    symbol = np.array([["a", "", "b"], ["a", "a", "<|endoftext|>"]])
    coordinate = {"token": ("step", ["a$", " b", "."])} if tokens else {"time": ("step", [0.01, 0.13, 0.25])}
    return xr.Dataset(
        {
            "symbol": (("layer", "step"), symbol),
            "probability": (("layer", "step"), np.linspace(0, 1, 6).reshape(2, 3)),
            "depth": (("step",), [0, 1, 1]),
        },
        coords={"layer": [0, 1], **coordinate},
        attrs={"model": "m", "utterance": "u_$1", "stack": "decoder" if tokens else "encoder"},
    )


@pytest.mark.parametrize("tokens", [False, True])
def test_cells_are_the_steps_of_the_trajectory(tokens, tmp_path):
    data = trajectory(tokens)
    figure = plot_trajectory(data)
    ax = figure.axes[0]
    np.testing.assert_allclose(ax.collections[0].get_array().reshape(2, 3), data.probability)
    written = [text.get_text() for text in ax.texts]
    assert written == (["a", "b", "a", "a", "END"] if tokens else ["a", "b", "a", "END"])
    assert ax.get_xlabel() == ("Next token" if tokens else "Time (s)")
    assert ax.get_ylabel() == ("Decoder layer" if tokens else "Layer")
    assert ax.lines[0].get_ydata().tolist() == [-0.5, 0.5, 0.5, 0.5]
    assert plot_trajectory(data, 1, 3).axes[0].collections[0].get_array().size == 4
    save_figure(figure, tmp_path / "x")
