"""Utterances and corpora: what every reader gives and everything else takes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from speechinterp.audio import Sound, duration_of, read_sound
from speechinterp.errors import AnnotationError, CorpusError, shortlist
from speechinterp.segments import Tier

__all__ = ["Corpus", "NarrowbandWarning", "Utterance", "checked_id", "duplicate_id"]


class NarrowbandWarning(UserWarning):
    """Sound was recorded at a lower sample rate than it is used at, so its upper frequencies are missing."""


@dataclass(frozen=True)
class Utterance:
    """A recording with what is known about it; the sound is read when it is asked for.

    Parameters
    ----------
    id
        Unique name within the corpus: the path relative to its root, without extension.
    audio
        A sound file, or a :class:`~speechinterp.audio.Sound` in memory.
    speaker
        Who speaks; folds are made of it.
    transcript
        The words, as text.
    tiers
        Annotation tiers by name.
    meta
        Anything else: sex, dialect, session.
    channel
        Which channel of a file with several to use (0 is the first); None refuses such files.
    """

    id: str
    audio: Path | Sound
    speaker: str | None = None
    transcript: str | None = None
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)
    channel: int | None = None

    def __post_init__(self) -> None:
        checked_id(self.id)
        object.__setattr__(self, "tiers", MappingProxyType(dict(self.tiers)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    def waveform(self, sample_rate: int) -> npt.NDArray[np.float32]:
        """Return the sound at `sample_rate` Hz [shape=(samples,)], with a warning if it was recorded at less.

        Raises
        ------
        AudioError
            If the sound cannot be read or used.
        """
        sound = self.audio if isinstance(self.audio, Sound) else read_sound(self.audio, channel=self.channel)
        if sound.sample_rate < sample_rate:
            warnings.warn(
                f"sound recorded at {sound.sample_rate} Hz is used at {sample_rate} Hz: it holds nothing above "
                f"{sound.sample_rate // 2} Hz, unlike what models for {sample_rate} Hz have heard",
                NarrowbandWarning,
                stacklevel=2,
            )
        return sound.resampled(sample_rate).samples

    @property
    def duration(self) -> float:
        """Length of the sound in seconds, from the head of the file."""
        return self.audio.duration if isinstance(self.audio, Sound) else duration_of(self.audio)

    def _repr_html_(self) -> str:
        sound = self.audio if isinstance(self.audio, Sound) else read_sound(self.audio, channel=self.channel)
        about = [self.id, *filter(None, (self.speaker, self.transcript)), f"{self.duration:.2f} s"]
        tiers = "".join(
            f"<p><small>{escape(name)}: {escape(' '.join(s.label or '·' for s in tier))}</small></p>"
            for name, tier in self.tiers.items()
            if len(tier)
        )
        return f"<p>{escape(' · '.join(about))}</p>{sound._repr_html_()}{tiers}"

    def tier(self, name: str) -> Tier:
        """Return a tier by name.

        Raises
        ------
        AnnotationError
            If there is none of that name; the message lists those there are.
        """
        if name not in self.tiers:
            raise AnnotationError(
                f"utterance {self.id!r} has no tier {name!r}; it has: {shortlist(self.tiers) or 'none'}",
                expected="the name of one of its tiers",
                cause="another naming of tiers in this corpus, or no annotation beside the sound",
                fix="pass one of the names above as unit (--unit)"
                if self.tiers
                else "make tiers first (si.align, speechinterp align), or take frames as units (--unit frames)",
            )
        return self.tiers[name]


class Corpus:
    """Utterances by id, each read when asked for, so that a corpus of any size fits in memory.

    Parameters
    ----------
    name
        What the corpus is called in results, for example ``"timit"``.
    sources
        For every id a function without arguments that reads the utterance.
    options
        Of the reader, such as the set of labels; results record them.
    """

    def __init__(
        self,
        name: str,
        sources: Mapping[str, Callable[[], Utterance]],
        options: Mapping[str, object] | None = None,
    ) -> None:
        if not sources:
            raise CorpusError(
                f"corpus {name!r} holds no utterance", expected="at least one", fix="check its path"
            )
        self.name = name
        self.options = dict(options or {})
        self._sources = {checked_id(id_): sources[id_] for id_ in sorted(sources)}

    @classmethod
    def of(cls, utterances: list[Utterance], name: str = "utterances") -> Corpus:
        """Make a corpus of utterances that are at hand.

        Raises
        ------
        CorpusError
            If two have the same id.
        """
        sources: dict[str, Callable[[], Utterance]] = {}
        for utterance in utterances:
            if utterance.id in sources:
                raise duplicate_id(utterance.id, "two utterances of the list")
            sources[utterance.id] = lambda utterance=utterance: utterance  # type: ignore[misc]
        return cls(name, sources)

    @property
    def ids(self) -> list[str]:
        """All ids, sorted."""
        return list(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[Utterance]:
        return (source() for source in self._sources.values())

    @overload
    def __getitem__(self, key: str | int) -> Utterance: ...
    @overload
    def __getitem__(self, key: slice) -> Corpus: ...
    def __getitem__(self, key: str | int | slice) -> Utterance | Corpus:
        """Return an utterance by id or position, or a smaller corpus by slice."""
        if isinstance(key, slice):
            return self.subset(self.ids[key])
        if isinstance(key, int):
            return self._sources[self.ids[key]]()
        if key not in self._sources:
            raise CorpusError(
                f"corpus {self.name!r} has no utterance {key!r}",
                expected=f"one of its {len(self)} ids: {shortlist(self.ids, 5)}",
                fix="take an id from corpus.ids",
            )
        return self._sources[key]()

    def duration(self, id_: str) -> float:
        """Return the length of an utterance in seconds."""
        return self[id_].duration

    def subset(self, ids: list[str]) -> Corpus:
        """Return the corpus of these ids only."""
        return Corpus(self.name, {id_: self._sources[id_] for id_ in ids}, self.options)

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} utterances)"


def checked_id(id_: str) -> str:
    """Return `id_` if it can be part of a path below an output folder, else raise CorpusError."""
    parts = PurePosixPath(id_).parts
    bad = not id_ or id_ != "/".join(parts) or ".." in parts or id_.startswith("/") or ":" in parts[0]
    if bad or "\\" in id_ or any(ord(c) < 32 for c in id_):
        raise CorpusError(
            f"utterance id {id_!r} cannot be used as a file name below the output folder",
            expected="a relative path with /, without '..', drive, backslash or control characters",
            cause="an id column that holds absolute or parent paths",
            fix="give an id column of plain names, or leave it out so that ids come from the file names",
        )
    return id_


def duplicate_id(id_: str, where: str) -> CorpusError:
    """Return the error for an id that stands twice."""
    return CorpusError(
        f"utterance id {id_!r} stands for {where}",
        expected="every id once",
        cause="the same recording in two formats, or an id column that repeats",
        fix="remove one, or give an id column with unique names",
    )
