"""Buckeye: conversations with forty speakers, with hand-corrected words and phones."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import cache, lru_cache, partial
from importlib.resources import files
from pathlib import Path, PurePosixPath

from speechinterp.audio import Sound, read_sound
from speechinterp.corpora.annotated import annotation_tiers
from speechinterp.corpora.files import beside, find_audio, read_text, relative
from speechinterp.corpora.formats.buckeye import MARK, parse_phones, parse_words
from speechinterp.corpora.labels import INVENTORIES, map_labels
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.errors import AnnotationError, CorpusError, check_choice
from speechinterp.segments import Segment, Tier

__all__ = ["read_buckeye"]

Stretch = tuple[float, float]
Read = Callable[[], dict[str, Tier]]


def read_buckeye(root: Path, *, pause: int = 500, labels: str = "buckeye") -> Corpus:
    """Read the Buckeye corpus: sound with .words and .phones beside it, at any depth.

    Parameters
    ----------
    root
        The corpus, or the folder of one speaker, with its archives unpacked.
    pause
        Recordings last ten minutes. They are divided where nothing but silence, noise, laughter or the
        interviewer is annotated for at least so many milliseconds; 0 leaves them whole.
    labels
        The inventory of the phones: ``buckeye`` as they were made, or ``timit39``, ``timit61``, ``ipa``, ...; see
        :func:`~speechinterp.corpora.labels.map_labels`. Noise and laughter are no phones, and are left out.

    Returns
    -------
    Corpus
        An utterance for every stretch of speech, called after the recording and the millisecond it starts at
        (``s01/s0101a/0032216``), with its own sound. Tiers ``words``, ``phones``, ``citation``,
        ``pronunciation`` and ``pos``. Meta holds ``sex``, ``age`` (y: under thirty, o: over forty),
        ``interviewer`` (sex), and ``recording`` and ``start`` in s.

    Raises
    ------
    CorpusError
        If there is no sound, two files have the same id, or there are no such labels.

    References
    ----------
    Pitt, M. A., Johnson, K., Hume, E., Kiesling, S. & Raymond, W. (2005). The Buckeye corpus of conversational
    speech: labeling conventions and a test of transcriber reliability. Speech Communication 45, 89-95.
    """
    check_choice("labels", labels, INVENTORIES, CorpusError, "labels=timit39")
    sources: dict[str, Callable[[], Utterance]] = {}
    for id_, audio in find_audio(root).items():
        read = partial(_tiers, audio, root, labels)
        try:
            stretches = _stretches(_tiers(audio, root)["words"], pause / 1000) if pause else None
        except AnnotationError:
            stretches = None  # the error comes again, for this recording alone, when it is asked for
        if stretches is None:
            sources[id_] = partial(_whole, id_, audio, read)
        else:
            for stretch in stretches:
                name = f"{id_}/{round(stretch[0] * 1000):07d}"
                sources[name] = partial(_part, name, id_, audio, read, stretch)
    return Corpus("buckeye", sources)


def _whole(id_: str, audio: Path, read: Read) -> Utterance:
    return _utterance(id_, id_, audio, read(), {})


def _part(name: str, id_: str, audio: Path, read: Read, stretch: Stretch) -> Utterance:
    whole = _sound(audio)
    sound, offset = whole.cut(*stretch), round(stretch[0] * whole.sample_rate) / whole.sample_rate
    tiers = {key: Tier(key, _inside(tier, offset, sound.duration)) for key, tier in read().items()}
    return _utterance(name, id_, sound, tiers, {"start": offset})


def _inside(tier: Tier, offset: float, duration: float) -> Iterator[Segment]:
    for each in tier:
        start, end = max(each.start - offset, 0.0), min(each.end - offset, duration)
        if start < end:
            yield Segment(start, end, each.label)


def _utterance(
    name: str, id_: str, audio: Path | Sound, tiers: dict[str, Tier], meta: dict[str, float]
) -> Utterance:
    speaker = PurePosixPath(id_).name[:3].lower()
    about = {key: _speakers().get(speaker, {}).get(key) for key in ("sex", "age", "interviewer")}
    words = " ".join(label for label in tiers["words"].labels if label and not label.startswith(MARK))
    return Utterance(name, audio, speaker, words, tiers, {**about, "recording": id_, **meta})


def _tiers(audio: Path, root: Path, labels: str = "buckeye") -> dict[str, Tier]:
    tiers = _annotation(audio, root)
    if labels == "buckeye":
        return tiers
    return tiers | {"phones": map_labels(tiers["phones"], "buckeye", labels)}


@lru_cache(maxsize=1)
def _annotation(audio: Path, root: Path) -> dict[str, Tier]:
    """Return the tiers of a recording; the last are kept, since its stretches are asked for in order."""
    plain = audio.with_suffix("")
    found: list[Tier] = []
    for suffix, parse in ((".words", parse_words), (".phones", parse_phones)):
        path = beside(plain, suffix)
        if path is None:
            raise AnnotationError(
                f"no {plain.name}{suffix} beside {relative(audio, root)}",
                expected="a .words and a .phones file beside every sound, as in Buckeye",
                cause="a corpus of another kind, or archives that were not unpacked in place",
                fix="unpack them beside the sound, or use annotated: for other layouts",
            )
        found += parse(read_text(path, relative(path, root)), relative(path, root))
    return annotation_tiers(found, relative(plain, root), audio)


def _stretches(words: Tier, pause: float) -> list[Stretch]:
    """Return the stretches of words between pauses of at least that many seconds."""
    stretches: list[Stretch] = []
    for word in words:
        if not word.label or word.label.startswith(MARK) or not word.duration:
            continue
        if stretches and word.start - stretches[-1][1] < pause - 1e-9:
            stretches[-1] = stretches[-1][0], word.end
        else:
            stretches.append((word.start, word.end))
    return stretches


@cache
def _speakers() -> dict[str, dict[str, str]]:
    text = files("speechinterp.corpora").joinpath("buckeye_speakers.csv").read_text("utf-8")
    return {row["speaker"]: row for row in csv.DictReader(text.split("\n")[1:])}


@lru_cache(maxsize=1)
def _sound(audio: Path) -> Sound:
    """Return the sound of a recording, and keep the last one too."""
    return read_sound(audio)
