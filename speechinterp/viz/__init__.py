"""Figures: they draw results and compute nothing."""

from speechinterp.viz.alignment import plot_alignment
from speechinterp.viz.confusions import plot_confusions
from speechinterp.viz.deletion import plot_deletion
from speechinterp.viz.frames import plot_frames
from speechinterp.viz.intervals import plot_intervals
from speechinterp.viz.lenses import plot_lens, plot_trajectory
from speechinterp.viz.mixing import plot_by_layer, plot_mixing
from speechinterp.viz.relevance import plot_relevance
from speechinterp.viz.routes import plot_routes
from speechinterp.viz.scores import plot_scores, save_figure
from speechinterp.viz.similarity import plot_similarity

__all__ = [
    "plot_alignment",
    "plot_by_layer",
    "plot_confusions",
    "plot_deletion",
    "plot_frames",
    "plot_intervals",
    "plot_lens",
    "plot_mixing",
    "plot_relevance",
    "plot_routes",
    "plot_scores",
    "plot_similarity",
    "plot_trajectory",
    "save_figure",
]
