"""Is the relevance of a real word where the word is, when it stands among other real words?

    python recipes/benchmark/attribution_words.py --model openai/whisper-tiny.en --words speechcommands:/data/words

Clips of single words, each of another person, are put one after the other with pauses between, in an order drawn by
chance. A Whisper model is given the text, and each word's log-probability is explained by all clips. The right answer
is known: the clip itself. `words.csv` has one row a method and metric: how often a word's own clip is on top (`hit`),
the AUC, and chance, with bootstrap intervals over texts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import speechinterp as si
from speechinterp.attribution import banzhaf, leave_one_out, localisation, shapley
from speechinterp.audio import Sound
from speechinterp.corpora import Corpus
from speechinterp.mixing import summarise

PAUSE = 0.25


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Return a clip without the silence around its word: what is louder than a tenth of its loudest 20 ms."""
    step = rate // 50
    loudness = np.array(
        [np.abs(samples[i : i + step]).mean() for i in range(0, len(samples) - step + 1, step)]
    )
    loud = np.flatnonzero(loudness > loudness.max() / 10)
    first, last = max(0, loud[0] * step - 2 * step), (loud[-1] + 3) * step
    return samples[first:last]


def composed(clips: Corpus, n_texts: int, n_words: int, seed: int, rate: int = 16000) -> Corpus:
    """Return utterances of different words by different speakers, with pauses of noiseless silence."""
    random = np.random.default_rng(seed)
    by_word: dict[str, list[str]] = {}
    for id_ in clips.ids:
        by_word.setdefault(id_.split("/")[0], []).append(id_)
    made = []
    for number in range(n_texts):
        words = random.choice(sorted(by_word), n_words, replace=False).tolist()
        sounds, segments, place = [np.zeros(int(PAUSE * rate), np.float32)], [], PAUSE
        for word in words:
            clip = trimmed(clips[str(random.choice(by_word[word]))].waveform(rate), rate)
            clip = clip * (0.1 / max(float(np.sqrt(np.square(clip).mean())), 1e-6))
            segments.append(si.Segment(place, place + len(clip) / rate, word))
            sounds += [clip, np.zeros(int(PAUSE * rate), np.float32)]
            place += len(clip) / rate + int(PAUSE * rate) / rate
        sound = Sound(np.clip(np.concatenate(sounds), -1, 1).astype(np.float32), rate)
        text = ", ".join(words).capitalize() + "."
        tiers = {"words": si.Tier("words", segments)}
        made.append(si.Utterance(f"text-{number:03d}", sound, transcript=text, tiers=tiers))
    return Corpus.of(made, "composed")


def main() -> None:
    """Explain every word of every text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a Whisper model of real speech")
    parser.add_argument("--words", required=True, help="speechcommands:/data/speech-commands")
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("--length", type=int, default=4, help="words a text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/attribution-words"))
    a = parser.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = si.load_model(a.model)
    random, tables = np.random.default_rng(a.seed), []
    for utterance in composed(si.load_corpus(a.words), a.texts, a.length, a.seed):
        target = si.targets.word()
        found = {m.__name__.replace("_", "-"): m(model, utterance, target=target) for m in (shapley, banzhaf)}
        found["leave-one-out"] = leave_one_out(model, utterance, target=target)
        for baseline in ("noise", "delete"):
            found[f"leave-one-out, {baseline}"] = leave_one_out(
                model, utterance, target=target, baseline=baseline
            )
        like = found["shapley"]
        found["random"] = like.copy(data=random.standard_normal(like.shape))
        gold = dict(zip(like.target.values.tolist(), ([s] for s in utterance.tier("words")), strict=True))
        tables.append(localisation(found, gold))
        hits = (
            tables[-1].query("metric == 'hit'").groupby("method", sort=False).value.mean().round(2).to_dict()
        )
        print(utterance.transcript, model.transcribe(utterance), hits, flush=True)
    every = pd.concat(tables, ignore_index=True)
    every.to_csv(a.out / "targets.csv", index=False)
    table = summarise(every, "value", ["method", "metric"], seed=a.seed)
    chance = every.groupby(["method", "metric"], sort=False).random.mean().rename("random").reset_index()
    table = table.merge(chance, on=["method", "metric"])
    table.to_csv(a.out / "words.csv", index=False)
    print(table[table.metric.isin(["hit", "auc"])].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
