"""What does a speech model know, and what did it use?"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from speechinterp import attribution, lenses, mixing, similarity
    from speechinterp.align import align
    from speechinterp.corpora import (
        Corpus,
        Utterance,
        load_corpus,
        map_labels,
        read_annotation,
        write_annotation,
    )
    from speechinterp.frames import FrameGrid
    from speechinterp.models import SpeechModel, Tap, load_model, targets
    from speechinterp.probing import probe
    from speechinterp.representations import Representations, extract
    from speechinterp.segments import Segment, Tier

_ROOMS = (
    "align",
    "attribution",
    "lenses",
    "mixing",
    "similarity",
)  # named as a whole; the first can also be called
_HOMES = {
    "Corpus": "corpora",
    "FrameGrid": "frames",
    "Representations": "representations",
    "Segment": "segments",
    "SpeechModel": "models",
    "Tap": "models",
    "Tier": "segments",
    "Utterance": "corpora",
    "extract": "representations",
    "load_corpus": "corpora",
    "load_model": "models",
    "map_labels": "corpora",
    "probe": "probing",
    "read_annotation": "corpora",
    "write_annotation": "corpora",
}

__all__ = [
    "Corpus",
    "FrameGrid",
    "Representations",
    "Segment",
    "SpeechModel",
    "Tap",
    "Tier",
    "Utterance",
    "__version__",
    "align",
    "attribution",
    "extract",
    "lenses",
    "load_corpus",
    "load_model",
    "map_labels",
    "mixing",
    "probe",
    "read_annotation",
    "similarity",
    "targets",
    "write_annotation",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first used, so that the start stays fast."""
    if name in _ROOMS:
        return import_module(f"speechinterp.{name}")
    if name == "targets":
        return import_module("speechinterp.models.targets")
    if name in _HOMES:
        return getattr(import_module(f"speechinterp.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'speechinterp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
