"""Representations: every layer of a model over the units of a corpus, and acoustic features beside them."""

from speechinterp.representations.acoustic import AcousticFeatures
from speechinterp.representations.collect import collect, collect_while_extracting
from speechinterp.representations.common import common_units, subset
from speechinterp.representations.extraction import extract
from speechinterp.representations.moments import Moments
from speechinterp.representations.pooling import pool_units
from speechinterp.representations.statistics import Statistics, indicator
from speechinterp.representations.store import Representations

__all__ = [
    "AcousticFeatures",
    "Moments",
    "Representations",
    "Statistics",
    "collect",
    "collect_while_extracting",
    "common_units",
    "extract",
    "indicator",
    "pool_units",
    "subset",
]
