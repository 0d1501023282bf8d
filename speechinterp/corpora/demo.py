"""``demo``: generated, speech-like sound of eight voices, for a first try without any data."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from speechinterp.audio.synthesis import Voice, synthesise
from speechinterp.corpora.utterance import Corpus, Utterance

__all__ = ["read_demo"]

N_VOICES, N_SENTENCES, N_WORDS = 8, 6, 6
WORDS = (
    "s-a m-i n-o sh-u f-e s-u-n m-o-sh n-a-m-i sh-e-f-a f-i-s-o m-a-n-u n-e-s s-i-m sh-o-n-e f-u-m m-e-f-i"
)
LEXICON = tuple(tuple(word.split("-")) for word in WORDS.split())


def read_demo() -> Corpus:
    """Return the generated corpus: 8 voices with 6 sentences each, tiers ``phones`` and ``words``.

    It is no speech: vowels are resonances, fricatives noise bands. Nothing that is found on it says
    anything about a model; it shows what the commands do.
    """
    pairs = [(voice, sentence) for voice in range(N_VOICES) for sentence in range(N_SENTENCES)]
    return Corpus("demo", {f"voice{v}/sentence{s}": partial(_utterance, v, s) for v, s in pairs})


@lru_cache(maxsize=N_VOICES * N_SENTENCES)
def _utterance(number: int, sentence: int) -> Utterance:
    random = np.random.default_rng(number)
    voice = Voice(
        pitch=float(random.uniform(90, 130) * (1 if number % 2 else 1.7)),
        formants=float(random.uniform(0.95, 1.05) * (1 if number % 2 else 1.15)),
        tempo=float(random.uniform(0.85, 1.2)),
    )
    chosen = np.random.default_rng([number, sentence]).choice(len(LEXICON), N_WORDS)
    words = [LEXICON[i] for i in chosen]
    sound, tiers = synthesise(words, voice, seed=1000 * number + sentence)
    transcript = " ".join(tiers["words"].labels)
    return Utterance(f"voice{number}/sentence{sentence}", sound, f"voice{number}", transcript, tiers)
