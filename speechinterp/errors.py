"""Errors: each says what was found, what was expected, the likely cause and the fix."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "AlignmentError",
    "AnnotationError",
    "AttributionError",
    "AudioError",
    "CorpusError",
    "FrameError",
    "LensError",
    "MixingError",
    "ModelError",
    "ProbeError",
    "SimilarityError",
    "SpeechInterpError",
    "StoreError",
    "TapError",
    "TargetError",
    "check_choice",
    "shortlist",
]


class SpeechInterpError(ValueError):
    """Base of all errors of the package.

    Parameters
    ----------
    found
        What was found, with its value and where (utterance, file, layer).
    expected
        What would have been right.
    cause
        The likely cause, in the words of someone who works with speech.
    fix
        The argument or command that repairs it.
    """

    def __init__(self, found: str, *, expected: str = "", cause: str = "", fix: str = "") -> None:
        self.found, self.expected, self.cause, self.fix = found, expected, cause, fix
        parts = [found.rstrip(".") + "."]
        parts += [f"Expected: {expected.rstrip('.')}."] if expected else []
        parts += [f"Likely cause: {cause.rstrip('.')}."] if cause else []
        parts += [f"Fix: {fix.rstrip('.')}."] if fix else []
        super().__init__(" ".join(parts))

    def __reduce__(self) -> tuple[object, ...]:
        """Keep the four parts when the error crosses a process boundary."""
        return (_rebuild, (type(self), self.found, self.expected, self.cause, self.fix))


def _rebuild(
    cls: type[SpeechInterpError], found: str, expected: str, cause: str, fix: str
) -> SpeechInterpError:
    return cls(found, expected=expected, cause=cause, fix=fix)


class AudioError(SpeechInterpError):
    """A sound file cannot be read, or what it holds cannot be used."""


class AnnotationError(SpeechInterpError):
    """An annotation (TextGrid, .phn, _annot.json, table) is missing, broken or does not fit its audio."""


class AlignmentError(SpeechInterpError):
    """A transcript and its sound cannot be aligned, or a tier cannot be made."""


class CorpusError(SpeechInterpError):
    """A corpus cannot be found or is inconsistent as a whole (layout, ids, speakers)."""


class FrameError(SpeechInterpError):
    """A time and a frame grid do not go together."""


class ModelError(SpeechInterpError):
    """A model is of an unknown family, incomplete, or lacks what was asked of it."""


class TapError(SpeechInterpError):
    """A tap names a place that the model does not have, or that was never reached."""


class TargetError(SpeechInterpError):
    """What is to be explained is not there: no such word, symbol or class, or no head that says it."""


class StoreError(SpeechInterpError):
    """A store cannot be written, is broken, or belongs to another study."""


class MixingError(SpeechInterpError):
    """A context-mixing measure does not apply to a model, an utterance or its units."""


class AttributionError(SpeechInterpError):
    """A target cannot be explained, or units, baseline and sound do not go together."""


class LensError(SpeechInterpError):
    """A lens has nothing to read, or cannot be fitted or scored on the data given."""


class ProbeError(SpeechInterpError):
    """A probe cannot be fitted or scored fairly on the data given."""


class SimilarityError(SpeechInterpError):
    """Two views cannot be compared on the data given: other units, too few of them, or unknown conditions."""


def check_choice(
    name: str, value: object, known: Iterable[object], error: type[SpeechInterpError], fix: str = ""
) -> None:
    """Raise an error if an argument is none of the values it can have; without `fix` the first is advised."""
    values = list(known)
    if value not in values:
        fix = fix or f"{name}={values[0]!r}"
        raise error(f"{name} {value!r}", expected=f"one of {shortlist(values, 20)}", fix=fix)


def shortlist(items: object, limit: int = 10) -> str:
    """Return the first `limit` items as text, with the number left out."""
    every = [str(item) for item in items]  # type: ignore[attr-defined]
    text = ", ".join(every[:limit])
    return text + (f" and {len(every) - limit} more" if len(every) > limit else "")
