"""Viterbi: the most probable path of a sequence of symbols through the frames of a CTC model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from speechinterp.align.cuts import cut_points
from speechinterp.errors import AlignmentError

__all__ = ["Path", "best_path", "fewest_frames"]

Doubles = npt.NDArray[np.float64]

AT_ONCE = 20_000_000
"""Frames times states that are aligned at once; torchaudio's memory grows with this product, one byte each."""


@dataclass(frozen=True)
class Path:
    """The most probable path.

    Parameters
    ----------
    labels
        The symbol of every frame, blank between symbols [shape=(frames,)].
    spans
        For every symbol its first frame, and the one after its last.
    score
        Natural log-probability of the path, summed over the frames.
    """

    labels: npt.NDArray[np.int64]
    spans: tuple[tuple[int, int], ...]
    score: float

    def later(self, frames: int) -> Path:
        """Return the path of a piece on the frames of the whole, which it begins `frames` after."""
        return replace(self, spans=tuple((start + frames, stop + frames) for start, stop in self.spans))


def fewest_frames(symbols: Sequence[int]) -> int:
    """Return how many frames a sequence needs: one a symbol, and a blank between two that are equal."""
    return len(symbols) + sum(one == other for one, other in pairwise(symbols))


def best_path(log_probs: Doubles, symbols: Sequence[int], blank: int, at_once: int = AT_ONCE) -> Path:
    r"""Find the most probable path that says exactly these symbols.

    Parameters
    ----------
    log_probs
        Natural log-probabilities [shape=(frames, vocabulary)].
    symbols
        At least one, none of them blank.
    blank
        The symbol that says nothing.
    at_once
        Frames times states above which the frames are cut first, where the best path is known to pass.

    Returns
    -------
    Path
        Exact for any length: cutting changes memory and time, not the score.

    Raises
    ------
    AlignmentError
        If torchaudio is missing, or there are fewer frames than the symbols need.

    Notes
    -----
    With z the symbols with blanks before, between and after them, the score of the best path that is in state s
    at frame t is

    .. math:: \alpha_t(s) = \log p_t(z_s) + \max(\alpha_{t-1}(s), \alpha_{t-1}(s-1), \alpha_{t-1}(s-2))

    where the last is allowed if z_s is neither blank nor z_{s-2}.

    References
    ----------
    Graves, A., et al. (2006). Connectionist temporal classification. ICML.
    """
    needed = fewest_frames(symbols)
    if len(log_probs) < needed:
        raise AlignmentError(
            f"{len(log_probs)} frames of sound for {len(symbols)} symbols",
            expected=f"at least {needed} frames: one a symbol, and one between two that are equal",
            cause="the transcript of a longer recording, or a sound that was cut",
            fix="give the transcript of this sound, or leave it out (--on-bad skip)",
        )
    cuts = [(0, 0), (len(log_probs), len(symbols))]
    if len(log_probs) * (2 * len(symbols) + 1) > at_once:
        cuts[1:1] = cut_points(log_probs, symbols, blank)
    aligned = _forced_align()
    labels = np.empty(len(log_probs), np.int64)
    score = 0.0
    for (start, first), (stop, last) in pairwise(cuts):
        frames = torch.from_numpy(np.ascontiguousarray(log_probs[start:stop]))
        targets = torch.tensor([list(symbols[first:last])], dtype=torch.int64)
        path, scores = aligned(frames[None], targets, blank=blank)
        labels[start:stop] = path[0].numpy()
        score += float(scores.sum())
    return Path(labels, _spans(labels, blank), score)


def _spans(labels: npt.NDArray[np.int64], blank: int) -> tuple[tuple[int, int], ...]:
    changes = np.flatnonzero(np.diff(labels)) + 1
    edges = [0, *changes.tolist(), len(labels)]
    return tuple((start, stop) for start, stop in pairwise(edges) if labels[start] != blank)


def _forced_align() -> Any:
    try:
        from torchaudio.functional import forced_align
    except (ImportError, OSError) as error:
        raise AlignmentError(
            f"CTC alignment needs torchaudio, which is missing here ({type(error).__name__}: {error})",
            expected="torchaudio of the same version as torch",
            cause="an installation without the extra 'align'",
            fix='pip install "speechinterp[align]", which brings torch 2.11 and torchaudio 2.11; '
            "or align with a Whisper model, which does not need it",
        ) from error
    return forced_align
