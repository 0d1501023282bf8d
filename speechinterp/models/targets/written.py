"""What is written: the symbols of what is said, and the frames in which a CTC head says them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import ModelError, TargetError, shortlist
from speechinterp.frames import FrameGrid
from speechinterp.models.decoding import best_path
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.ctc_paths import best_spans, territories
from speechinterp.models.targets.parts import Span, Window
from speechinterp.models.vocabulary import Vocabulary
from speechinterp.segments import Segment

__all__ = ["Written", "ctc_vocabulary", "ids_of", "window_of", "written"]

Found = tuple[list[int], Window, Window, str]


@dataclass(frozen=True)
class Written:
    """What is said, symbol by symbol, where a CTC head says it.

    Parameters
    ----------
    vocabulary
        Of the head.
    grid
        The frames.
    duration
        In seconds.
    log_probs
        Of the original sound [shape=(frames, vocabulary)].
    symbols
        What is said.
    spans
        Frames of every symbol on the best path.
    source
        Who says so: ``said``, ``transcript``, ``phones`` (the tier), or ``model``.
    """

    vocabulary: Vocabulary
    grid: FrameGrid
    duration: float
    log_probs: Any
    symbols: list[int]
    spans: list[Window]
    source: str

    @property
    def wide(self) -> list[Window]:
        """Where every symbol can be said."""
        return territories(self.spans, len(self.log_probs))

    @property
    def words(self) -> list[range]:
        """The symbols of every word, for heads that write letters; of others every symbol is one."""
        delimiter = self.vocabulary.delimiter
        if self.vocabulary.kind != "letters":
            return [range(i, i + 1) for i, s in enumerate(self.symbols) if s != delimiter]
        starts = [i for i, s in enumerate(self.symbols) if s != delimiter]
        words: list[range] = []
        for i in starts:
            if words and words[-1].stop == i:
                words[-1] = range(words[-1].start, i + 1)
            else:
                words.append(range(i, i + 1))
        return words

    def name(self, symbols: Sequence[int]) -> str:
        """Return symbols as text."""
        return self.vocabulary.text(symbols)

    def seconds(self, window: Window) -> Span:
        """Return where frames begin and end: midway between their centres and those of their neighbours."""
        grid = self.grid
        first = grid.offset + (grid.receptive_field - grid.hop) / 2
        start, stop = ((first + edge * grid.hop) / grid.sample_rate for edge in window)
        return max(start, 0.0), min(stop, self.duration)

    def between(self, window: Window) -> list[int]:
        """Return the symbols whose frames have their middle in a window."""
        found = [
            s for s, (a, b) in zip(self.symbols, self.spans, strict=True)
            if window[0] <= (a + b - 1) / 2 < window[1] and s != self.vocabulary.delimiter
        ]  # fmt: skip
        if not found:
            start, end = self.seconds(window)
            raise TargetError(
                f"nothing is said from {start:.3f} s to {end:.3f} s",
                expected="a stretch in which the model writes something",
                cause="a pause, or a head that writes a symbol beside where it sounds",
                fix="give the text as well",
            )
        return found

    def find(self, text: str | None, heard: Heard) -> list[Found]:
        """Return all places where a text is said: its symbols, their frames, where they can be said, and a name."""
        if text is None:
            every = range(len(self.symbols))
            return (
                [self._found(every, self.name(self.symbols))]
                if self.symbols
                else self._missing("anything", heard)
            )
        places = self._words(text) or self._symbols(text) or self._inside(text, heard)
        return [self._found(place, text) for place in places] if places else self._missing(text, heard)

    def _found(self, place: range, name: str) -> Found:
        first, last = place[0], place[-1]
        wide = self.wide
        tight = self.spans[first][0], self.spans[last][1]
        return [self.symbols[i] for i in place], tight, (wide[first][0], wide[last][1]), name

    def _words(self, text: str) -> list[range]:
        """Find whole words, of heads that write letters."""
        if self.vocabulary.kind != "letters":
            return []
        wanted = self.vocabulary.normalise(text).split()
        words = [self.name([self.symbols[i] for i in word]) for word in self.words]
        n = len(wanted)
        starts = [i for i in range(len(words) - n + 1) if n and words[i : i + n] == wanted]
        return [range(self.words[i].start, self.words[i + n - 1].stop) for i in starts]

    def _symbols(self, text: str) -> list[range]:
        """Find single symbols, or several that follow one another."""
        by_name = {name: i for i, name in enumerate(self.vocabulary.symbols) if name}
        pieces = text.split()
        if not pieces or any(piece not in by_name for piece in pieces):
            return []
        wanted = [by_name[piece] for piece in pieces]
        n = len(wanted)
        return [
            range(i, i + n) for i in range(len(self.symbols) - n + 1) if self.symbols[i : i + n] == wanted
        ]

    def _inside(self, text: str, heard: Heard) -> list[range]:
        """Find the symbols of a word by the utterance's tier of words."""
        places = []
        for segment in _tier_words(heard):
            if segment.label.lower() == text.lower():
                window = window_of(self.grid, (segment.start, segment.end))
                inside = [
                    i for i, (a, b) in enumerate(self.spans)
                    if window[0] <= (a + b - 1) / 2 < window[1] and self.symbols[i] != self.vocabulary.delimiter
                ]  # fmt: skip
                places += [range(inside[0], inside[-1] + 1)] if inside else []
        return places

    def _missing(self, text: str, heard: Heard) -> list[Found]:
        words = [self.name([self.symbols[i] for i in word]) for word in self.words]
        told = [segment.label for segment in _tier_words(heard)] if self.vocabulary.kind != "letters" else []
        by = {"said": "said=", "model": "what the model writes", "phones": "the tier 'phones'"}
        raise TargetError(
            f"{text!r} is not in {by.get(self.source, 'the transcript')}: "
            f"{shortlist([*dict.fromkeys(told), *dict.fromkeys(words)], 60) or 'it is empty'}",
            expected="a word that is said, or a symbol of the vocabulary that is",
            cause="another spelling, or another utterance",
            fix="take one of those; said='...' if something else is said; or span=(start, end) to ask for it anyway",
        )


