"""Generated speech-like sound: formants and noise bands, with every boundary known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speechinterp.audio import Sound
from speechinterp.segments import Segment, Tier

__all__ = ["PHONES", "Voice", "synthesise"]

RATE = 16000
FADE = 0.008
VOWELS = {
    "a": (750, 1250, 2550),
    "e": (500, 1850, 2550),
    "i": (290, 2250, 2950),
    "o": (480, 880, 2500),
    "u": (320, 780, 2300),
}
NASALS = {"m": (260, 1050, 2200), "n": (260, 1500, 2500)}
NOISES = {"s": (5800, 7200), "sh": (3000, 4500), "f": (1500, 7500)}
PHONES = (*VOWELS, *NASALS, *NOISES)


@dataclass(frozen=True)
class Voice:
    """A generated speaker.

    Parameters
    ----------
    pitch
        Mean fundamental frequency in Hz.
    formants
        Factor on all resonances: about 1 for men, 1.17 for women, more for children.
    tempo
        Factor on all durations.
    """

    pitch: float
    formants: float
    tempo: float


def synthesise(words: Sequence[Sequence[str]], voice: Voice, seed: int) -> tuple[Sound, dict[str, Tier]]:
    """Speak words given as phones.

    Parameters
    ----------
    words
        Each a sequence of :data:`PHONES`.
    voice
        Who speaks.
    seed
        Of durations, pitch movement and noise.

    Returns
    -------
    Sound
        At 16 kHz.
    dict of Tier
        ``phones`` and ``words``, with boundaries at whole samples.
    """
    random = np.random.default_rng(seed)
    phones: list[Segment] = []
    spoken: list[Segment] = []
    position = round(0.1 * RATE)
    for word in words:
        start = position
        for phone in word:
            length = round(random.uniform(0.07, 0.15) * voice.tempo * RATE)
            phones.append(Segment(position / RATE, (position + length) / RATE, phone))
            position += length
        spoken.append(Segment(start / RATE, position / RATE, "".join(word)))
        position += round(random.uniform(0.04, 0.12) * RATE)
    samples = np.zeros(position + round(0.1 * RATE))
    pulses = _pulses(len(samples), voice.pitch, random)
    noise = random.standard_normal(len(samples))
    for segment in phones:
        samples += _window(len(samples), segment) * _coloured(segment.label, pulses, noise, voice)
    samples = 0.1 * samples / np.abs(samples).max() * 5 + 0.001 * random.standard_normal(len(samples))
    return Sound(samples.astype(np.float32), RATE), {
        "phones": Tier("phones", phones),
        "words": Tier("words", spoken),
    }


def _pulses(n: int, pitch: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    time = np.arange(n) / RATE
    movement = (
        1 + 0.12 * np.sin(2 * np.pi * random.uniform(0.3, 0.8) * time + random.uniform(0, 6)) - 0.05 * time
    )
    cycles = np.cumsum(pitch * movement / RATE)
    return np.diff(np.floor(cycles), prepend=0.0)


def _window(n: int, phone: Segment) -> npt.NDArray[np.float64]:
    edges = [phone.start - FADE / 2, phone.start + FADE / 2, phone.end - FADE / 2, phone.end + FADE / 2]
    return np.interp(np.arange(n) / RATE, edges, [0.0, 1.0, 1.0, 0.0])


def _coloured(
    phone: str, pulses: npt.NDArray[np.float64], noise: npt.NDArray[np.float64], voice: Voice
) -> npt.NDArray[np.float64]:
    from scipy.signal import butter, lfilter, sosfilt

    if phone in NOISES:
        low, high = NOISES[phone]
        band = [low * voice.formants**0.5, min(high * voice.formants**0.5, 7900)]
        return 0.25 * np.asarray(sosfilt(butter(3, band, "bandpass", fs=RATE, output="sos"), noise))
    resonances = VOWELS.get(phone) or NASALS[phone]
    sound = lfilter([1.0], [1.0, -0.95], pulses)
    for frequency, bandwidth in zip(resonances, (80, 110, 160), strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE)
        angle = 2 * np.pi * frequency * voice.formants / RATE
        sound = lfilter(
            [1 - 2 * radius * np.cos(angle) + radius**2], [1, -2 * radius * np.cos(angle), radius**2], sound
        )
    sound = np.asarray(sound)
    level = 0.35 if phone in NASALS else 1.0
    return level * sound / (np.sqrt(np.mean(sound**2)) * 6 + 1e-12)
