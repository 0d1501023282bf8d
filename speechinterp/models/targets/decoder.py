"""Decoder targets: tokens, words and whole texts of Whisper, each given what comes before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from speechinterp.corpora.utterance import Utterance
from speechinterp.errors import TargetError, shortlist
from speechinterp.models.decoding import end_token, greedy, prompts, token_limit
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.bound import Target
from speechinterp.models.targets.ctc import ctc
from speechinterp.models.targets.parts import Part, Pass, Span, Window, numbered
from speechinterp.models.vocabulary import Vocabulary

__all__ = ["Script", "script", "sequence", "token", "word"]


def token(
    which: int | str | None = None,
    *,
    occurrence: int | None = None,
    said: str | None = None,
    generated: bool = False,
    language: str | None = None,
) -> Target:
    """Explain tokens of a decoder, step by step: each given the sound and the tokens before it.

    Parameters
    ----------
    which
        A token by number, counted from 0 after the prompt (the last is the end of the text), or by its text.
        None takes all of them, one score each.
    occurrence
        Which of several with the same text, counted from 0; None takes every one.
    said
        The text that the decoder is given. Without it: the transcript, or, if there is none, what the model itself
        writes.
    generated
        Take what the model itself writes, although there is a transcript.
    language
        Of a multilingual model, such as ``"nl"``; None lets it detect it.

    Returns
    -------
    Target
        Natural log-probabilities.

    Raises
    ------
    TargetError
        When bound: if the model has no decoder, or no such token is said.
    """

    def choose(text: Script) -> list[tuple[str, range]]:
        if which is None:
            return [(name, range(i, i + 1)) for i, name in enumerate(text.names)]
        if isinstance(which, int):
            if not -len(text.names) <= which < len(text.names):
                raise TargetError(
                    f"token {which} of {len(text.names)}",
                    expected=f"a number from 0 to {len(text.names) - 1}: {shortlist(text.names, 60)}",
                    fix="which=0 for the first",
                )
            i = which % len(text.names)
            return [(text.names[i], range(i, i + 1))]
        places = [i for i, name in enumerate(text.names) if name.strip().lower() == which.strip().lower()]
        return [(text.names[i], range(i, i + 1)) for i in picked(places, which, occurrence, text.names)]

    settings = {"which": which, "occurrence": occurrence}
    return _target("token", settings, choose, said=said, generated=generated, language=language)


def word(
    text: str | None = None,
    *,
    occurrence: int | None = None,
    said: str | None = None,
    generated: bool = False,
    language: str | None = None,
) -> Target:
    """Explain words that a model writes: the sum of the log-probabilities of their tokens.

    Parameters
    ----------
    text
        A word, or several that follow one another, compared without regard to case and punctuation. None takes every
        word, one score each.
    occurrence, said, generated, language
        As in :func:`token`. Of a CTC model the word is explained by :func:`ctc`.

    Returns
    -------
    Target
        Natural log-probabilities. The span of a word is that of the utterance's tier ``words``, if it has as many
        words as are said.

    Raises
    ------
    TargetError
        When bound: if the model writes no text, or the word is not said; the message lists the words that are.
    """

    def choose(spoken: Script) -> list[tuple[str, range]]:
        if text is None:
            return [(label, place) for label, place in zip(spoken.words, spoken.places, strict=True)]
        wanted = [plain(each) for each in text.split()]
        words = [plain(each) for each in spoken.words]
        n = len(wanted)
        starts = [i for i in range(len(words) - n + 1) if n and words[i : i + n] == wanted]
        chosen = picked(starts, text, occurrence, spoken.words)
        return [(text, range(spoken.places[i].start, spoken.places[i + n - 1].stop)) for i in chosen]

    decoder = _target(
        "word",
        {"text": text, "occurrence": occurrence},
        choose,
        said=said,
        generated=generated,
        language=language,
    )

    def find(model: SpeechModel, heard: Heard) -> Part:
        if model.family.has_decoder or not hasattr(model.module, "lm_head"):
            return decoder.find(model, heard)
        return ctc(text, occurrence=occurrence, said=said, generated=generated).find(model, heard)

    return Target("word", decoder.settings, find)


def sequence(*, said: str | None = None, generated: bool = False, language: str | None = None) -> Target:
    """Explain the whole text of a decoder: the log-probability of all its tokens and of its end.

    Parameters
    ----------
    said, generated, language
        As in :func:`token`. For a CTC model it is :func:`ctc` without a text.

    Returns
    -------
    Target
        One natural log-probability.

    Raises
    ------
    TargetError
        When bound: if the model writes no text.
    """

    def choose(text: Script) -> list[tuple[str, range]]:
        return [(" ".join(text.words), range(len(text.names)))]

    decoder = _target("sequence", {}, choose, said=said, generated=generated, language=language)

    def find(model: SpeechModel, heard: Heard) -> Part:
        if model.family.has_decoder or not hasattr(model.module, "lm_head"):
            return decoder.find(model, heard)
        return ctc(said=said, generated=generated).find(model, heard)

    return Target("sequence", decoder.settings, find)


@dataclass(frozen=True)
class Script:
    """A text as the decoder is given it.

    Parameters
    ----------
    prompt
        Tokens before the text.
    ids
        Tokens of the text and its end.
    names
        Their texts.
    words
        The words.
    places
        Tokens of every word.
    spans
        Where every word is said, in seconds, if the utterance tells.
    source
        Who says that this is said: ``said``, ``transcript`` or ``model``.
    """

    prompt: tuple[int, ...]
    ids: tuple[int, ...]
    names: tuple[str, ...]
    words: tuple[str, ...]
    places: tuple[range, ...]
    spans: tuple[Span | None, ...]
    source: str

    @property
    def given(self) -> tuple[int, ...]:
        """What the decoder is given: each of its outputs is about the token that follows."""
        return (*self.prompt, *self.ids[:-1])

    def said(self, run: Pass) -> Tensor:
        """Return the log-probabilities of all tokens at every step [shape=(batch, tokens, vocabulary)]."""
        return run.said[:, len(self.prompt) - 1 :]

    def span_of(self, place: range) -> Span | None:
        """Return where tokens are said, from the first word that they are part of to the last."""
        inside = [
            span for span, own in zip(self.spans, self.places, strict=True)
            if own.start < place.stop and place.start < own.stop
        ]  # fmt: skip
        known = [span for span in inside if span is not None]
        return (known[0][0], known[-1][1]) if known and len(known) == len(inside) else None


@torch.no_grad()
def script(
    model: SpeechModel,
    heard: Heard,
    said: str | None = None,
    generated: bool = False,
    language: str | None = None,
) -> Script:
    """Return what the decoder of a Whisper model is to say of a sound, as tokens.

    Raises
    ------
    TargetError
        If the model has no decoder, or the text is empty or longer than it can write.
    """
    if not (model.family.has_decoder and hasattr(model.module, "proj_out")):
        raise TargetError(
            f"{model.id} ({type(model.module).__name__}) has no decoder that writes text",
            expected="a Whisper model for recognition, such as demo/whisper",
            cause="a CTC model, a classifier, or a pre-trained encoder",
            fix="si.targets.ctc for a CTC model, si.targets.label for a classifier",
        )
    vocabulary = model.vocabulary
    inputs = model.prepare([heard])
    encoded = model.encode(inputs)
    (prompt,) = prompts(model, encoded, language)
    text, source = said, "said"
    if text is None and not generated and isinstance(heard, Utterance) and heard.transcript:
        text, source = heard.transcript, "transcript"
    if text is None:
        (decoded,) = greedy(model, encoded, [prompt], token_limit(model, inputs))
        ids, source = list(decoded.ids), "model"
        sizes = word_sizes(vocabulary, ids)
    else:
        pieces = [vocabulary.ids(" " + each) for each in text.split()]
        ids, sizes = [i for piece in pieces for i in piece], [len(piece) for piece in pieces]
    if not ids:
        raise TargetError(
            f"{'the model writes nothing' if source == 'model' else f'{source} is empty'}",
            expected="a text of at least one token",
            cause="a sound without speech, or an empty transcript",
            fix="give the text as said=",
        )
    room = int(model.family.config.max_target_positions) - len(prompt)
    if len(ids) > room:
        raise TargetError(
            f"a text of {len(ids)} tokens",
            expected=f"at most {room}, which is what the decoder of {model.id} can take",
            cause="a transcript of a longer recording",
            fix="cut the recording into utterances",
        )
    ids = [*ids, end_token(model)]
    names = tuple(vocabulary.tokenizer.decode([i]) for i in ids)
    ends = list(accumulate(sizes))
    places = tuple(range(end - size, end) for end, size in zip(ends, sizes, strict=True) if size)
    words = tuple(vocabulary.text(ids[place.start : place.stop]) for place in places)
    return Script(tuple(prompt), tuple(ids), names, words, places, _spans(heard, words), source)


def word_sizes(vocabulary: Vocabulary, ids: Sequence[int]) -> list[int]:
    """Return of how many tokens every word consists: a token begins a word if there is one more with it."""
    counts = [max(1, len(vocabulary.text(ids[: i + 1]).split())) for i in range(len(ids))]
    return [counts.count(number) for number in sorted(set(counts))]


def plain(text: str) -> str:
    """Return a word in small letters, without punctuation around it."""
    letters = [i for i, c in enumerate(text) if c.isalnum()]
    return text[letters[0] : letters[-1] + 1].lower() if letters else text.lower()


def picked(places: Sequence[int], text: str, occurrence: int | None, said: Sequence[str]) -> list[int]:
    """Return the places asked for, or raise TargetError if there are none."""
    if not places:
        raise TargetError(
            f"{text!r} is not in what the decoder is given: {shortlist(said, 60)}",
            expected="one of these",
            cause="another spelling, or another utterance",
            fix="said='...' if something else is said, generated=True for what the model itself writes",
        )
    if occurrence is None:
        return list(places)
    if not 0 <= occurrence < len(places):
        raise TargetError(
            f"occurrence {occurrence} of {text!r}, which is said {len(places)} times",
            expected=f"a number from 0 to {len(places) - 1}",
            fix="occurrence=0 for the first",
        )
    return [places[occurrence]]


def _target(
    kind: str,
    settings: dict[str, Any],
    choose: Callable[[Script], list[tuple[str, range]]],
    *,
    said: str | None,
    generated: bool,
    language: str | None,
) -> Target:
    """Make a target of sums of log-probabilities of tokens."""

    def find(model: SpeechModel, heard: Heard) -> Part:
        text = script(model, heard, said, generated, language)
        chosen = choose(text)

        def read(run: Pass, windows: tuple[Window | None, ...]) -> Tensor:
            log_probs = text.said(run)
            ids = torch.tensor(text.ids, device=log_probs.device)
            steps = log_probs[:, torch.arange(len(ids)), ids]
            return torch.stack([steps[:, place.start : place.stop].sum(1) for _, place in chosen], dim=1)

        names = numbered([name for name, _ in chosen])
        spans = tuple(text.span_of(place) for _, place in chosen)
        return Part(names, spans, read, (None,) * len(names), tokens=text.given)

    more = {"said": said, "generated": generated or None, "language": language}
    return Target(kind, settings | more, find)


def _spans(heard: Heard, words: Sequence[str]) -> tuple[Span | None, ...]:
    """Return where words are said by the tier of words, if it has the same words."""
    tier = heard.tiers.get("words") if isinstance(heard, Utterance) else None
    segments = [segment for segment in tier or () if segment.label]
    same = [plain(segment.label) for segment in segments] == [plain(each) for each in words]
    return tuple((s.start, s.end) for s in segments) if same else (None,) * len(words)
