"""The sentences, and what is planted in them: every choice has one cue, and nothing else goes with it.

A case is one utterance before it is spoken. Cases that differ in the cue alone share the name of their `pair`
and are always spoken by the same voice, so that everything but the cue is balanced because it is the same.

No word has an l after its vowel: espeak makes one sound of the two and does not say where the l starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from random import Random


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


VOICES = 8
"""Voices over which one copy of the design is spread; a split has a multiple of as many."""

ADJECTIVES = words(
    """
    young yellow huge tiny lucky loud brown thick smooth rough strange blue pure cheap soft warm
    good bad ready heavy pretty empty clever noisy
    """
)
NOUNS = words(
    """
    father mother teacher lady judge nurse boy cousin thief king sheep horse fish bird monkey dragon
    house bridge church village river cloud ocean measure treasure vision jacket shirt shoe glove
    watch coin toy voice book foot cushion sugar pudding tooth bath cloth earth feather leather ring
    song engine yard ear beard square door fork guitar tour
    """
)
VERBS = words(
    """
    saw found watched pushed grabbed chased loved followed enjoyed measured touched judged carried
    washed heard took brought caught left kicked avoided showed
    """
)
PREPOSITIONS = ["near", "behind", "under", "above", "beside", "with", "without", "around", "before", "toward"]
DETERMINERS = ["the", "my", "your", "our", "that", "his", "her", "their"]
SHAPES = (
    "det adjective noun verb det noun",
    "det noun verb det noun preposition det noun",
    "det noun verb det adjective noun",
    "det adjective noun verb det noun preposition det noun",
)

HOMOPHONES = tuple(
    pair.split("/")
    for pair in words(
        "rose/rows tax/tacks lynx/links hose/hoes pause/paws clause/claws bruise/brews size/sighs"
    )
)
"""The singular of one noun and the plural of another, which sound the same: the number decides the spelling."""
NUMBER = {
    ("before", "near"): "{cue} {first} {target} lay on the {place}",
    ("before", "far"): "{cue} very {first} and {second} {target} lay on the {place}",
    ("after", "near"): "the {first} {target} here {cue} {second}",
    ("after", "far"): "the {first} {target} on the {second} {place} {cue} gone",
}
CUES = {"before": (("one", "two"), ("this", "these")), "after": (("is", "are"), ("was", "were"))}
FIRST, SECOND = ["new", "big", "red", "long"], ["short", "round", "white", "strong"]
PLACES = ["bench", "floor", "step", "road"]

SLOTS = {
    "action": ["clean", "hide", "move", "paint"],
    "object": ["box", "chair", "lamp", "drum"],
    "place": ["garden", "kitchen", "cellar", "attic"],
}
CARRIERS = (
    "please {action} the {object} in the {place}",
    "in the {place} you should {action} the {object} now",
    "go to the {place} and {action} the {object}",
    "take the {object} to the {place} and {action} it",
)

CONTRASTS = tuple(
    pair.split("/")
    for pair in words(
        """
        mine/nine meat/neat mock/knock date/gate done/gun pin/tin tape/cape first/thirst
        free/three path/pass sat/fat cap/cat map/nap seat/suit wet/yet thick/sick
        """
    )
)
CONTRAST_FRAMES = ("we heard {target} again", "say {target} once more")

ASSIMILATED = {"thin": ("TI", "n"), "brown": ("braU", "n"), "clean": ("kli:", "n"), "green": ("gri:", "n")}
FOLLOWING = {"m": ["boy", "bag", "bed", "book"], "N": ["guest", "cup", "glass", "coat"]}


@dataclass(frozen=True)
class Case:
    """One utterance to speak.

    Parameters
    ----------
    type
        sentence, homophone, command, contrast or assimilation.
    transcript
        As it is spelled.
    voice
        Number of the voice, within the split.
    spoken
        What the synthesiser is given, where that is not the transcript.
    target, cue
        The word that is decided, and what decides it.
    pair
        Shared by the cases that differ in the cue alone.
    factors
        Everything else that was chosen: number, place and distance of the cue, slots, carrier.
    cues
        Numbers of the words that the cue tier marks.
    """

    type: str
    transcript: str
    voice: int
    spoken: str = ""
    target: str = ""
    cue: str = ""
    pair: str = ""
    factors: dict[str, str] = field(default_factory=dict)
    cues: tuple[int, ...] = ()


def cases(split: str, voices: int, sentences: int, seed: int) -> list[Case]:
    """Return all cases of a split: one copy of the design for every eight voices, and free sentences."""
    found: list[Case] = list(_sentences(voices * sentences, voices, Random(f"{seed} {split}")))
    for block in range(voices // VOICES):
        for design in (_homophones, _commands, _contrasts, _assimilations):
            found += design(block)
    return found


def _sentences(n: int, voices: int, random: Random) -> Iterator[Case]:
    kinds = {
        "det": DETERMINERS,
        "adjective": ADJECTIVES,
        "noun": NOUNS,
        "verb": VERBS,
        "preposition": PREPOSITIONS,
    }
    dealt = {kind: _dealer(choices, random) for kind, choices in kinds.items()}
    for number in range(n):
        chosen = [dealt[kind]() for kind in SHAPES[number // voices % len(SHAPES)].split()]
        yield Case("sentence", " ".join(chosen), number % voices)


def _dealer(deck_of: Sequence[str], random: Random) -> Callable[[], str]:
    """Return a function that deals all words in a random order before any comes again."""
    deck: list[str] = []

    def deal() -> str:
        if not deck:
            deck.extend(random.sample(deck_of, len(deck_of)))
        return deck.pop()

    return deal


def _homophones(block: int) -> Iterator[Case]:
    for (which, spellings), (frame, (place, distance)) in product(enumerate(HOMOPHONES), enumerate(NUMBER)):
        turn = which // 2 + frame + block
        chosen = {
            "first": FIRST[(which + block) % 4],
            "second": SECOND[(frame + which + block) % 4],
            "place": PLACES[turn % 4],
        }
        for number, (spelling, cue) in enumerate(zip(spellings, CUES[place][turn % 2], strict=True)):
            text = NUMBER[place, distance]
            yield Case(
                "homophone",
                text.format(cue=cue, target=spelling, **chosen),
                block * VOICES + (which + frame) % VOICES,
                spoken=text.format(cue=cue, target=spellings[0], **chosen),
                target=spelling,
                cue=cue,
                pair=f"homophone-{'-'.join(spellings)}-{place}-{distance}-{block}",
                factors={
                    "number": ("singular", "plural")[number],
                    "homophones": "/".join(spellings),
                    "cue_place": place,
                    "cue_distance": distance,
                },
                cues=(text.split().index("{cue}"),),
            )


def _commands(block: int) -> Iterator[Case]:
    for number in range(4**3):
        digits = number // 16, number // 4 % 4, number % 4
        carrier = digits[0] ^ digits[1] ^ digits[2] ^ block % 4
        slots = {name: choices[digit] for (name, choices), digit in zip(SLOTS.items(), digits, strict=True)}
        text = CARRIERS[carrier]
        yield Case(
            "command",
            text.format(**slots),
            block * VOICES + sum(_parity(number & mask) << bit for bit, mask in enumerate(VOICE_MASKS)),
            factors={**slots, "carrier": str(carrier)},
            cues=tuple(i for i, word in enumerate(text.split()) if word.startswith("{")),
        )


VOICE_MASKS = (0b000110, 0b001011, 0b010001)
"""A command's number has two bits for each slot. Three parities of it name the voice: with these, every voice
says every word of every slot, and every carrier, equally often (found by trying; the test counts it)."""


def _parity(number: int) -> int:
    return bin(number).count("1") % 2


def _contrasts(block: int) -> Iterator[Case]:
    for number, pair in enumerate(CONTRASTS):
        text = CONTRAST_FRAMES[(number + number // VOICES + block) % 2]
        for word in pair:
            yield Case(
                "contrast",
                text.format(target=word),
                block * VOICES + (number + block) % VOICES,
                target=word,
                pair=f"contrast-{'-'.join(pair)}-{block}",
            )


def _assimilations(block: int) -> Iterator[Case]:
    for number, (word, (place, nouns)) in enumerate(product(ASSIMILATED, FOLLOWING.items())):
        noun = nouns[(list(ASSIMILATED).index(word) + block) % 4]
        start, plain = ASSIMILATED[word]
        for form, nasal in (("unassimilated", plain), ("assimilated", place)):
            yield Case(
                "assimilation",
                f"we saw a {word} {noun} today",
                block * VOICES + (number + block) % VOICES,
                spoken=f"we saw a [[{_stressed(start)}{nasal}]] {noun} today",
                target=word,
                cue=noun,
                pair=f"assimilation-{word}-{noun}-{block}",
                factors={"form": form, "assimilates_to": {"m": "m", "N": "ŋ"}[place]},
                cues=(4,),
            )


def _stressed(start: str) -> str:
    """Return espeak's phonemes with the stress before the vowel."""
    vowel = next(i for i, letter in enumerate(start) if letter in "aIi")
    return f"{start[:vowel]}'{start[vowel:]}"
