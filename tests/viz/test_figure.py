"""Figures are shown where they are made."""

from __future__ import annotations

import speechinterp as si
from speechinterp.viz import plot_alignment


def test_a_notebook_gets_a_picture() -> None:
    utterance = si.load_corpus("demo?type=sentence")[0]
    figure = plot_alignment(utterance, {"words": utterance.tier("words")})
    assert figure._repr_png_().startswith(b"\x89PNG")
