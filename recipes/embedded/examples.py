"""What the embedded models are trained on: sound with its annotation, made harder, in batches of like length."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import soxr
import torch
from scipy.signal import fftconvolve
from torch import Tensor

from speechinterp import Corpus, Utterance

RATE = 16000
GRAIN = 4800
"""Batches are multiples of so many samples long: 0.3 s."""
BLANK = "<pad>"
WORD_END = "|"
Sound = npt.NDArray[np.float32]
Marks = list[tuple[float, float, str]]


@dataclass
class Example:
    """An utterance in memory: its sound, and stretches in seconds for each kind of label."""

    id: str
    sound: Sound
    marks: dict[str, Marks] = field(default_factory=dict)
    meta: dict[str, str] = field(default_factory=dict)
    transcript: str = ""

    def at_tempo(self, factor: float) -> Example:
        """Return the example played faster (above 1) or slower: pitch, formants and times all change."""
        sound = soxr.resample(self.sound, RATE * factor, RATE).astype(np.float32)
        marks = {
            kind: [(start / factor, end / factor, label) for start, end, label in stretches]
            for kind, stretches in self.marks.items()
        }
        return Example(self.id, sound, marks, self.meta, self.transcript)


def read(corpus: Corpus) -> list[Example]:
    """Return the utterances of a corpus as examples, with their phones and letters marked."""
    utterances = list(corpus)
    spelled = letters_of(utterances) if all("phones" in u.tiers for u in utterances) else {}
    found = []
    for utterance in utterances:
        marks = {n: [(s.start, s.end, s.label) for s in tier] for n, tier in utterance.tiers.items()}
        if utterance.id in spelled:
            marks["letters"] = spelled[utterance.id]
        meta = {key: str(value) for key, value in utterance.meta.items()}
        sound = utterance.waveform(RATE)
        found.append(Example(utterance.id, sound, marks, meta, utterance.transcript or ""))
    return found


def letters_of(utterances: Sequence[Utterance]) -> dict[str, Marks]:
    """Return when each letter sounds: letters and phones of every word are paired, by what goes together often.

    Notes
    -----
    A word is a path through the grid of its letters and phones: a step takes a letter and a phone together, a
    further letter of the same phone, or a further phone of the same letter. The cost of a pair is its negative
    log relative frequency in the last round's best paths (Viterbi training).
    """
    words = [
        (
            word.label,
            [p for p in u.tiers["phones"] if word.start <= (p.start + p.end) / 2 < word.end],
            u.id,
            word,
        )
        for u in utterances
        for word in u.tiers["words"]
    ]
    pairs: Counter[tuple[str, str]] = Counter()
    kinds = {(text, tuple(p.label for p in phones)) for text, phones, _, _ in words}
    for text, labels in kinds:
        for i, letter in enumerate(text):
            pairs[letter, labels[i * len(labels) // len(text)]] += 1
    paths: dict[tuple[str, tuple[str, ...]], list[tuple[int, int]]] = {}
    for _ in range(8):
        totals = Counter()
        for (letter, _), n in pairs.items():
            totals[letter] += n
        paths = {kind: _best_path(*kind, pairs, totals) for kind in kinds}
        pairs = Counter((text[i], labels[j]) for (text, labels), path in paths.items() for i, j in path)
    found: dict[str, Marks] = {u.id: [] for u in utterances}
    for text, phones, id_, word in words:
        path = paths[text, tuple(p.label for p in phones)]
        sharing = Counter(j for _, j in path)
        nth: Counter[int] = Counter()
        spans: dict[int, tuple[float, float]] = {}
        for i, j in path:
            step = phones[j].duration / sharing[j]
            start = phones[j].start + nth[j] * step
            nth[j] += 1
            spans[i] = (spans.get(i, (start, 0.0))[0], start + step)
        found[id_] += [(*spans[i], letter) for i, letter in enumerate(text)]
        found[id_].append((word.end, word.end, WORD_END))
    for stretches in found.values():
        stretches.pop()
    return found


def _best_path(
    text: str, labels: Sequence[str], pairs: Counter[tuple[str, str]], totals: Counter[str]
) -> list[tuple[int, int]]:
    cost = np.array([[-np.log((pairs[c, p] + 0.1) / (totals[c] + 5)) for p in labels] for c in text])
    best = np.full(cost.shape, np.inf)
    step = np.zeros((*cost.shape, 2), dtype=int)
    for i in range(len(text)):
        for j in range(len(labels)):
            before = [(i - 1, j - 1), (i - 1, j), (i, j - 1)]
            known = [(best[a, b], a, b) for a, b in before if a >= 0 and b >= 0]
            least, *step[i, j] = min(known) if known else (0.0, -1, -1)
            best[i, j] = least + cost[i, j]
    i, j = len(text) - 1, len(labels) - 1
    path = []
    while i >= 0:
        path.append((i, j))
        i, j = step[i, j]
    return path[::-1]


def frame_labels(marks: Marks, n_frames: int, hop: float, first: float) -> list[str]:
    """Return the label of every frame by its centre; blank in silence, and between two equal labels in a row.

    The end of a word takes its last frame, if its last letter has another.
    """
    labels = [BLANK] * n_frames
    before = None
    for start, end, label in marks:
        first_frame = max(0, int(np.ceil((start - first) / hop - 1e-9)))
        if label == WORD_END:
            long = first_frame > 1 and labels[first_frame - 1] == labels[first_frame - 2]
            at = first_frame - 1 if long else first_frame
            if at < n_frames:
                labels[at] = label
            before = None
            continue
        frames = range(first_frame, min(n_frames, int(np.ceil((end - first) / hop - 1e-9))))
        for frame in frames:
            if labels[frame] == BLANK:
                labels[frame] = label
        if label == before and len(frames) > 1:
            labels[frames[0]] = BLANK
        before = label
    return labels


def harder(sound: Sound, others: Sequence[Example], random: np.random.Generator) -> Sound:
    """Return the sound in a room, with noise, and at another level."""
    found = sound + 0.0
    if random.random() < 0.3:
        seconds = random.uniform(0.05, 0.4)
        times = np.arange(int(seconds * RATE)) / RATE
        room = random.standard_normal(len(times)) * np.exp(-6.9 * times / seconds)
        room *= 10 ** random.uniform(-1.0, -0.1) / np.linalg.norm(room)
        room[0] += 1.0
        found = fftconvolve(found, room)[: len(found)]
    if random.random() < 0.6:
        noise = _noise(len(found), others, random)
        ratio = 10 ** (-random.uniform(5, 40) / 20)
        found = found + noise * ratio * np.sqrt(np.mean(found**2) / (np.mean(noise**2) + 1e-12))
    tilt = random.uniform(-0.4, 0.4)
    found = found + tilt * np.concatenate([[0.0], found[:-1]])
    level = 10 ** (random.uniform(-35, -12) / 20)
    return (found * level / (np.sqrt(np.mean(found**2)) + 1e-9)).astype(np.float32)


def _noise(length: int, others: Sequence[Example], random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return white or coloured noise, or several speakers at once."""
    if random.random() < 0.3:
        babble = np.zeros(length)
        for number in random.integers(len(others), size=4):
            babble += np.resize(others[number].sound, length)
        return babble
    spectrum = np.fft.rfft(random.standard_normal(length))
    return np.fft.irfft(spectrum * np.maximum(1, np.arange(len(spectrum))) ** -random.uniform(0, 1), length)