@torch.no_grad()
def written(model: SpeechModel, heard: Heard, said: str | None = None, generated: bool = False) -> Written:
    """Align what is said with a sound, by the best path of a CTC head.

    Raises
    ------
    TargetError
        If the model has no CTC head, or the sound is nothing but zeros.
    """
    vocabulary = ctc_vocabulary(model)
    inputs = model.prepare([heard])
    log_probs = model.logits(inputs)[0, : inputs.n_frames[0]].double().log_softmax(-1).cpu().numpy()
    sound = heard.waveform(model.sample_rate) if isinstance(heard, Utterance) else heard
    if not bool((sound != 0).any()):
        raise TargetError(
            f"{heard.id if isinstance(heard, Utterance) else 'the sound'}: every sample is 0",
            expected="a sound in which something is said",
            cause="a muted channel, or an export that failed",
            fix="give the right recording or channel",
        )
    assert vocabulary.blank is not None
    symbols, source = ([], "model") if generated else _said(vocabulary, heard, said)
    if source == "model":
        symbols = best_path(log_probs.argmax(1).tolist(), vocabulary.blank)
        symbols = [s for s in symbols if s == vocabulary.delimiter or s not in vocabulary.special]
    spans = best_spans(log_probs, symbols, vocabulary.blank) if symbols else []
    grid = model.frames(inputs.n_samples[0])
    return Written(
        vocabulary, grid, inputs.n_samples[0] / model.sample_rate, log_probs, symbols, spans, source
    )


def ctc_vocabulary(model: SpeechModel) -> Vocabulary:
    """Return the vocabulary of a CTC head, or raise TargetError if there is none."""
    if not hasattr(model.module, "lm_head"):
        raise TargetError(
            f"{model.id} ({type(model.module).__name__}) has no CTC head",
            expected="a model fine-tuned with CTC, such as demo/wav2vec2",
            cause="a pre-trained encoder, a classifier, or Whisper",
            fix="si.targets.word and si.targets.token for Whisper, si.targets.label for a classifier",
        )
    return model.vocabulary


def _said(vocabulary: Vocabulary, heard: Heard, said: str | None) -> tuple[list[int], str]:
    """Return the symbols of what is said, and who says so; `model` if only it can tell."""
    if said is not None:
        return ids_of(vocabulary, said), "said"
    if not isinstance(heard, Utterance):
        return [], "model"
    if vocabulary.kind == "letters" and heard.transcript:
        return vocabulary.ids(vocabulary.normalise(heard.transcript)), "transcript"
    if vocabulary.kind == "phones" and "phones" in heard.tiers:
        names = set(vocabulary.symbols)
        labels = [label for label in heard.tiers["phones"].labels if label]
        if labels and names.issuperset(labels):
            return vocabulary.ids(" ".join(labels)), "phones"
    return [], "model"


def ids_of(vocabulary: Vocabulary, text: str) -> list[int]:
    """Return the symbols of a text, by their names or as it is normalised."""
    by_name = {name: i for i, name in enumerate(vocabulary.symbols) if name}
    pieces = text.split()
    if pieces and all(piece in by_name for piece in pieces) and vocabulary.kind == "phones":
        return [by_name[piece] for piece in pieces]
    try:
        found = vocabulary.ids(vocabulary.normalise(text))
    except ModelError as error:
        raise TargetError(error.found, expected=error.expected, cause=error.cause, fix=error.fix) from error
    if not found:
        raise TargetError(
            f"{text!r} has no symbol of the vocabulary",
            expected=f"symbols such as {shortlist([s for s in vocabulary.symbols if s], 60)}",
            cause="another alphabet",
            fix="write it in these symbols",
        )
    return found


def _tier_words(heard: Heard) -> list[Segment]:
    if isinstance(heard, Utterance) and "words" in heard.tiers:
        return [segment for segment in heard.tiers["words"] if segment.label]
    return []


def window_of(grid: FrameGrid, span: Span) -> Window:
    """Return the frames of a stretch, or raise TargetError if there are none."""
    frames = grid.frames_in(*span)
    if not frames:
        raise TargetError(
            f"no frame has its centre between {span[0]:g} s and {span[1]:g} s",
            expected=f"a stretch of the sound, which has {grid.n_frames} frames",
            cause="times in samples or milliseconds, or a stretch shorter than a frame",
            fix="give seconds",
        )
    return frames.start, frames.stop
