"""Phones: where each phone of a word is, within the words that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speechinterp.align.ctc import Heard, symbol_edges
from speechinterp.align.pronunciations import Pronunciation, Said, symbols_of
from speechinterp.align.spelling import Spelling, joined
from speechinterp.align.viterbi import Path, best_path, fewest_frames
from speechinterp.errors import AlignmentError
from speechinterp.segments import Segment, Tier

__all__ = ["phones_inside", "spell_phones", "split_words"]


@dataclass(frozen=True)
class Spelt:
    """A word as phones and symbols.

    Parameters
    ----------
    phones
        Labels.
    symbols
        For every phone one symbol or more; None, for a star, where the head has none.
    """

    phones: Pronunciation
    symbols: tuple[tuple[int | None, ...], ...]

    @property
    def flat(self) -> list[int | None]:
        """All symbols in their order."""
        return [symbol for symbols in self.symbols for symbol in symbols]


def spell_phones(said: Said, known: Mapping[str, int]) -> list[list[Spelt]]:
    """Return for every word its pronunciations in the symbols of a head; for an unknown word one without phones."""
    spelt = []
    for variants in said.words:
        found = [
            Spelt(phones, tuple(tuple(symbols_of(phone, known) or [None]) for phone in phones))
            for phones in variants
        ]
        spelt.append(found or [Spelt((), ((None,),))])
    return spelt


def phones_inside(
    heard: Heard, words: Tier, spelt: Sequence[Sequence[Spelt]], where: str
) -> tuple[Tier, Tier]:
    """Place phones within words.

    Parameters
    ----------
    heard
        What a phone model hears.
    words
        With their times.
    spelt
        For every word its pronunciations, of which the one with the best path is taken.
    where
        Which utterance this is, for errors.

    Returns
    -------
    words, phones
        The phones of a word fill it from its start to its end. Words that are too short for their phones share
        the time with a neighbour, and the phones decide where the one ends and the other begins; all others are
        returned as they came.

    Raises
    ------
    AlignmentError
        If all words together have fewer frames than phones.
    """
    frames = [heard.grid.frames_in(word.start, word.end) for word in words]
    new_words: list[Segment] = []
    phones: list[Segment] = []
    for group in _groups(frames, spelt, heard, where):
        chosen = [min(spelt[n], key=lambda one: len(one.flat)) for n in group]
        first, stop = frames[group[0]].start, frames[group[-1]].stop
        if len(group) == 1:
            chosen = [_best(heard, first, stop, spelt[group[0]])]
        spelling = joined([one.flat for one in chosen], heard.size, None)
        path = best_path(heard.log_probs[first:stop], spelling.symbols, heard.blank).later(first)
        edges = symbol_edges(heard, path.spans, spelling.symbols, first, stop)
        times = [heard.seconds(edge) for edge in edges]
        times[0], times[-1] = words[group[0]].start, words[group[-1]].end
        at = 0
        for n, one in zip(group, chosen, strict=True):
            end = at + len(one.flat)
            new_words.append(Segment(times[at], times[end], words[n].label, words[n].score))
            phones += _segments(heard, path, spelling.symbols, one, times=times, at=at)
            at = end
    return Tier("words", new_words), Tier("phones", phones)


def split_words(heard: Heard, path: Path, spelling: Spelling, words: Tier, chosen: Sequence[Spelt]) -> Tier:
    """Return the phones of words that were found by these phones, on the path of the whole recording."""
    phones: list[Segment] = []
    numbers = np.array(spelling.word_of)
    for n, (word, one) in enumerate(zip(words, chosen, strict=True)):
        (places,) = np.nonzero(numbers == n)
        at, end = int(places[0]), int(places[-1]) + 1
        spans = path.spans[at:end]
        edges = symbol_edges(heard, spans, spelling.symbols[at:end], spans[0][0], spans[-1][1])
        times = [word.start, *(heard.seconds(edge) for edge in edges[1:-1]), word.end]
        phones += _segments(heard, path, spelling.symbols, one, times=[0.0] * at + times, at=at)
    return Tier("phones", phones)


def _segments(
    heard: Heard, path: Path, symbols: Sequence[int], one: Spelt, *, times: Sequence[float], at: int
) -> list[Segment]:
    """Return the phones of one word, whose first symbol has the number `at`."""
    found = []
    for label, parts in zip(one.phones, one.symbols, strict=False):
        end = at + len(parts)
        scores = [heard.score(path.spans[i], symbols[i]) for i in range(at, end)]
        sure = [score for score in scores if score is not None]
        found.append(Segment(times[at], times[end], label, float(np.mean(sure)) if sure else None))
        at = end
    return found


def _groups(
    frames: Sequence[range], spelt: Sequence[Sequence[Spelt]], heard: Heard, where: str
) -> list[list[int]]:
    """Return runs of words that have frames enough for their phones."""
    groups = [[n] for n in range(len(frames))]

    def spare(group: Sequence[int]) -> int:
        shortest = [min(spelt[n], key=lambda one: len(one.flat)).flat for n in group]
        needed = fewest_frames(joined(shortest, heard.size, None).symbols)
        return frames[group[-1]].stop - frames[group[0]].start - needed

    while short := [i for i, group in enumerate(groups) if spare(group) < 0]:
        if len(groups) == 1:
            raise AlignmentError(
                f"{where}: {-spare(groups[0])} frames fewer than its phones need",
                expected="a frame or more for every phone",
                cause="the transcript of a longer recording",
                fix="give the transcript of this sound, or leave it out (--on-bad skip)",
            )
        i = short[0]
        beside = [j for j in (i - 1, i + 1) if 0 <= j < len(groups)]
        j = max(beside, key=lambda j: spare(groups[j]))
        low, high = min(i, j), max(i, j)
        groups[low : high + 1] = [groups[low] + groups[high]]
    return groups


def _best(heard: Heard, first: int, stop: int, variants: Sequence[Spelt]) -> Spelt:
    """Return the pronunciation with the best path through the frames of a word."""
    scores = {}
    for one in variants:
        symbols = joined([one.flat], heard.size, None).symbols
        if fewest_frames(symbols) <= stop - first:
            scores[one] = best_path(heard.log_probs[first:stop], symbols, heard.blank).score
    return max(scores, key=lambda one: scores[one])