@dataclass
class Batch:
    """Sounds of one length [shape=(batch, samples)], with zeros after their ends."""

    sounds: Tensor
    lengths: list[int]
    examples: list[Example]

    @property
    def normalised(self) -> Tensor:
        """The sounds, each with mean 0 and variance 1 up to its end [shape=(batch, samples)]."""
        found = torch.zeros_like(self.sounds)
        for to, sound, length in zip(found, self.sounds, self.lengths, strict=True):
            to[:length] = (sound[:length] - sound[:length].mean()) / (
                sound[:length].var(correction=0) + 1e-7
            ).sqrt()
        return found


def batches(
    examples: Sequence[Example],
    seconds: float,
    random: np.random.Generator,
    tempo: tuple[float, float] = (0.85, 1.18),
) -> Iterator[Batch]:
    """Deal all examples once, made harder, in batches of up to `seconds` of sound; those of like length together.

    Notes
    -----
    Lengths are rounded up to 0.3 s, and the number of examples follows from the length: there are few shapes, and
    the libraries below torch prepare themselves for each of them only once.
    """
    factors = random.uniform(*tempo, len(examples))
    lengths = [len(example.sound) / factor for example, factor in zip(examples, factors, strict=True)]
    order = sorted(range(len(examples)), key=lambda n: -lengths[n] * random.uniform(0.9, 1.0))
    groups: list[tuple[int, list[int]]] = []
    while order:
        longest = max(lengths[n] for n in order[: len(order) // 4 + 1])
        padded = -(-math.ceil(longest + 1) // GRAIN) * GRAIN
        size = max(1, int(seconds * RATE / padded))
        groups.append((padded, order[:size]))
        order = order[size:]
    for n in random.permutation(len(groups)):
        padded, members = groups[n]
        chosen = [examples[m].at_tempo(factors[m]) for m in members]
        yield batch_of(chosen, [harder(example.sound, examples, random) for example in chosen], padded)


def batch_of(examples: list[Example], sounds: Sequence[Sound] | None = None, length: int = 0) -> Batch:
    """Return a batch of the examples, or of other sounds for them."""
    sounds = [example.sound for example in examples] if sounds is None else sounds
    lengths = [len(sound) for sound in sounds]
    padded = torch.zeros(len(sounds), max([*lengths, length]))
    for row, sound in zip(padded, sounds, strict=True):
        row[: len(sound)] = torch.from_numpy(sound)
    return Batch(padded, lengths, examples)
