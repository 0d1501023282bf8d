"""The figure of scores shows every row of its table, at any number of layers, and stays editable."""

from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from speechinterp.errors import ProbeError
from speechinterp.viz.scores import STYLES, _apart, plot_scores, save_figure


def table(layers=4, metric="accuracy", flat=("mfcc", "logmel", "majority"), **columns):
    rows = [(layer, 0.5 + 0.02 * layer, "none") for layer in range(layers)]
    rows += [(layer, 0.3, "random-init") for layer in range(layers)]
    rows += [(layer, 0.1, "shuffled-labels") for layer in range(layers)]
    rows += [(None, 0.2 + 0.01 * number, name) for number, name in enumerate(flat)]
    scores = pd.DataFrame(rows, columns=["layer", "score", "baseline"]).astype({"layer": "Int64"})
    scores["ci_low"], scores["ci_high"] = scores.score - 0.02, scores.score + 0.02
    constant = {"model": "demo/x", "target": "label", "probe": "ridge", "metric": metric}
    return scores.assign(**{**constant, **columns})


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_every_line_has_its_numbers_and_its_name():
    figure = plot_scores(table())
    drawn = lines(figure)
    others = {"control task", "mean pooling"}
    assert set(drawn) == {style.name for style in STYLES.values()} - others
    assert drawn["model"].get_xdata().tolist() == [0, 1, 2, 3]
    assert drawn["model"].get_ydata() == pytest.approx([50, 52, 54, 56])
    assert drawn["MFCC"].get_ydata() == pytest.approx([20, 20])
    assert {text.get_text() for text in figure.axes[0].texts} == set(drawn)


def test_controls_of_some_probes_are_drawn_where_there_are_any():
    scores = table(flat=("control-task",), layers=1)
    assert "control task" in lines(plot_scores(scores))


@pytest.mark.parametrize(
    ("metric", "label"), [("pearson_r", "Pearson r"), ("compression", "Compression"), ("r2", "R²")]
)
def test_metrics_that_are_no_shares_keep_their_scale(metric, label):
    figure = plot_scores(table(metric=metric), metric)
    assert lines(figure)["model"].get_ydata() == pytest.approx([0.5, 0.52, 0.54, 0.56])
    assert figure.axes[0].get_ylabel().startswith(label)


def test_flat_baselines_span_the_axes():
    figure = plot_scores(table())
    assert tuple(lines(figure)["majority class"].get_xdata()) == figure.axes[0].get_xlim()


def test_bands_are_the_intervals():
    figure = plot_scores(table(flat=()))
    heights = {
        (round(box.y0, 6), round(box.y1, 6))
        for box in (band.get_datalim(figure.axes[0].transData) for band in figure.axes[0].collections)
    }
    assert heights == {(48, 58), (28, 32), (8, 12)}


def test_one_layer_is_a_point_with_a_bar():
    figure = plot_scores(table(layers=1))
    (axes,) = figure.axes
    assert axes.get_xticks().tolist() == [0]
    assert lines(figure)["model"].get_marker() == "o"
    assert lines(figure)["shuffled labels"].get_marker() == "D"
    bars = [bar for bar in axes.collections if len(bar.get_paths()[0].vertices) == 2]
    assert {round(value) for bar in bars for value in bar.get_paths()[0].vertices[:, 1]} == {
        48,
        52,
        28,
        32,
        8,
        12,
    }


@pytest.mark.parametrize("layers", [2, 13, 25, 49])
def test_layer_ticks_are_whole_and_few(layers):
    ticks = plot_scores(table(layers=layers)).axes[0].get_xticks()
    assert all(tick == int(tick) for tick in ticks)
    assert 2 <= len(ticks) <= 15


def test_axes_say_what_they_show():
    axes = plot_scores(table(metric="balanced_accuracy"), metric="balanced_accuracy").axes[0]
    assert axes.get_xlabel() == "Layer"
    assert axes.get_ylabel() == "Balanced accuracy (%)"
    assert axes.get_title(loc="left") == "label · demo/x"
    assert axes.get_ylim()[0] == 0


def test_the_title_names_the_units_where_their_label_is_asked_for():
    scores = table()
    scores.attrs["representations"] = {"unit": "phones"}
    assert plot_scores(scores).axes[0].get_title(loc="left") == "phones · demo/x"
    assert plot_scores(scores.assign(target="sex")).axes[0].get_title(loc="left") == "sex of phones · demo/x"


def test_missing_intervals_leave_the_lines():
    figure = plot_scores(table().assign(ci_low=np.nan, ci_high=np.nan))
    assert len(lines(figure)) == 6
    assert 56 < figure.axes[0].get_ylim()[1] < 70


def test_it_draws_into_axes_at_hand():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot_scores(table(), ax=right) is figure
    assert not left.lines
    assert right.lines


def test_mathematics_in_names_is_not_obeyed(tmp_path):
    save_figure(plot_scores(table(model="weird$_{model}", target="a$b")), tmp_path / "f")


def test_no_global_figure_is_left_behind():
    from matplotlib import pyplot

    plot_scores(table())
    assert pyplot.get_fignums() == []


def test_files_are_png_and_pdf_with_text_as_text(tmp_path):
    png, pdf = save_figure(plot_scores(table()), tmp_path / "new" / "scores.v1")
    assert (png.name, pdf.name) == ("scores.v1.png", "scores.v1.pdf")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"/Type3" not in pdf.read_bytes()
    assert (
        b"/FontFile2" in pdf.read_bytes()
        or b"/Type42" in pdf.read_bytes()
        or b"/CIDFontType2" in pdf.read_bytes()
    )


def test_names_are_inside_the_saved_picture_and_do_not_overlap(tmp_path):
    figure = plot_scores(
        table(flat=("mfcc", "logmel", "majority")).assign(score=0.3, ci_low=0.3, ci_high=0.3)
    )
    figure.savefig(tmp_path / "f.png")
    boxes = sorted((Text.get_window_extent(text) for text in figure.axes[0].texts), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))
    assert all(box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 <= figure.bbox.y1 for box in boxes)


def luminance(colour):
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05


def test_lines_differ_without_colour_and_names_can_be_read():
    for style in STYLES.values():
        assert 1.05 / luminance(style.colour) >= 3, "contrast of the name with the page (WCAG, large text)"
    for one, other in combinations(STYLES.values(), 2):
        lights = sorted([luminance(one.colour), luminance(other.colour)])
        assert (one.line, one.marker) != (other.line, other.marker) or lights[1] / lights[0] > 1.3


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6).map(sorted))
def test_names_move_apart_in_order_and_within_the_axes(values):
    places = _apart(np.array(values), 5.0, 0.0, 100.0)
    assert (np.diff(places) >= 5.0 - 1e-9).all()
    assert places.min() >= 0
    assert places.max() <= 100 + 1e-9
    if (np.diff(values) >= 5).all():
        assert places == pytest.approx(values)


def test_a_table_of_several_studies_is_refused():
    two = pd.concat([table(), table(model="demo/y")])
    with pytest.raises(
        ProbeError, match=r"several values of model: demo/x, demo/y.*scores.model == 'demo/x'"
    ):
        plot_scores(two)
    with pytest.raises(ProbeError, match=r"no scores of metric 'f1'.*accuracy"):
        plot_scores(table(), metric="f1")
    with pytest.raises(ProbeError, match="no scores with a layer"):
        plot_scores(table(layers=0))
