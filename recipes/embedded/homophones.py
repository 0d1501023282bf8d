"""Homophones of the embedded corpus in training: heard twice as often, and scored with and without their cue."""

from __future__ import annotations

from collections.abc import Callable

from examples import RATE, Example

Words = list[list[str]]


def twice(examples: list[Example]) -> list[Example]:
    """Return the examples, and those of homophones once more."""
    return examples + [example for example in examples if example.meta["type"] == "homophone"]


def as_cued(
    examples: list[Example], found: Words, write: Callable[[list[Example]], Words]
) -> dict[str, float]:
    """Return how often a homophone is spelled by its cue: with it, and with it silenced."""
    cued = [n for n, example in enumerate(examples) if example.meta.get("type") == "homophone"]
    silenced = [without_cue(examples[n]) for n in cued]
    return {
        "homophones": _share([examples[n] for n in cued], [found[n] for n in cued]),
        "homophones, cue silenced": _share(silenced, write(silenced)),
    }


def without_cue(example: Example) -> Example:
    """Return a homophone's example with silence in place of its cue."""
    sound = example.sound.copy()
    for start, end, _ in example.marks["cue"]:
        sound[round(start * RATE) : round(end * RATE)] = 0
    return Example(example.id, sound, example.marks, example.meta, example.transcript)


def _share(examples: list[Example], found: Words) -> float:
    right = [example.meta["target"] in words for example, words in zip(examples, found, strict=True)]
    return sum(right) / len(right)
