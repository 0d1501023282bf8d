"""What the embedded models do on voices they have not heard: the numbers of their cards.

python recipes/embedded/scores.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import jiwer
import numpy as np
import pandas as pd
from grammar import SLOTS

import speechinterp as si
from speechinterp import Corpus, SpeechModel
from speechinterp.embedded import embedded_models


def spoken(model: SpeechModel, corpus: Corpus) -> list[str]:
    """Return what every utterance says, in the symbols of the model."""
    if model.vocabulary.kind == "phones":
        return [" ".join(phone.label for phone in u.tier("phones")) for u in corpus]
    return [str(u.transcript) for u in corpus]


def error_rate(model: SpeechModel, corpus: Corpus) -> float:
    """Return the letter error rate, the phone error rate, or the word error rate of a decoder."""
    said, written = spoken(model, corpus), model.transcribe(list(corpus))
    rate = jiwer.cer if model.vocabulary.kind == "letters" else jiwer.wer
    return float(rate(said, written))


def spelt_by_cue(model: SpeechModel, corpus: Corpus, *, silenced: bool) -> tuple[float, float]:
    """Return how often a homophone is spelt by its cue, and how often the other way."""
    found = []
    for utterance in corpus:
        sound = utterance.waveform(model.sample_rate).copy()
        for cue in utterance.tier("cue") if silenced else ():
            sound[round(cue.start * model.sample_rate) : round(cue.end * model.sample_rate)] = 0
        words, right = model.transcribe(sound).split(), utterance.meta["target"]
        (other,) = set(str(utterance.meta["homophones"]).split("/")) - {right}
        found.append((right in words, other in words))
    right, other = np.mean(found, axis=0)
    return float(right), float(other)


def slots(model: SpeechModel, corpus: Corpus) -> dict[str, float]:
    """Return how often each slot of a command is right."""
    right = dict.fromkeys(SLOTS, 0)
    for utterance in corpus:
        logits = model.logits(model.prepare([utterance]))[0]
        for part, (slot, values) in zip(
            logits.split([len(v) for v in SLOTS.values()]), SLOTS.items(), strict=True
        ):
            right[slot] += values[int(part.argmax())] == utterance.meta[slot]
    return {f"{slot} right": n / len(corpus) for slot, n in right.items()}


def probe(model: SpeechModel, corpus: Corpus) -> dict[str, float]:
    """Return the accuracy of the phone probe at the best layer, of the random twin's, and of MFCC."""
    from speechinterp.representations import AcousticFeatures, common_units

    encoders = {"none": model, "random-init": model.random_twin(1), "mfcc": AcousticFeatures("mfcc")}
    reps = common_units({name: si.extract(each, corpus, "phones") for name, each in encoders.items()})
    scores = si.probe(reps.pop("none"), baselines=reps)
    best = scores[scores.metric == "accuracy"].groupby("baseline").score.max()
    return {f"phone probe, {name}": float(best[name]) for name in encoders}


def main() -> None:
    """Print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/embedded-scores.csv"))
    a = parser.parse_args()
    everything, homophones = si.load_corpus("demo"), si.load_corpus("demo?type=homophone")
    rows = []
    for name in embedded_models():
        print(name, flush=True)
        model = si.load_model(name)
        found = probe(model, everything)
        if name == "demo/commands":
            found |= slots(model, si.load_corpus("demo?type=command"))
        elif name != "demo/hubert":
            found["error rate"] = error_rate(model, everything)
            if model.vocabulary.kind != "phones":
                for silenced, how in ((False, ""), (True, ", cue silenced")):
                    spelt = spelt_by_cue(model, homophones, silenced=silenced)
                    found |= zip((f"homophones{how}", f"the other spelling{how}"), spelt, strict=True)
        rows += [{"model": name, "score": score, "value": round(value, 4)} for score, value in found.items()]
    table = pd.DataFrame(rows)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(a.out, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
