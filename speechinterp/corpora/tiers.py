"""What all annotations share: fitting tiers to the sound, and their standard names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from speechinterp.audio import duration_of, head_of
from speechinterp.errors import AnnotationError, shortlist
from speechinterp.segments import Segment, Tier

__all__ = ["OVERHANG", "fit_to_audio", "segment", "transcript_of", "with_standard_names"]

OVERHANG = 0.05
"""Seconds by which an annotation may end after its sound: aligners count in frames, and round up."""

STANDARD_NAMES: dict[str, tuple[str, ...]] = {
    "words": ("words", "word", "ort", "ort-mau", "ortho", "orthography"),
    "phones": ("phones", "phone", "phonemes", "phoneme", "segments", "segment", "mau"),
}
PAUSES = frozenset(["", "<p:>", "<eps>", "<sil>", "<SIL>", "sil", "sp"])


def segment(start: float, end: float, label: str, where: str) -> Segment:
    """Return a segment; `where` is named in the error if its times are impossible."""
    try:
        return Segment(start, end, label)
    except AnnotationError as error:
        raise AnnotationError(
            f"{where}: {error.found}", expected=error.expected, cause=error.cause, fix=error.fix
        ) from None


def fit_to_audio(tiers: Iterable[Tier], audio: Path, name: str) -> dict[str, Tier]:
    """Return the tiers by name, ending with the sound.

    What hangs over by at most `OVERHANG` is cut at the end of the sound, and an unlabelled interval
    that lies wholly after it is left out.

    Raises
    ------
    AnnotationError
        If an annotation ends later than that, or something labelled lies after the end of the sound.
    AudioError
        If the sound cannot be read, or is shorter than its own head says.
    """
    head = head_of(audio)
    duration = head.n_samples / head.sample_rate
    return {tier.name: Tier(tier.name, _fitted(tier, duration, audio, name)) for tier in tiers}


def _fitted(tier: Tier, duration: float, audio: Path, name: str) -> Iterable[Segment]:
    for each in tier:
        beyond = each.start >= duration > 0 and each.duration > 0
        if each.end > duration + OVERHANG or (beyond and each.label):
            duration_of(audio)
            raise AnnotationError(
                f"{name}, tier {tier.name!r}: {each.label!r} ends at {each.end:.3f} s, "
                f"but the sound {audio.name} at {duration:.3f} s",
                expected=f"annotations within the sound (up to {1000 * OVERHANG:.0f} ms over)",
                cause="the annotation of another recording, or times in another unit or sample rate",
                fix="put the right annotation beside the sound, or leave the recording out",
            )
        if not beyond:
            yield Segment(min(each.start, duration), min(each.end, duration), each.label)


def with_standard_names(
    tiers: Mapping[str, Tier], name: str, words: str | None = None, phones: str | None = None
) -> dict[str, Tier]:
    """Return the tiers, reachable as ``words`` and ``phones`` too where it is clear which are meant.

    Parameters
    ----------
    tiers
        By name.
    name
        Of the annotation, for errors.
    words, phones
        The names of the tiers of words and phones, where the names alone do not tell.

    Raises
    ------
    AnnotationError
        If a tier that is named explicitly is not there.
    """
    named = dict(tiers)
    for standard, wanted in (("words", words), ("phones", phones)):
        if wanted is not None and wanted not in tiers:
            raise AnnotationError(
                f"{name} has no tier {wanted!r}; it has: {shortlist(tiers)}",
                expected=f"the name of its tier of {standard}",
                cause="another naming of tiers in this file",
                fix=f"pass one of these names as {standard}=",
            )
        source = wanted or _meant(tiers, standard)
        if source is not None:
            named[standard] = Tier(standard, tiers[source].segments)
    return named


def _meant(tiers: Mapping[str, Tier], standard: str) -> str | None:
    """Return the name of the only tier that can be meant by a standard name."""
    if standard in tiers:
        return standard
    usual = STANDARD_NAMES[standard]
    meant = [name for name in tiers if name.lower() in usual or name.lower().endswith(f" - {standard}")]
    return meant[0] if len(meant) == 1 else None


def transcript_of(tiers: Mapping[str, Tier]) -> str | None:
    """Return the words of the ``words`` tier as text, without pauses; None where there is no such tier."""
    if "words" not in tiers:
        return None
    return " ".join(word for label in tiers["words"].labels if label not in PAUSES for word in label.split())
