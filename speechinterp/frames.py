"""Time geometry: which samples, seconds and frames belong together, in exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from speechinterp.errors import FrameError, check_choice

__all__ = ["FrameGrid", "FrameRule", "exact_seconds"]

FrameRule = Literal["centre", "overlap", "inside", "majority"]

RULES: tuple[FrameRule, ...] = get_args(FrameRule)
FINEST = 1_000_000


@dataclass(frozen=True)
class FrameGrid:
    """The frames of a model on the time axis of its input.

    Frame ``i`` sees the samples from ``offset + i * hop`` up to, not including,
    ``offset + i * hop + receptive_field``.

    Parameters
    ----------
    sample_rate
        Of the model's input, in Hz.
    hop
        From one frame to the next, in samples.
    receptive_field
        Samples that one frame sees.
    offset
        First sample that frame 0 sees; negative where the model pads on the left.
    n_frames
        Number of frames of one utterance; None where no utterance is meant.

    Notes
    -----
    All comparisons are made between integers or exact fractions. A time given as a float is read as the
    nearest fraction with a denominator of at most 1,000,000, so a boundary at a whole sample of any
    sample rate up to 1 MHz, or at a whole microsecond, is taken as exactly that in recordings of up to
    two hours.

    Examples
    --------
    >>> grid = FrameGrid(sample_rate=16000, hop=320, receptive_field=400, n_frames=99)
    >>> grid.frames_in(0.315, 0.530)
    range(16, 26)
    >>> grid.frames_in(0.315, 0.530, rule="overlap")
    range(15, 27)
    """

    sample_rate: int
    hop: int
    receptive_field: int
    offset: int = 0
    n_frames: int | None = None

    def __post_init__(self) -> None:
        if min(self.sample_rate, self.hop, self.receptive_field) < 1 or (self.n_frames or 0) < 0:
            raise FrameError(
                f"frame grid {asdict(self)}",
                expected="sample_rate, hop and receptive_field of at least 1, n_frames of at least 0",
                fix="take the grid from model.frames(utterance)",
            )

    @classmethod
    def of_convolutions(cls, sample_rate: int, layers: Iterable[tuple[int, int, int]]) -> FrameGrid:
        """Compose the grid of a stack of convolutions.

        Parameters
        ----------
        sample_rate
            Of the input of the first layer, in Hz.
        layers
            For every layer its (kernel, stride, padding), in units of that layer's input.

        Notes
        -----
        With ``hop`` 1, ``receptive_field`` 1 and ``offset`` 0 before the first layer, a layer with kernel k,
        stride s and padding p gives ``offset - p * hop``, ``receptive_field + (k - 1) * hop``, ``hop * s``.
        """
        hop, field, offset = 1, 1, 0
        for kernel, stride, padding in layers:
            offset -= padding * hop
            field += (kernel - 1) * hop
            hop *= stride
        return cls(sample_rate, hop, field, offset)

    def with_frames(self, n_frames: int) -> FrameGrid:
        """Return the same geometry for an utterance of `n_frames` frames."""
        return replace(self, n_frames=n_frames)

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Centres of the frames in seconds [shape=(frames,)]."""
        if self.n_frames is None:
            raise FrameError(
                "this grid has no number of frames",
                expected="the grid of an utterance",
                fix="take it from model.frames(utterance), or call grid.with_frames(n)",
            )
        twice = (
            2 * self.offset + self.receptive_field + 2 * self.hop * np.arange(self.n_frames, dtype=np.int64)
        )
        return twice / (2 * self.sample_rate)

    def samples_of(self, frame: int) -> tuple[int, int]:
        """Return the first sample that `frame` sees, and the one after the last."""
        start = self.offset + frame * self.hop
        return start, start + self.receptive_field

    def seconds_of(self, frame: int) -> tuple[float, float]:
        """Return the stretch of time that `frame` sees, in seconds."""
        start, stop = self.samples_of(frame)
        return start / self.sample_rate, stop / self.sample_rate

    def frames_in(self, start: float, end: float, rule: FrameRule = "centre") -> range:
        """Return the frames of a stretch of time.

        Parameters
        ----------
        start, end
            In seconds.
        rule
            ``centre``: frames whose centre lies in ``[start, end)``, so that tiers without gaps give every
            frame to one segment. ``overlap``: frames that see any of it. ``inside``: frames that see
            nothing else. ``majority``: frames of which more than half lies in it.

        Raises
        ------
        FrameError
            If the end comes before the start, a time is not finite, or the rule is unknown.

        Notes
        -----
        With a = start and b = end in samples, o the offset, h the hop and r the receptive field, the frames
        are ``ceil((a - x) / h)`` up to, not including, ``ceil((b - y) / h)``, where

        - centre: x = y = o + r/2;
        - overlap: first frame with o + ih + r > a, last with o + ih < b;
        - inside: first frame with o + ih >= a, last with o + ih + r <= b;
        - majority: the shared length min(b, o+ih+r) - max(a, o+ih) exceeds r/2.
        """
        check_choice("frame rule", rule, RULES, FrameError, "rule='centre'")
        a, b = (exact_seconds(t) * self.sample_rate for t in (start, end))
        if a > b:
            raise FrameError(
                f"a stretch from {start} s to {end} s",
                expected="start <= end",
                cause="start and end exchanged",
                fix="exchange them",
            )
        o, h, r = self.offset, self.hop, self.receptive_field
        half = Fraction(r, 2)
        if rule == "centre":
            first, stop = math.ceil((a - o - half) / h), math.ceil((b - o - half) / h)
        elif rule == "overlap":
            first, stop = math.floor((a - o - r) / h) + 1, math.ceil((b - o) / h)
            stop = stop if a < b else first
        elif rule == "inside":
            first, stop = math.ceil((a - o) / h), math.floor((b - o - r) / h) + 1
        else:
            first, stop = math.floor((a - o - half) / h) + 1, math.ceil((b - o - half) / h)
            stop = stop if b - a > half else first
        first = max(first, 0)
        stop = max(stop if self.n_frames is None else min(stop, self.n_frames), first)
        return range(first, stop)

    def nearest_frame(self, seconds: float) -> int:
        """Return the frame whose centre is nearest to a time; of two, the later.

        Raises
        ------
        FrameError
            If the utterance has no frames.
        """
        if self.n_frames == 0:
            raise FrameError("no frame in this utterance", expected="at least one", fix="use longer audio")
        centre = exact_seconds(seconds) * self.sample_rate - self.offset - Fraction(self.receptive_field, 2)
        frame = math.floor(centre / self.hop + Fraction(1, 2))
        return max(0, frame if self.n_frames is None else min(frame, self.n_frames - 1))

    def describe(self) -> dict[str, Any]:
        """Return the geometry without the number of frames, for the record of a result."""
        record = asdict(self)
        del record["n_frames"]
        return record


def exact_seconds(seconds: float | Fraction) -> Fraction:
    """Return the time that a float means: the nearest fraction with a denominator of at most 1,000,000.

    A Fraction is taken as it is.

    Raises
    ------
    FrameError
        If it is not a finite number.
    """
    if isinstance(seconds, Fraction):
        return seconds
    if not math.isfinite(seconds):
        raise FrameError(
            f"a time of {seconds} s", expected="a finite number of seconds", fix="correct the annotation"
        )
    return Fraction(float(seconds)).limit_denominator(FINEST)
