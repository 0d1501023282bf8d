"""Emissions: the log-probabilities of every symbol at every frame, of recordings of any length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError, ModelError
from speechinterp.frames import FrameGrid
from speechinterp.models import SpeechModel

__all__ = ["emissions"]

Doubles = npt.NDArray[np.float64]

WINDOW, OVERLAP = 30.0, 6.0
"""Seconds that are heard at once of a long recording, and that neighbouring windows share."""


def emissions(
    model: SpeechModel, utterance: Utterance, window: float = WINDOW, overlap: float = OVERLAP
) -> tuple[Doubles, FrameGrid]:
    r"""Return what a CTC model hears.

    Parameters
    ----------
    model
        With a CTC head.
    utterance
        Longer than `window`, it is heard in windows that overlap.
    window, overlap
        In seconds.

    Returns
    -------
    log_probs
        Natural log-probabilities [shape=(frames, vocabulary)].
    grid
        The frames.

    Raises
    ------
    AlignmentError
        If the sound is digital silence throughout.
    ModelError
        If the model gives NaN.

    Notes
    -----
    Windows start at whole frames, so that all share one grid. Where two overlap, the probabilities are
    :math:`p = (1 - w) p_1 + w p_2` with w rising in equal steps from 0 to 1: no frame is decided by the edge of a
    window alone. Each window is normalised as a recording of its own.
    """
    waveform = utterance.waveform(model.sample_rate)
    model.check_sound(f"utterance {utterance.id!r}", waveform)
    if not waveform.any():
        raise AlignmentError(
            f"utterance {utterance.id!r}: every sample is 0",
            expected="a recording of what the transcript says",
            cause="a muted channel, or an export that failed",
            fix="give the right recording or channel, or leave it out (--on-bad skip)",
        )
    grid = model.frames(len(waveform))
    assert grid.n_frames is not None
    if len(waveform) <= window * grid.sample_rate:
        return _checked(_heard(model, waveform), model, utterance), grid
    hop = grid.hop
    size, shared = (round(seconds * grid.sample_rate / hop) for seconds in (window, overlap))
    last = max(0, -(-(len(waveform) - size * hop) // hop))
    starts = [*range(0, last, size - shared), last]
    joined = np.empty((grid.n_frames, 0))
    known = 0
    for start in starts:
        heard = _heard(model, waveform[start * hop : (start + size) * hop])
        if not known:
            joined = np.empty((grid.n_frames, heard.shape[1]))
        both = slice(start, known)
        n_both = known - start
        rising = (np.arange(n_both) + 1)[:, None] / (n_both + 1)
        joined[both] = np.logaddexp(joined[both] + np.log1p(-rising), heard[:n_both] + np.log(rising))
        joined[known : start + len(heard)] = heard[n_both:]
        known = start + len(heard)
    return _checked(joined, model, utterance), grid


@torch.no_grad()
def _heard(model: SpeechModel, waveform: npt.NDArray[np.float32]) -> Doubles:
    logits = model.logits(model.prepare([waveform]))[0]
    scores: Doubles = logits.double().log_softmax(-1).cpu().numpy()
    return scores


def _checked(log_probs: Doubles, model: SpeechModel, utterance: Utterance) -> Doubles:
    if not np.isfinite(log_probs).all():
        raise ModelError(
            f"utterance {utterance.id!r}: {model.id} gives NaN or infinite values",
            expected="finite probabilities",
            cause="damaged weights, or a number format too coarse for this model",
            fix="load the model with dtype='float32' (--dtype float32), or download it again",
        )
    return log_probs
