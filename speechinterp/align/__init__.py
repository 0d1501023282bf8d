"""Forced alignment: where in a recording each word and phone of its transcript is.

The room itself can be called: ``si.align(model, utterance)`` is :func:`align`.
"""

import inspect
import sys
from types import ModuleType
from typing import Any

from speechinterp.align.alignment import Alignment, AlignmentWarning
from speechinterp.align.entry import align

__all__ = ["Alignment", "AlignmentWarning", "align"]


class _Room(ModuleType):
    """A module that can be called, since the house plan names both the room and the function ``align``."""

    __signature__ = inspect.signature(align)

    def __call__(self, *args: Any, **kwargs: Any) -> Alignment:
        return align(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
