"""How fast and how small are the measures of mixing beside their plain forms?

    python recipes/benchmark/mixing.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --out runs/speed

Value Zeroing stands beside a loop that runs a whole layer for every unit and layer, and attention-norm beside the
tensor of targets x sources x width. Both ways run in turn in one process, the median counts, and their results are
compared first. Processor seconds are given beside the clock's, since other programs slow the clock down. What both
ways need, one pass of the encoder, is timed by itself. Peak memory is measured in a process of its own for
each, less that of a process that makes this pass only.
Writes `mixing.csv`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import speechinterp as si
from speechinterp.audio import RepairWarning, Sound
from speechinterp.corpora import Corpus
from speechinterp.mixing import OverlapWarning, decompose
from speechinterp.models import SpeechModel, Tap

Way = Callable[[], object]


def timed(ways: dict[str, Way], runs: int) -> dict[str, tuple[float, float]]:
    """Run all ways in turn after one that does not count; return the median seconds of clock and processor."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), time.process_time()
            way()
            if turn:
                seconds[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {
        name: (statistics.median(s[0] for s in found), statistics.median(s[1] for s in found))
        for name, found in seconds.items()
    }


@torch.no_grad()
def states_of(model: SpeechModel, utterance: si.Utterance) -> list[torch.Tensor]:
    """Run the encoder once and return the states before and after every layer."""
    taps = [Tap(layer, "residual") for layer in range(model.n_states)]
    with model.record(taps) as record:
        model.encode(model.prepare([utterance]))
    return [record[tap] for tap in taps]


@torch.no_grad()
def layer_by_layer(
    model: SpeechModel, states: list[torch.Tensor], words: list[range], columns: list[list[int]]
) -> np.ndarray:
    """Run every layer of a Whisper encoder once for each column with the column's values set to zero."""
    maps = []
    for layer, before, after in zip(model.family.base.encoder.layers, states, states[1:], strict=False):
        found = []
        for column in columns:

            def silence(
                module: object, args: object, output: torch.Tensor, column: list[int] = column
            ) -> torch.Tensor:
                output = output.clone()
                output[:, column] = 0
                return output

            handle = layer.self_attn.v_proj.register_forward_hook(silence)
            zeroed = layer(before, None)
            handle.remove()
            zeroed = zeroed[0] if isinstance(zeroed, tuple) else zeroed
            ends = after[0].double(), zeroed.view_as(after)[0].double()
            distance = 1 - torch.nn.functional.cosine_similarity(*ends, dim=-1)
            found.append([float(distance[word.start : word.stop].mean()) for word in words])
        maps.append(np.array(found).T)
    rows = np.stack(maps)
    return rows / rows.sum(-1, keepdims=True)


def zeroing(model: SpeechModel, utterance: si.Utterance, runs: int) -> list[dict[str, object]]:
    """Compare Value Zeroing with a whole layer for every column of the map and every layer."""
    grid = model.frames(utterance)
    spans = [grid.frames_in(word.start, word.end) for word in utterance.tier("words")]
    states = states_of(model, utterance)
    spoken = {frame for span in spans for frame in span}
    gap = [frame for frame in range(grid.n_frames or 0) if frame not in spoken]
    pad = list(range(grid.n_frames or 0, states[0].shape[-2]))
    columns = [*map(list, spans), gap, pad]
    mix = si.mixing.value_zeroing(model, utterance, gaps="merge")
    off = float(np.abs(mix.values - layer_by_layer(model, states, spans, columns)).max())
    seconds = timed(
        {
            "base pass, decomposed": lambda: decompose(model, utterance),
            "value zeroing, with base pass": lambda: si.mixing.value_zeroing(model, utterance, gaps="merge"),
            "layer by layer, without base pass": lambda: layer_by_layer(model, states, spans, columns),
        },
        runs,
    )
    base, fast, slow = seconds.values()
    alone = (fast[0] - base[0], fast[1] - base[1])
    about = {
        "what": f"value zeroing, {len(spans)} words, gaps and padding in {utterance.duration:.1f} s",
        "difference": off,
    }
    return [
        {**about, "way": "layer by layer, without base pass", "clock_s": slow[0], "processor_s": slow[1]},
        {
            **about,
            "way": "value zeroing, without base pass",
            "clock_s": alone[0],
            "processor_s": alone[1],
            "times_as_fast": slow[1] / alone[1],
        },
        {
            **about,
            "way": "value zeroing, with base pass",
            "clock_s": fast[0],
            "processor_s": fast[1],
            "times_as_fast": (slow[1] + base[1]) / fast[1],
        },
    ]


@torch.no_grad()
def materialised(model: SpeechModel, utterance: si.Utterance) -> np.ndarray:
    """Return attention-norm with residual from the whole tensor of targets x sources x width, layer by layer."""
    maps = []
    for layer in decompose(model, utterance).layers:
        attention = layer.attention
        given = torch.einsum("shk,hkd->hsd", attention.value, attention.weight)
        vectors = torch.einsum("hts,hsd->tsd", attention.weights(), given)
        own = torch.arange(len(vectors))
        vectors[own, own] += attention.residual
        lengths = torch.linalg.vector_norm(vectors, dim=-1)
        maps.append((lengths / lengths.sum(-1, keepdim=True)).numpy())
    return np.stack(maps)


def norms(
    model: SpeechModel, utterance: si.Utterance, arguments: argparse.Namespace
) -> list[dict[str, object]]:
    """Compare attention-norm of all frames of a full window with the whole tensor."""
    mix = si.mixing.attention_norm(model, utterance, "frames")
    off = float(np.abs(mix.values - materialised(model, utterance)).max())
    ways: dict[str, Way] = {
        "whole tensor": lambda: materialised(model, utterance),
        "Gram matrices": lambda: si.mixing.attention_norm(model, utterance, "frames"),
    }
    seconds = timed(ways, 1)
    base = peak_memory(arguments, "base pass")
    memory = {name: peak_memory(arguments, name) - base for name in ways}
    about = {"what": f"attention-norm, {mix.sizes['source']} frames", "difference": off}
    slow = seconds["whole tensor"][1]
    return [
        {
            **about, "way": name, "clock_s": clock, "processor_s": processor, "memory_mb": memory[name],
            "times_as_fast": slow / processor, "times_as_small": memory["whole tensor"] / memory[name],
        }
        for name, (clock, processor) in seconds.items()
    ]  # fmt: skip


def peak_memory(arguments: argparse.Namespace, way: str) -> float:
    """Return in MB what a process of its own takes at its peak."""
    command = [sys.executable, __file__, "--model", arguments.model, "--corpus", arguments.corpus]
    command += ["--utterance", arguments.utterance, "--memory-of", way]
    return float(subprocess.check_output(command, text=True).split()[-1])


def report_memory(model: SpeechModel, utterance: si.Utterance, way: str) -> None:
    """Do one thing and print this process's peak memory in MB."""
    if way == "whole tensor":
        materialised(model, utterance)
    elif way == "Gram matrices":
        si.mixing.attention_norm(model, utterance, "frames")
    else:
        decompose(model, utterance)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def full_window(corpus: Corpus, seconds: float) -> si.Utterance:
    """Join utterances to one of so many seconds, with their words."""
    waves, words, start = [], [], 0
    length = int(16000 * seconds)
    for utterance in corpus:
        wave = utterance.waveform(16000)
        words += [
            si.Segment(word.start + start / 16000, word.end + start / 16000, word.label)
            for word in utterance.tier("words")
        ]
        waves.append(wave)
        start += len(wave)
        if start >= length:
            break
    words = [word for word in words if word.end <= seconds]
    sound = Sound(np.concatenate(waves)[:length], 16000)
    return si.Utterance("window", sound, tiers={"words": si.Tier("words", words)})


def window(model: SpeechModel, utterance: si.Utterance) -> list[dict[str, object]]:
    """Time measures on a full window."""
    what = f"{len(utterance.tier('words'))} words in {utterance.duration:.0f} s"
    rows = []
    for name in ("value_zeroing", "attention", "attention_norm", "rollout", "globenc", "alti"):
        clock, processor = time.perf_counter(), time.process_time()
        getattr(si.mixing, name)(model, utterance)
        clock, processor = time.perf_counter() - clock, time.process_time() - processor
        rows.append({"what": what, "way": name, "clock_s": clock, "processor_s": processor})
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="openai/whisper-tiny.en", help="a Whisper model")
    parser.add_argument("--corpus", required=True, help="a corpus with words")
    parser.add_argument("--utterance", default="dr1-fvmh0/sx206", help="about 3 s long")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--out", default="runs/speed", type=Path)
    parser.add_argument("--memory-of", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for expected in (RepairWarning, OverlapWarning):
        warnings.simplefilter("ignore", expected)
    corpus, model = si.load_corpus(arguments.corpus), si.load_model(arguments.model, device="cpu")
    full = full_window(corpus, 30.0)
    if arguments.memory_of:
        report_memory(model, full, arguments.memory_of)
        return
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"{torch.get_num_threads()} threads")
    rows: list[dict[str, object]] = []
    parts: list[Callable[[], list[dict[str, object]]]] = [
        lambda: zeroing(model, corpus[arguments.utterance], arguments.runs),
        lambda: window(model, full),
        lambda: norms(model, full, arguments),
    ]
    for part in parts:
        found = part()
        rows += found
        pd.DataFrame(rows).to_csv(arguments.out / "mixing.csv", index=False)
        print(pd.DataFrame(found).to_string(index=False, float_format="%.4g"), flush=True)


if __name__ == "__main__":
    main()
