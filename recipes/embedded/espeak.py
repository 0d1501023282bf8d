"""The synthesiser: libespeak-ng through its event interface, which tells where every phone starts.

Two things are done to what the library gives, both exact:

- The event of a stop or an affricate comes at its release, after a closure of digital silence. The closure is
  given back to the stop: it starts where the zeros start.
- The library goes on with its random numbers from one sentence to the next. Every sentence is therefore spoken
  by a fresh copy of the process, so that it sounds the same whatever was said before it.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

VERSION = "1.51"
RATE = 22050
WORD, PHONEME = 1, 7
SYNCHRONOUS, PHONEME_EVENTS, UTF8, PHONEMES = 2, 0x1, 1, 0x100
SPEED, VOLUME, PITCH, RANGE = 1, 2, 3, 4
SHORTEST_CLOSURE = 64
"""Zeros in a row that are a pause and not a voice that happens to be at rest: 3 ms."""
PAUSES = frozenset(["_", "_:", "_!", "_|", "_::"])
GLIDES_OVER = frozenset([";"])
"""Marks that espeak puts between two phones and that are no sound of their own."""
CLOSED = frozenset(["p", "t", "k", "b", "d", "g", "t2", "tS", "dZ"])


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_ubyte * 8),
    )


@dataclass(frozen=True)
class Voice:
    """How a speaker sounds: a variant of espeak's American English, and three settings of it."""

    variant: str
    pitch: int
    range: int
    rate: int


@dataclass(frozen=True)
class Phone:
    """A phone in the synthesiser's own samples; `event` is where the library says that it starts."""

    label: str
    start: int
    end: int
    word: int
    event: int


@dataclass(frozen=True)
class Speech:
    """Samples at 22050 Hz and the phones in them, each with the number of its word."""

    samples: npt.NDArray[np.int16]
    phones: tuple[Phone, ...]


def installed_version() -> str | None:
    """Return the version of libespeak-ng, None where it is not installed."""
    library = _library()
    if library is None:
        return None
    library.espeak_Info.restype = ctypes.c_char_p
    return str(library.espeak_Info(None).decode()).split()[0]


def speak_all(jobs: Iterable[tuple[str, Voice]], processes: int = 2) -> Iterator[Speech]:
    """Speak texts in order, each in a process of its own that knows nothing of the others."""
    if _library() is None:
        raise SystemExit(
            "libespeak-ng is not installed. Debian, Ubuntu: apt install libespeak-ng1. macOS: brew install espeak-ng"
        )
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap(_speak, jobs, chunksize=1)


@cache
def _library() -> ctypes.CDLL | None:
    for name in ("libespeak-ng.so.1", "libespeak-ng.1.dylib", "libespeak-ng.dylib"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _speak(job: tuple[str, Voice]) -> Speech:
    text, voice = job
    library = _library()
    assert library is not None
    if library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS) != RATE:
        raise SystemExit(
            "espeak-ng did not start, or not at 22050 Hz: are its data (espeak-ng-data) installed?"
        )
    blocks: list[npt.NDArray[np.int16]] = []
    events: list[tuple[int, int, str]] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    def receive(sound, n, event):  # type: ignore[no-untyped-def]
        if sound and n:
            blocks.append(np.ctypeslib.as_array(sound, (n,)).copy())
        number = 0
        while event[number].type:
            each = event[number]
            events.append(
                (each.type, each.sample, bytes(each.string).split(b"\0")[0].decode("utf-8", "replace"))
            )
            number += 1
        return 0

    library.espeak_SetSynthCallback(receive)
    if library.espeak_SetVoiceByName(f"en-us+{voice.variant}".encode()):
        raise SystemExit(
            f"espeak-ng has no voice en-us+{voice.variant}: its data are incomplete, install them again"
        )
    for parameter, value in ((SPEED, voice.rate), (VOLUME, 20), (PITCH, voice.pitch), (RANGE, voice.range)):
        library.espeak_SetParameter(parameter, value, 0)
    data = text.encode()
    library.espeak_Synth(data, ctypes.c_size_t(len(data) + 1), 0, 1, 0, UTF8 | PHONEMES, None, None)
    library.espeak_Synchronize()
    samples = np.concatenate(blocks)
    return Speech(samples, tuple(_phones(samples, events)))


def _phones(samples: npt.NDArray[np.int16], events: list[tuple[int, int, str]]) -> Iterator[Phone]:
    word, heard, marks = -1, True, []
    for kind, sample, label in events:
        if kind == WORD:
            heard = False
        elif kind == PHONEME and label not in GLIDES_OVER:
            if not heard and label not in PAUSES:
                word, heard = word + 1, True
            marks.append((label, sample, word))
    starts = [
        sample - _silence_before(samples, sample)
        if label in CLOSED and i and marks[i - 1][0] not in PAUSES
        else sample
        for i, (label, sample, _) in enumerate(marks)
    ]
    for (label, event, number), start, end in zip(marks, starts, [*starts[1:], len(samples)], strict=True):
        if label not in PAUSES:
            if start >= end:
                raise SystemExit(f"espeak gives no length to {label!r} in {[mark[0] for mark in marks]}")
            yield Phone(label, start, end, number, event)


def _silence_before(samples: npt.NDArray[np.int16], sample: int) -> int:
    """Return how many zeros in a row come before a sample; 0 if there are few."""
    sounding = np.flatnonzero(samples[:sample])
    zeros = sample - (int(sounding[-1]) + 1 if len(sounding) else 0)
    return zeros if zeros >= SHORTEST_CLOSURE else 0
