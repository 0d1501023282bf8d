"""Forced alignment: where in a recording each word and phone of its transcript is.

The room itself can be called: ``si.align(model, utterance)`` is :func:`align`.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from speechinterp.align.alignment import Alignment, AlignmentWarning
from speechinterp.align.corpus import Aligned, align_corpus
from speechinterp.align.entry import LOW, align
from speechinterp.align.evaluation import boundary_errors, boundary_scores
from speechinterp.align.pronunciations import read_lexicon
from speechinterp.align.whisper_reading import Reading, calibrate

__all__ = [
    "LOW",
    "Aligned",
    "Alignment",
    "AlignmentWarning",
    "Reading",
    "align",
    "align_corpus",
    "boundary_errors",
    "boundary_scores",
    "calibrate",
    "read_lexicon",
]


class _Room(ModuleType):
    """A module that can be called, since the house plan names both the room and the function ``align``."""

    __signature__ = inspect.signature(align)

    def __call__(self, *args: Any, **kwargs: Any) -> Alignment:
        return align(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
