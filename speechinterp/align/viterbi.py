"""Viterbi: the most probable path of a sequence of symbols through the frames of a CTC model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from speechinterp.align.cuts import EVERY, cut_points
from speechinterp.errors import AlignmentError

__all__ = ["Path", "best_path", "fewest_frames", "forced_aligner"]

Doubles = npt.NDArray[np.float64]

ROUNDING = 1e-10
"""Relative difference between two sums of the same numbers."""


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


def best_path(log_probs: Doubles, symbols: Sequence[int], blank: int, every: int = EVERY) -> Path:
    r"""Find the most probable path that says exactly these symbols.

    Parameters
    ----------
    log_probs
        Natural log-probabilities [shape=(frames, vocabulary)].
    symbols
        At least one, none of them blank.
    blank
        The symbol that says nothing.
    every
        Frames after which a long recording may be cut, where the best path is known to pass; of no consequence for
        the path.

    Returns
    -------
    Path
        Exact for any length.

    Raises
    ------
    AlignmentError
        If torchaudio is missing, or there are fewer frames than the symbols need.

    Notes
    -----
    With z the symbols with blanks before, between and after them, the score of the best path that is in state s
    at frame t is

    .. math:: \alpha_t(s) = \log p_t(z_s) + \max(\alpha_{t-1}(s), \alpha_{t-1}(s-1), \alpha_{t-1}(s-2))

    where the last is allowed if z_s is neither blank nor z_{s-2}. The score comes from
    :func:`~speechinterp.align.cuts.cut_points`, the path between its cuts from `torchaudio.functional.forced_align`.
    That takes the worst of three ways into a state where the other two are equally good (pytorch/audio#4221), as
    they are beside a star. Where its path falls short of the score, the piece is cut at every symbol, and the choice
    does not arise.

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
    aligned = forced_aligner()
    score, cuts = cut_points(log_probs, symbols, blank, every)
    labels = np.empty(len(log_probs), np.int64)
    found = 0.0
    places = [(0, 0), *cuts, (len(log_probs), len(symbols))]
    for (start, first), (stop, last) in pairwise(places):
        targets = torch.tensor([list(symbols[first:last])], dtype=torch.int64)
        piece = np.ascontiguousarray(log_probs[start:stop])
        path, scores = aligned(torch.from_numpy(piece)[None], targets, blank=blank)
        labels[start:stop] = path[0].numpy()
        found += float(scores.sum())
    if found < score - ROUNDING * max(1.0, abs(score)) and every > 1:
        for (start, first), (stop, last) in pairwise(places):
            labels[start:stop] = best_path(log_probs[start:stop], symbols[first:last], blank, every=1).labels
    return Path(labels, _spans(labels, blank), score)


def _spans(labels: npt.NDArray[np.int64], blank: int) -> tuple[tuple[int, int], ...]:
    changes = np.flatnonzero(np.diff(labels)) + 1
    edges = [0, *changes.tolist(), len(labels)]
    return tuple((start, stop) for start, stop in pairwise(edges) if labels[start] != blank)


def forced_aligner() -> Any:
    """Return torchaudio's function, or raise AlignmentError that says what to install."""
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
