"""Similarity of representations: which layers, models, sounds and descriptions are alike?"""

from speechinterp.similarity.abx import abx, abx_pairs

__all__ = ["abx", "abx_pairs"]
