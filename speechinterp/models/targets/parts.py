"""Parts of targets: scores of one kind, and how they are read from a pass through the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from speechinterp.models.taps import Recording, Tap

__all__ = ["Part", "Pass", "Span", "Window", "numbered"]

Span = tuple[float, float]
Window = tuple[int, int]


@dataclass(frozen=True)
class Pass:
    """What one pass of a batch through the model gave.

    Parameters
    ----------
    logits
        Of the head [shape=(batch, ...)]; None if no part asked for it.
    recording
        What the taps saw.
    n_frames
        Frames of each sound.
    """

    logits: Tensor | None
    recording: Recording | None
    n_frames: tuple[int, ...]

    @property
    def said(self) -> Tensor:
        """Natural log-probabilities over the last axis of the logits, in double precision."""
        assert self.logits is not None
        return self.logits.double().log_softmax(-1)


@dataclass(frozen=True)
class Part:
    """Scores of one kind, as they are read from a pass.

    Parameters
    ----------
    names
        One a score.
    spans
        Where in the original sound each stands, in seconds; None where it belongs to all of it.
    read
        A function of a pass and of the frames of every score, giving [shape=(batch, scores)].
    windows
        First frame of every score and the one after its last; None for scores without a place.
    taps
        What the pass must record.
    tokens
        What the decoder is given, with its prompt; None for models without one.
    head
        Whether the model's head is needed.
    """

    names: tuple[str, ...]
    spans: tuple[Span | None, ...]
    read: Callable[[Pass, tuple[Window | None, ...]], Tensor]
    windows: tuple[Window | None, ...]
    taps: tuple[Tap, ...] = ()
    tokens: tuple[int, ...] | None = None
    head: bool = True


def numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return names, those that occur again with a number."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(result)
