"""CTC: words, and the symbols they are spelled with, from the best path of a CTC model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speechinterp.align.alignment import AlignmentWarning
from speechinterp.align.emissions import emissions
from speechinterp.align.spelling import STARS, Spelling
from speechinterp.align.viterbi import Path, best_path, forced_aligner
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError, shortlist
from speechinterp.frames import FrameGrid
from speechinterp.models import SpeechModel
from speechinterp.segments import Segment, Tier

__all__ = ["Heard", "hear", "symbol_edges", "word_frames", "words_tier"]

Doubles = npt.NDArray[np.float64]
Span = tuple[int, int]


@dataclass(frozen=True)
class Heard:
    """What a CTC model hears of an utterance.

    Parameters
    ----------
    log_probs
        Natural log-probabilities [shape=(frames, vocabulary + stars)]; a star is as probable as the best symbol.
    grid
        The frames.
    duration
        Of the sound, in seconds.
    blank, delimiter
        The symbols that are no sound.
    """

    log_probs: Doubles
    grid: FrameGrid
    duration: float
    blank: int
    delimiter: int | None

    @property
    def size(self) -> int:
        """Number of symbols of the head; the stars follow."""
        return self.log_probs.shape[1] - STARS

    def seconds(self, frame: int) -> float:
        """Return where a frame begins: midway between its centre and that of the one before."""
        grid = self.grid
        sample = grid.offset + (grid.receptive_field - grid.hop) / 2 + frame * grid.hop
        return min(max(sample / grid.sample_rate, 0.0), self.duration)

    def score(self, span: Span, symbol: int) -> float | None:
        """Return the mean log-probability of a symbol over frames; None for a star, which is always sure."""
        if symbol >= self.size:
            return None
        return float(self.log_probs[slice(*span), symbol].mean())


def hear(model: SpeechModel, utterance: Utterance) -> Heard:
    """Run a CTC model over an utterance of any length; not without torchaudio, which is needed after it."""
    forced_aligner()
    log_probs, grid = emissions(model, utterance)
    vocabulary = model.vocabulary
    assert vocabulary.blank is not None
    stars = np.repeat(log_probs.max(1, keepdims=True), STARS, axis=1)
    return Heard(
        np.hstack([log_probs, stars]), grid, utterance.duration, vocabulary.blank, vocabulary.delimiter
    )


def path_of(heard: Heard, spelling: Spelling, where: str) -> Path:
    """Return the best path of a spelling, with errors and warnings that name the utterance."""
    try:
        path = best_path(heard.log_probs, spelling.symbols, heard.blank)
    except AlignmentError as error:
        raise AlignmentError(
            f"{where}: {error.found}", expected=error.expected, cause=error.cause, fix=error.fix
        ) from error
    if spelling.unknown:
        warnings.warn(
            f"{where}: {shortlist(map(repr, spelling.unknown), 5)} cannot be written in the vocabulary of the model; "
            "the place of each was found from its neighbours alone",
            AlignmentWarning,
            stacklevel=4,
        )
    return path


def confidence(heard: Heard, path: Path) -> float | None:
    """Return the mean log-probability ratio of the path and of what the model hears by itself.

    Notes
    -----
    The mean of log p(path) - log p(best symbol) over the frames in which either is no blank, stars left out; None if
    there are none.
    """
    free = heard.log_probs.argmax(1)
    quiet = (heard.blank, -1 if heard.delimiter is None else heard.delimiter)
    spoken = ~np.isin(path.labels, quiet) | ~np.isin(free, quiet)
    frames = np.flatnonzero(spoken & (path.labels < heard.size))
    if not len(frames):
        return None
    ratio = heard.log_probs[frames, path.labels[frames]] - heard.log_probs[frames, free[frames]]
    return float(ratio.mean())


def word_frames(heard: Heard, path: Path, spelling: Spelling) -> list[Span]:
    """Return the first frame of every word, and the one after its last.

    Notes
    -----
    A word lasts from the first frame of its first symbol to the last of its last; a delimiter that follows at once
    is its end. A star is shortened by the frames at its ends in which the model hears nothing.
    """
    spans: dict[int, Span] = {}
    for span, symbol, word in zip(path.spans, spelling.symbols, spelling.word_of, strict=True):
        if word >= 0:
            part = _shortened(heard, span) if symbol >= heard.size else span
            spans[word] = (spans[word][0] if word in spans else part[0], part[1])
        elif span[0] == spans[max(spans)][1]:
            spans[max(spans)] = (spans[max(spans)][0], span[1])
    return [spans[word] for word in sorted(spans)]


def _shortened(heard: Heard, span: Span) -> Span:
    free = heard.log_probs[slice(*span)].argmax(1)
    sounds = np.flatnonzero((free != heard.blank) & (free != heard.delimiter))
    return (span[0] + int(sounds[0]), span[0] + int(sounds[-1]) + 1) if len(sounds) else span


def words_tier(heard: Heard, path: Path, spelling: Spelling, words: Sequence[str]) -> Tier:
    """Return the words with their times and scores."""
    totals: dict[int, list[float]] = {}
    for (start, stop), symbol, word in zip(path.spans, spelling.symbols, spelling.word_of, strict=True):
        score = heard.score((start, stop), symbol)
        if word >= 0 and score is not None:
            totals.setdefault(word, []).extend([score] * (stop - start))
    segments = [
        Segment(
            heard.seconds(first), heard.seconds(stop), word,
            float(np.mean(totals[number])) if number in totals else None,
        )
        for number, (word, (first, stop)) in enumerate(zip(words, word_frames(heard, path, spelling), strict=True))
    ]  # fmt: skip
    return Tier("words", segments)


def symbol_edges(
    heard: Heard, spans: Sequence[Span], symbols: Sequence[int], start: int, stop: int
) -> list[int]:
    r"""Return where each symbol of a stretch without silence begins, and where the last ends.

    Parameters
    ----------
    heard
        What the model hears.
    spans
        The frames of every symbol on the best path.
    symbols
        Their numbers.
    start, stop
        The frames of the stretch, which its symbols share among them.

    Notes
    -----
    Blank frames between two symbols a and b are sound of the one or the other. They are divided before the frame
    that is best by what the model says of the two beside the blank:

    .. math:: \arg\max_n \sum_{t < n} \log p_t(a) + \sum_{t \ge n} \log p_t(b)

    and in the middle if the two are equal.
    """
    edges = [start]
    for (_, end), (begin, _), one, other in zip(spans, spans[1:], symbols, symbols[1:], strict=False):
        gain = heard.log_probs[end:begin, one] - heard.log_probs[end:begin, other]
        best = (begin - end) // 2 if one == other else int(np.append(0.0, gain.cumsum()).argmax())
        edges.append(end + best)
    return [*edges, stop]
