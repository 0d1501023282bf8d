"""Whisper alignment: words where a few heads of the decoder attend while it reads their letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from speechinterp.align.alignment import Alignment
from speechinterp.align.text import transcript_words
from speechinterp.align.whisper_attention import Listening, Spelt, listen, read, spell
from speechinterp.align.whisper_reading import reading_of, warping
from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import AlignmentError
from speechinterp.models import SpeechModel
from speechinterp.segments import Segment, Tier

__all__ = ["align_whisper"]

NEAR = 0.05
"""Seconds; the score of a word is how probable its start is to be no further away."""


def align_whisper(model: SpeechModel, utterance: Utterance, text: str | None = None) -> Alignment:
    """Align the words of an utterance with its sound by the cross-attention of a Whisper model.

    Parameters
    ----------
    model
        A Whisper model with its decoder.
    utterance
        No longer than the model's window.
    text
        What is said, in place of the transcript; ``model.transcribe(utterance)`` for the model's own words.

    Returns
    -------
    Alignment
        A tier ``words``. The score of a word is the natural log-probability that it starts within 50 ms of
        where it was found, over all ways through the text. ``attrs["confidence"]`` is the mean, over word pieces, of
        their log-probability given the sound and the text before them, minus that of the most probable piece;
        ``attrs["word_confidence"]`` the same of every word.

    Raises
    ------
    AlignmentError
        If there are no words, no sound, a word that cannot be written, or more text than can be said in the time.
    AudioError
        If the utterance is longer than the model's window.

    Notes
    -----
    The decoder reads the text letter by letter. The attention of the heads of :class:`Reading` to the frames of
    the utterance, which sums to 1 over them, scores every letter at every frame, and the best monotonic path
    (:class:`Warping`) gives words and pauses; words prefer to start where the sound changes.
    """
    where = f"utterance {utterance.id!r}"
    words = transcript_words(utterance, text)
    reading = reading_of(model)
    heard = listen(model, utterance)
    pieces, spelt = (spell(model, words, unit, where) for unit in ("pieces", reading.unit))
    if len(spelt.tokens) > heard.n_frames or len(words) * 2 > heard.n_frames:
        raise AlignmentError(
            f"{where}: {len(words)} words of {sum(map(len, words))} letters in {utterance.duration:.2f} s",
            expected=f"at most one letter a frame, and {heard.n_frames} frames",
            cause="the transcript of another or a longer recording, or a sound that was cut",
            fix="give the text of this recording (transcript, text=...), or leave it out (--on-bad skip)",
        )
    attention, _ = read(model, heard, spelt, reading.heads, reading.row)
    ratios = _ratios(model, heard, words, pieces, where)
    ways = warping(attention, spelt, heard, reading)
    path, last = ways.best(), np.append(spelt.first[1:], True)
    starts, ends = path.starts[spelt.first], path.ends[last]
    steps = np.arange(ways.letters.shape[1] + 1)
    near = np.abs(heard.seconds(steps) - heard.seconds(starts)[:, None]) <= NEAR
    scores = np.log(np.clip((ways.start_probabilities() * near).sum(1), 1e-12, 1.0))
    segments = [
        Segment(float(start), float(end), word, float(score))
        for start, end, word, score in zip(
            heard.seconds(starts), heard.seconds(ends), words, scores, strict=True
        )
    ]
    return Alignment(
        {"words": Tier("words", segments)},
        {
            "method": "Whisper cross-attention",
            "confidence": float(np.concatenate(ratios).mean()),
            "word_confidence": [float(part.mean()) for part in ratios],
            "reads": reading.unit,
            "heads": [list(head) for head in reading.heads],
            "lag_ms": 1000 * reading.lag * heard.grid.hop / heard.steps / heard.grid.sample_rate,
            "calibrated_on": reading.source,
        },
    )


def _ratios(
    model: SpeechModel, heard: Listening, words: Sequence[str], pieces: Spelt, where: str
) -> list[npt.NDArray[np.float64]]:
    """Return for every word how much less probable its pieces are than the best ones, each [shape=(pieces,)].

    Words without capitals, or all in capitals, are also read as a sentence with a capital and a full stop, and the
    better of both counts: how a text is written is no reason to doubt it.
    """
    ways = [pieces]
    text = "".join(words)
    if text in (text.lower(), text.upper()):
        small = [word.lower() for word in words]
        small[0] = small[0].capitalize()
        ways.append(spell(model, [*small[:-1], small[-1].rstrip(".") + "."], "pieces", where))
    found = []
    for way in ways:
        _, ratios = read(model, heard, way)
        found.append((float(ratios.mean()), np.split(ratios, np.flatnonzero(way.first)[1:])))
    return max(found, key=lambda one: one[0])[1]
