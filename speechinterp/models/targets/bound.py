"""Targets bound to an utterance: numbers for every sound, all from one pass through the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from speechinterp.errors import TargetError
from speechinterp.frames import FrameGrid
from speechinterp.models.family import Inputs
from speechinterp.models.model import Heard, SpeechModel
from speechinterp.models.targets.parts import Part, Pass, Span, Window

__all__ = ["BoundTarget", "Contrast", "Target", "bind"]

Terms = tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Target:
    """What is explained: one number, or several, for every sound.

    Parameters
    ----------
    kind
        The name of the function that made it.
    settings
        What it was given, for the record of a result.
    find
        A function that finds it in an utterance, as a part.
    """

    kind: str
    settings: Mapping[str, Any]
    find: Callable[[SpeechModel, Heard], Part] = field(repr=False)

    def bind(self, model: SpeechModel, utterance: Heard) -> BoundTarget:
        """Find the target in an utterance.

        Raises
        ------
        TargetError
            If it is not there, or the model has no head for it.
        """
        part = self.find(model, utterance)
        terms = tuple(((i, 1.0),) for i in range(len(part.names)))
        return BoundTarget(
            model, model.frames(utterance), (part,), terms, part.names, part.spans, self.describe()
        )

    def describe(self) -> dict[str, Any]:
        """Return what a result must record."""
        return {"target": self.kind, **{f"target_{k}": v for k, v in self.settings.items() if v is not None}}


@dataclass(frozen=True, init=False)
class Contrast(Target):
    """The difference of two targets: why `a` rather than `b`.

    Parameters
    ----------
    a, b
        Targets with equally many scores; one of them may have a single score, which then stands against each of
        the other's. The span is that of `a`.

    Examples
    --------
    >>> si.targets.Contrast(si.targets.ctc("rose"), si.targets.ctc("rows", said="one rows"))  # doctest: +SKIP
    """

    a: Target
    b: Target

    def __init__(self, a: Target, b: Target) -> None:
        for name, value in (("a", a), ("b", b)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "kind", "contrast")
        object.__setattr__(self, "settings", {"a": a.describe(), "b": b.describe()})

    def bind(self, model: SpeechModel, utterance: Heard) -> BoundTarget:
        """Find both in an utterance."""
        one, other = self.a.bind(model, utterance), self.b.bind(model, utterance)
        both = joined([one, other])
        n, m = len(one.names), len(other.names)
        if n != m and 1 not in (n, m):
            raise TargetError(
                f"a contrast of {n} scores ({', '.join(both.names[:n])}) with {m} ({', '.join(both.names[n:])})",
                expected="equally many on both sides, or one on either",
                cause="a word that occurs several times",
                fix="occurrence=0 for the first",
            )
        pairs = [(i if n > 1 else 0, n + (i if m > 1 else 0)) for i in range(max(n, m))]
        terms = tuple((*both.terms[i], *((j, -c) for j, c in both.terms[k])) for i, k in pairs)
        names = tuple(f"{both.names[i]} - {both.names[k]}" for i, k in pairs)
        return replace(
            both,
            terms=terms,
            names=names,
            spans=tuple(both.spans[i] for i, _ in pairs),
            settings=self.describe(),
        )


@dataclass(frozen=True, eq=False)
class BoundTarget:
    """A target found in an utterance.

    Parameters
    ----------
    model
        The model.
    grid
        Frames of the utterance.
    parts
        What is read from a pass.
    terms
        For every score the numbers of the parts' scores that it sums, with their factors.
    names
        One a score.
    spans
        Where each stands in the utterance, in seconds; None where it belongs to all of it.
    settings
        What a result must record.
    """

    model: SpeechModel
    grid: FrameGrid
    parts: tuple[Part, ...]
    terms: tuple[Terms, ...]
    names: tuple[str, ...]
    spans: tuple[Span | None, ...]
    settings: Mapping[str, Any]

    def scores(self, sounds: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """Score sounds, with gradients; each gets what it would get alone.

        Parameters
        ----------
        sounds
            Waveforms at the model's sample rate [shape=(batch, samples)].
        lengths
            Samples of each, the rest being padding; None if all are full.

        Returns
        -------
        Tensor
            In double precision [shape=(batch, scores)].
        """
        rows = list(sounds) if lengths is None else [x[:n] for x, n in zip(sounds, lengths, strict=True)]
        return self.scores_of(self.model.prepare(rows))

    def scores_of(
        self, inputs: Inputs, within: Callable[[], AbstractContextManager[Any]] = nullcontext
    ) -> Tensor:
        """Score a batch as the model takes it: log-mel spectrograms or normalised waveforms.

        Parameters
        ----------
        inputs
            The batch.
        within
            A context in which the model runs, such as other rules for its gradients; scores are read outside it.

        Returns
        -------
        Tensor
            In double precision [shape=(batch, scores)].
        """
        found = torch.cat([part.read(run, part.windows) for part, run in self._passes(inputs, within)], dim=1)
        return torch.stack([sum_of(found, term) for term in self.terms], dim=1)

    def moved(self, where: Callable[[float], float], n_samples: int) -> BoundTarget:
        """Return the target for a sound in which times changed: something was cut out, or it was stretched.

        Parameters
        ----------
        where
            A function from times in the original sound to times in the changed one, in seconds.
        n_samples
            Length of the changed sound.

        Notes
        -----
        A score that is read at certain frames keeps their number; their centre moves. So a word that was cut out
        is looked for where the cut is.
        """
        grid = self.model.frames(n_samples)
        parts = tuple(
            replace(part, windows=tuple(_moved(w, where, self.grid, grid) for w in part.windows))
            for part in self.parts
        )
        return replace(self, parts=parts, grid=grid)

    def describe(self) -> dict[str, Any]:
        """Return what a result must record."""
        return dict(self.settings)

    def _passes(
        self, inputs: Inputs, within: Callable[[], AbstractContextManager[Any]]
    ) -> Iterator[tuple[Part, Pass]]:
        """Run the model, its encoder once; yield the parts in order, each with its pass."""
        model, parts = self.model, self.parts
        taps = list(dict.fromkeys(tap for part in parts for tap in part.taps))
        decodes = any(part.tokens is not None for part in parts)
        said: Tensor | None = None
        last: tuple[int, ...] | None = None
        with model.record(taps) if taps else nullcontext() as recording:
            with within():
                if not decodes and any(part.head for part in parts):
                    said = model.logits(inputs)
                else:
                    encoded = model.encode(inputs)
            for part in parts:
                if part.tokens is not None and part.tokens != last:
                    tokens = torch.tensor(part.tokens, device=encoded.device).expand(len(encoded), -1)
                    with within():
                        said, last = decode(model, inputs, encoded, tokens), part.tokens
                yield part, Pass(said, recording, inputs.n_frames)


def decode(model: SpeechModel, inputs: Inputs, encoded: Tensor, tokens: Tensor) -> Tensor:
    """Run the decoder of a Whisper model over encoded sounds [shape=(batch, tokens, vocabulary)]."""
    with model.running(inputs):
        return model.module(encoder_outputs=(encoded,), decoder_input_ids=tokens, use_cache=False).logits


def bind(target: Target | Sequence[Target], model: SpeechModel, utterance: Heard) -> BoundTarget:
    """Find one target or several in an utterance; several share their passes through the model.

    Raises
    ------
    TargetError
        If one is not there, or the model has no head for it.
    """
    if isinstance(target, Target):
        return target.bind(model, utterance)
    given: object = target
    odd = [given] if isinstance(given, str) else [each for each in target if not isinstance(each, Target)]
    if odd:
        raise TargetError(
            f"the target {odd[0]!r}, of type {type(odd[0]).__name__}",
            expected="a target of si.targets, or several",
            cause="a word or class by its name alone, as the command line takes it",
            fix=f"si.targets.named({odd[0]!r}), si.targets.word(...) or si.targets.label(...)",
        )
    every = [each.bind(model, utterance) for each in target]
    if not every:
        raise TargetError("no target", expected="at least one", fix="target=si.targets.label()")
    return every[0] if len(every) == 1 else joined(every)


def joined(every: Sequence[BoundTarget]) -> BoundTarget:
    """Return several targets of an utterance as one."""
    parts = tuple(part for each in every for part in each.parts)
    terms: list[Terms] = []
    before = 0
    for each in every:
        terms += [tuple((before + i, factor) for i, factor in term) for term in each.terms]
        before += sum(len(part.names) for part in each.parts)
    return BoundTarget(
        every[0].model,
        every[0].grid,
        parts,
        tuple(terms),
        tuple(name for each in every for name in each.names),
        tuple(span for each in every for span in each.spans),
        {"target": "several", "targets": [each.describe() for each in every]},
    )


def sum_of(found: Tensor, term: Terms) -> Tensor:
    """Return a sum of columns with their factors [shape=(batch,)]."""
    first, *rest = (found[:, i] if factor == 1 else factor * found[:, i] for i, factor in term)
    return sum(rest, start=first)


def _moved(
    window: Window | None, where: Callable[[float], float], old: FrameGrid, new: FrameGrid
) -> Window | None:
    if window is None:
        return None
    n = new.n_frames or 0
    width = min(window[1] - window[0], n)
    middle = (2 * old.offset + old.receptive_field + (window[0] + window[1] - 1) * old.hop) / (
        2 * old.sample_rate
    )
    sample = where(middle) * new.sample_rate - new.offset - new.receptive_field / 2
    first = round(sample / new.hop - (width - 1) / 2)
    first = min(max(first, 0), n - width)
    return first, first + width
