"""Figures: they draw results and compute nothing."""

from speechinterp.viz.scores import plot_scores, save_figure

__all__ = ["plot_scores", "save_figure"]
