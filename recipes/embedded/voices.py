"""The speakers: variants of espeak's American English, of which no two splits share one.

Variants with an echo (f2 to f5 and others) are left out, because a closure is no silence in them; so are
whispers, robots, and copies of a variant that differ in loudness only.
"""

from __future__ import annotations

from random import Random

from espeak import Voice

TEST = {
    "aunty": "f",
    "shelby": "f",
    "anika": "f",
    "linda": "f",
    "m4": "m",
    "quincy": "m",
    "klatt3": "m",
    "gustave": "m",
}
DEV = {"belinda": "f", "robert": "m", "john": "m", "m8": "m"}
TRAIN = {
    **dict.fromkeys(["f1", "Annie", "steph", "grandma", "Andrea", "zac"], "f"),
    **dict.fromkeys(["m1", "m3", "m5", "m6", "m7", "Alex", "Denis", "Gene"], "m"),
    **dict.fromkeys(["Mario", "Nguyen", "boris", "max", "ed", "klatt", "klatt4", "edward"], "m"),
    **dict.fromkeys(["Andy", "Storm", "antonio", "iven", "norbert", "paul", "pedro", "sandro"], "m"),
    **dict.fromkeys(["victor", "grandpa", "Jacky", "david", "Tweaky", "klatt2", "klatt5", "travis"], "m"),
}
SPLITS = {"train": (TRAIN, 128, 16), "dev": (DEV, 8, 5), "test": (TEST, 8, 5)}
"""For every split its variants with their sex, the number of speakers, and of free sentences a speaker."""
WOMEN_FIRST = 5
"""Women's variants are rarer, so each of them makes this many times as many speakers in training."""


def speakers(split: str, seed: int) -> dict[str, tuple[Voice, str]]:
    """Return voice and sex of every speaker of a split."""
    variants, number, _ = SPLITS[split]
    turns = [
        v for v in variants for _ in range(WOMEN_FIRST if variants[v] == "f" and split == "train" else 1)
    ]
    random = Random(f"{seed} {split} speakers")
    found: dict[str, tuple[Voice, str]] = {}
    taken: list[str] = []
    for i in range(number):
        variant = turns[i % len(turns)]
        name = variant.lower() if number == len(variants) else f"{variant.lower()}-{taken.count(variant) + 1}"
        taken.append(variant)
        voice = Voice(variant, random.randrange(35, 66), random.randrange(35, 66), random.randrange(150, 181))
        found[name] = voice, variants[variant]
    return found
