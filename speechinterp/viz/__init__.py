"""Figures: they draw results and compute nothing."""

from speechinterp.viz.alignment import plot_alignment
from speechinterp.viz.routes import plot_routes
from speechinterp.viz.scores import plot_scores, save_figure

__all__ = ["plot_alignment", "plot_routes", "plot_scores", "save_figure"]
