"""Whisper: the heads that attend to what is being read, and by how much they lag behind the sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from speechinterp.align.text import spoken, transcript_words
from speechinterp.align.whisper_attention import Head, Listening, Spelt, Unit, listen, read, spell
from speechinterp.align.whisper_path import Path, Warping
from speechinterp.corpora import Corpus, load_corpus
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError
from speechinterp.models import SpeechModel

__all__ = ["Reading", "calibrate", "reading_of", "warping"]

Doubles = npt.NDArray[np.float64]

FLOOR = 0.001
PAUSE = 0.02
"""A frame is a pause if no letter gives it more than a fiftieth of its attention."""
LAGS = range(6)
LIKELY = 8
CALIBRATION = "demo?type=sentence"


@dataclass(frozen=True)
class Reading:
    """How a Whisper model reads along with a sound.

    Parameters
    ----------
    unit
        In what the decoder is given the text: ``letters`` or ``pieces`` of words.
    row
        Whether a token's attention is that of the position where it is read (1), or of the one before, where it is
        predicted (0).
    heads
        Cross-attention heads as (layer, head); their mean is taken.
    lag
        By how many frames of the spectrogram (of 10 ms) their attention comes after the sound.
    error_ms
        Mean absolute error of starts and ends of words on the corpus on which this was found.
    source
        That corpus.
    """

    unit: Unit
    row: int
    heads: tuple[Head, ...]
    lag: int
    error_ms: float
    source: str


KNOWN: dict[str, Reading] = {
    "e92bbb09900d1c933af5622a2d98fe7f0a777b32750582e5cf43ad25813d3892": Reading(  # whisper-tiny.en
        "letters", 1, ((2, 4), (0, 4), (1, 2)), lag=2, error_ms=29.1, source="demo"
    ),
    "325a3d20e94585ff5ed064ae0400242decad045b922ef78f47168db6081d7514": Reading(  # demo/whisper
        "pieces",
        0,
        ((1, 3), (2, 0), (2, 1), (2, 3), (1, 0), (2, 2), (1, 1)),
        lag=0,
        error_ms=35.2,
        source="demo",
    ),
}
"""What :func:`calibrate` finds on the embedded corpus, by hash of the weights, to save its time."""

_readings: WeakKeyDictionary[SpeechModel, Reading] = WeakKeyDictionary()


def reading_of(model: SpeechModel) -> Reading:
    """Return how a model reads along: as it was calibrated, as is known, or calibrated now on the embedded corpus."""
    if model not in _readings:
        _readings[model] = KNOWN.get(model.weights_hash) or calibrate(model, load_corpus(CALIBRATION))
    return _readings[model]


def calibrate(model: SpeechModel, corpus: Corpus) -> Reading:
    """Find the heads with which a Whisper model aligns best, and keep them for this model.

    Parameters
    ----------
    model
        With a decoder.
    corpus
        Utterances with a tier ``words``, of other speakers than those to be aligned.

    Returns
    -------
    Reading
        What :func:`~speechinterp.align.align` uses for this model object from now on.

    Raises
    ------
    AlignmentError
        If labels of the tier are no words.

    Notes
    -----
    Heads are taken one at a time, each time the one with which the mean absolute error of word starts and ends falls
    most, until it falls no more. The first goes with every lag from 0 to 50 ms, later ones with those next to the one
    found. To save time, only the 8 heads are tried whose best paths have the highest scores by attention alone,
    for which no labels are needed. Letters where they are read and word pieces where they are predicted are compared.
    """
    blocks = model.family.blocks("decoder")
    heads = [(layer, head) for layer, b in enumerate(blocks) if b.cross for head in range(b.cross.n_heads)]
    starts = [Reading(unit, row, (), 0, np.inf, corpus.name) for unit, row in UNITS]
    cases: list[list[_Case]] = [[] for _ in starts]
    for utterance in corpus:
        heard = listen(model, utterance)
        for start, own in zip(starts, cases, strict=True):
            own.append(_case(model, utterance, heard, start, heads))
    found = (_chosen(own, start, heads) for start, own in zip(starts, cases, strict=True))
    _readings[model] = min(found, key=lambda reading: reading.error_ms)
    return _readings[model]


UNITS: tuple[tuple[Unit, int], ...] = (("letters", 1), ("pieces", 0))


def warping(
    attention: Mapping[Head, Doubles], spelt: Spelt, heard: Listening, reading: Reading, *, hears: bool = True
) -> Warping:
    r"""Return the ways of a text through a sound, in steps of a frame of the spectrogram.

    Parameters
    ----------
    attention
        Of every head, of tokens to frames [shape=(tokens, frames)].
    spelt, heard
        The text and the sound.
    reading
        Whose heads and lag to use.
    hears
        Whether a word gains by starting where the sound changes.

    Notes
    -----
    With a the mean attention of the heads, linearly interpolated to steps and moved by the lag, token i scores
    :math:`\log(a_i(t) + 0.001)` at step t and a pause :math:`\log 0.02`, each divided by the steps to a frame; a word
    that starts at t gains the standard score of the change of the sound there.
    """
    mean = np.mean([attention[head] for head in reading.heads], axis=0)
    n_frames, steps = heard.n_frames, heard.steps
    at = np.clip((np.arange(n_frames * steps) + reading.lag) / steps, 0, n_frames - 1)
    below = at.astype(int)
    logs = np.log(mean + FLOOR)
    letters = logs[:, below] + (logs[:, np.minimum(below + 1, n_frames - 1)] - logs[:, below]) * (at - below)
    onset = heard.change if hears else np.zeros(n_frames * steps)
    return Warping(letters / steps, np.log(PAUSE) / steps, onset, spelt.first, least=steps)


@dataclass(frozen=True)
class _Case:
    """An utterance whose words have known times, and what every head does with it."""

    attention: Mapping[Head, Doubles]
    spelt: Spelt
    heard: Listening
    starts: Doubles
    ends: Doubles

    def path(self, reading: Reading, *, hears: bool = True) -> Path:
        return warping(self.attention, self.spelt, self.heard, reading, hears=hears).best()

    def errors(self, reading: Reading) -> Doubles:
        """Return the errors of starts and ends in ms."""
        path, last = self.path(reading), np.append(self.spelt.first[1:], True)
        found = self.heard.seconds(np.append(path.starts[self.spelt.first], path.ends[last]))
        errors: Doubles = 1000 * np.abs(found - np.append(self.starts, self.ends))
        return errors


def _case(
    model: SpeechModel, utterance: Utterance, heard: Listening, reading: Reading, heads: Sequence[Head]
) -> _Case:
    gold = spoken(utterance.tier("words"))
    words = transcript_words(utterance, " ".join(word.label for word in gold))
    where = f"utterance {utterance.id!r}"
    if len(words) != len(gold):
        raise AlignmentError(
            f"{where}: the {len(gold)} labels of its tier 'words' are {len(words)} words",
            expected="one word a label",
            cause="labels of several words, or of noise",
            fix="relabel the tier",
        )
    spelt = spell(model, words, reading.unit, where)
    attention, _ = read(model, heard, spelt, heads, reading.row)
    times = np.array([(word.start, word.end) for word in gold]).T
    return _Case(attention, spelt, heard, times[0], times[1])


def _chosen(cases: Sequence[_Case], best: Reading, heads: Sequence[Head]) -> Reading:
    alone = {head: replace(best, heads=(head,)) for head in heads}
    scores = {head: sum(case.path(one, hears=False).score for case in cases) for head, one in alone.items()}
    likely = sorted(heads, key=lambda head: -scores[head])[:LIKELY]
    while True:
        tried = [
            replace(best, heads=(*best.heads, head), lag=lag)
            for head in likely
            if head not in best.heads
            for lag in LAGS
            if not best.heads or abs(lag - best.lag) <= 1
        ]
        scored = [
            replace(one, error_ms=float(np.concatenate([case.errors(one) for case in cases]).mean()))
            for one in tried
        ]
        found = min(scored, key=lambda reading: reading.error_ms, default=best)
        if found.error_ms >= best.error_ms:
            return best
        best = found
