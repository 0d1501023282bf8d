"""Figures: they draw results and compute nothing."""

from speechinterp.viz.alignment import plot_alignment
from speechinterp.viz.scores import plot_scores, save_figure

__all__ = ["plot_alignment", "plot_scores", "save_figure"]
