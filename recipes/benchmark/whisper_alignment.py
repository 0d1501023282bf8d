"""Whisper alignment step by step: how far word starts are from gold with every part of the method.

    python recipes/benchmark/whisper_alignment.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT

writes `whisper-alignment.csv` to `runs/benchmark-whisper-alignment`. The corpus needs gold tiers `words`. All rows but
the control read the same attention. In columns with `own lag` the median error of the other speakers is taken away, so
that no row is worse for being late; the method itself, the last row but one, takes nothing from this corpus.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import median_filter

import speechinterp as si
from speechinterp.align.text import transcript_words
from speechinterp.align.whisper_attention import Head, Listening, Spelt, listen, read, spell
from speechinterp.align.whisper_path import Warping
from speechinterp.align.whisper_reading import Reading, reading_of, warping
from speechinterp.audio import RepairWarning

Doubles = npt.NDArray[np.float64]
UNITS = {"pieces": ("pieces", 0), "letters, predicted": ("letters", 0), "letters, read": ("letters", 1)}


@dataclass(frozen=True)
class Case:
    """One utterance, and what all heads do while its text is read."""

    speaker: str
    heard: Listening
    spelt: dict[str, Spelt]
    attention: dict[str, dict[Head, npt.NDArray[np.float32]]]
    gold: Doubles


def case_of(model: si.SpeechModel, utterance: si.Utterance, heads: list[Head]) -> Case:
    """Read an utterance in every unit."""
    heard, tier = listen(model, utterance), utterance.tier("words")
    words = transcript_words(utterance, " ".join(tier.labels))
    spelt, attention = {}, {}
    for name, (unit, row) in UNITS.items():
        spelt[name] = spell(model, words, unit, utterance.id)  # type: ignore[arg-type]
        found, _ = read(model, heard, spelt[name], heads, row)
        attention[name] = {head: one.astype(np.float32) for head, one in found.items()}
    return Case(str(utterance.speaker), heard, spelt, attention, np.array([(w.start, w.end) for w in tier]))


def plain(unit: str, heads: list[Head], score: Callable[[Doubles], Doubles]) -> Callable[[Case], Doubles]:
    """Warp scores of letters on frames, without pauses."""

    def times(case: Case) -> Doubles:
        spelt, every = case.spelt[unit], case.attention[unit]
        letters = score(np.stack([every[head] for head in heads]).astype(float))
        no_pause = np.arange(len(letters)) == 0
        path = Warping(letters, -1e6, np.zeros(letters.shape[1]), no_pause, 0).best()
        return edges(case, spelt, path.starts, path.ends, case.heard.steps)

    return times


def full(reading: Reading, unit: str, *, hears: bool) -> Callable[[Case], Doubles]:
    """Warp as the package does, with or without the change of the sound."""

    def times(case: Case) -> Doubles:
        spelt = case.spelt[unit]
        path = warping(case.attention[unit], spelt, case.heard, reading, hears=hears).best()
        return edges(case, spelt, path.starts, path.ends, 1)

    return times


def edges(case: Case, spelt: Spelt, starts: npt.NDArray, ends: npt.NDArray, steps: int) -> Doubles:
    """Return starts and ends of words in seconds."""
    last = np.append(spelt.first[1:], True)
    return np.stack([case.heard.seconds(steps * e) for e in (starts[spelt.first], ends[last])], axis=1)


def published(attention: Doubles) -> Doubles:
    """Standardise every frame over tokens, smooth over seven frames, take the mean of heads."""
    scores = (attention - attention.mean(1, keepdims=True)) / (attention.std(1, keepdims=True) + 1e-9)
    return median_filter(scores, (1, 1, 7)).mean(0)


def log_mean(attention: Doubles) -> Doubles:
    """Take the log of the mean of heads."""
    return np.log(attention.mean(0) + 0.001)


def row_of(name: str, cases: list[Case], times: Callable[[Case], Doubles]) -> dict[str, object]:
    """Sum up the errors of a way to find words."""
    errors = [1000 * (times(case) - case.gold) for case in cases]
    start = np.concatenate([e[:, 0] for e in errors])
    end = np.concatenate([e[:, 1] for e in errors])
    speaker = np.concatenate([[case.speaker] * len(e) for case, e in zip(cases, errors, strict=True)])
    own = start.copy()
    for one in np.unique(speaker):
        own[speaker == one] -= np.median(start[speaker != one]) if (speaker != one).any() else 0.0
    row: dict[str, object] = {"step": name, "n": len(start)}
    for prefix, values in (("own lag ", own), ("", start)):
        row |= {f"{prefix}median_ms": np.median(np.abs(values))}
        row |= {f"{prefix}within_{ms}ms": np.mean(np.abs(values) <= ms) for ms in (20, 50, 100)}
    return row | {"bias_ms": np.median(start), "end_median_ms": np.median(np.abs(end))}


def main() -> None:
    """Run every step and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="openai/whisper-tiny.en")
    parser.add_argument("--corpus", default="demo?type=sentence")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-whisper-alignment"))
    parser.add_argument("--every", type=int, default=1, help="of the utterances, one in so many")
    a = parser.parse_args()
    warnings.simplefilter("ignore", RepairWarning)
    model, corpus = si.load_model(a.model, device="cpu"), si.load_corpus(a.corpus)
    corpus = corpus.subset(corpus.ids[:: a.every])
    blocks = model.family.blocks("decoder")
    heads = [(layer, head) for layer, b in enumerate(blocks) if b.cross for head in range(b.cross.n_heads)]
    settings = getattr(model.module, "generation_config", None)
    given = [(int(x), int(y)) for x, y in getattr(settings, "alignment_heads", None) or heads]
    reading = reading_of(model)
    late, bare = replace(reading, lag=0), f"{reading.unit}, read" if reading.unit == "letters" else "pieces"
    cases = [case_of(model, utterance, heads) for utterance in corpus]
    mine = list(reading.heads)
    steps: list[tuple[str, Callable[[Case], Doubles]]] = [
        ("published: pieces, alignment heads, standardised, smoothed", plain("pieces", given, published)),
        ("all heads, log of their mean", plain("pieces", heads, log_mean)),
        ("letters, where they are predicted", plain("letters, predicted", heads, log_mean)),
        ("letters, where they are read", plain("letters, read", heads, log_mean)),
        ("calibrated heads", plain(bare, mine, log_mean)),
        ("pauses", full(late, bare, hears=False)),
        ("change of the sound and calibrated lag: the method", full(reading, bare, hears=True)),
    ]
    rows = [row_of(name, cases, times) for name, times in steps]
    twin = model.random_twin(seed=1)
    rows.append(
        row_of(
            "control: random-init", [case_of(twin, u, mine) for u in corpus], full(reading, bare, hears=True)
        )
    )
    table = pd.DataFrame(rows).round(3)
    a.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(a.out / "whisper-alignment.csv", index=False)
    record = {"model": model.describe(), "corpus": a.corpus, "every": a.every, "reading": vars(reading)}
    (a.out / "config.json").write_text(json.dumps(record, indent=1, default=str), encoding="utf-8")
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
