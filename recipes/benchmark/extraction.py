"""How fast is extraction beside a plain Hugging Face loop, and does its memory grow with the corpus?

    python recipes/benchmark/extraction.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --out runs/speed

All ways of extracting run side by side in one process, in turn, and the median of each is taken. Their results are
compared first: a fast wrong number is no number. What extract does once for a model, hashing its weights and measuring
how far bfloat16 is off, is in the time and also given by itself. Writes `extraction.csv` and `extraction.json`.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import speechinterp as si
from speechinterp.audio import RepairWarning
from speechinterp.corpora import Corpus
from speechinterp.models import SpeechModel
from speechinterp.representations.encoder import deviation
from speechinterp.representations.extraction import MEASURED

TOLERANCE = 1e-5
BASE = "wav2vec2-base with random weights"


def plain(module: torch.nn.Module, extractor: Callable, model: SpeechModel, corpus: Corpus) -> np.ndarray:
    """Do what a user would write: one utterance at a time, all hidden states, the mean of every phone's frames.

    The frames of a phone are those of the grid of `model`, so that the vectors can be compared.
    """
    encoder = module.get_encoder() if module.config.is_encoder_decoder else module
    vectors = []
    with torch.inference_mode():
        for utterance in corpus:
            wave = utterance.waveform(16000)
            inputs = extractor(wave, sampling_rate=16000, return_tensors="pt")
            hidden = torch.stack(
                encoder(inputs[extractor.model_input_names[0]], output_hidden_states=True).hidden_states
            )[:, 0]
            grid = model.frames(len(wave))
            for phone in utterance.tier("phones"):
                if phone.label:
                    span = grid.frames_in(phone.start, phone.end)
                    nearest = grid.nearest_frame((phone.start + phone.end) / 2)
                    frames = hidden[:, span.start : span.stop] if span else hidden[:, nearest : nearest + 1]
                    vectors.append(frames.mean(1))
    return torch.stack(vectors, dim=1).numpy()


def timed(ways: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Run all ways in turn, `runs` times after one that does not count; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(runs + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def difference(model: SpeechModel, expected: np.ndarray, reps: si.Representations) -> float:
    """Return the largest relative difference of a layer; the last one counts unless Hugging Face normalises it."""
    layers = reps.layers[:-1] if model.pre_norm else reps.layers
    norms = [np.linalg.norm(expected[n]) for n in layers]
    return max(
        float(np.linalg.norm(reps.layer(n) - expected[n]) / norm)
        for n, norm in zip(layers, norms, strict=True)
    )


def compare(name: str, corpus: Corpus, runs: int) -> pd.DataFrame:
    """Compare the ways of extracting for one model."""
    if name == BASE:
        from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

        torch.manual_seed(0)
        model = SpeechModel(Wav2Vec2Model(Wav2Vec2Config()).eval(), name, {"do_normalize": True})
        coarse = SpeechModel(copy.deepcopy(model.module).bfloat16(), name, model.preprocessor)
        extractor = Wav2Vec2FeatureExtractor(do_normalize=True)
    else:
        from transformers import AutoFeatureExtractor

        model, coarse = (si.load_model(name, device="cpu", dtype=dtype) for dtype in ("float32", "bfloat16"))
        extractor = AutoFeatureExtractor.from_pretrained(name)

    ways: dict[str, Callable[[], object]] = {
        "plain loop": lambda: plain(model.module, extractor, model, corpus),
        "extract, float32": lambda: si.extract(model, corpus),
    }
    reps = si.extract(model, corpus)
    off = difference(model, plain(model.module, extractor, model, corpus), reps)
    assert off <= TOLERANCE, f"extract differs from the plain loop by {off:.3g}"
    deviations = {"plain loop": 0.0, "extract, float32": off}
    once = {"plain loop": lambda: None, "extract, float32": model.describe}
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        measured = si.extract(coarse, corpus).meta["deviation"]
        ways["extract, bfloat16"] = lambda: si.extract(coarse, corpus)
        first = [utterance.waveform(16000) for utterance in corpus[:MEASURED]]
        once["extract, bfloat16"] = lambda: (coarse.describe(), deviation(coarse, first))
        deviations["extract, bfloat16"] = max(measured["mean_by_layer"])
        print(
            f"{name}: bfloat16 is off by {measured['mean_by_layer']} of a frame's norm (mean), layer by layer"
        )
    else:
        print("this processor has no bfloat16: left out")
    medians, fixed = timed(ways, runs), timed(once, runs)
    rows = [
        {
            "model": Path(name).name if Path(name).is_dir() else name,
            "way": way,
            "seconds": seconds,
            "of_them_once": fixed[way],
            "times_as_fast": medians["plain loop"] / seconds,
            "times_as_fast_in_the_long_run": medians["plain loop"] / (seconds - fixed[way]),
            "relative_difference": deviations[way],
            "utterances": len(corpus),
            "units": len(reps),
            "sound_seconds": sum(utterance.duration for utterance in corpus),
        }
        for way, seconds in medians.items()
    ]
    return pd.DataFrame(rows)


def repeated(corpus: Corpus, times: int) -> Corpus:
    """Return a corpus with every utterance so many times, under ids of their own."""
    sources = {
        f"{id_}-{n}": lambda id_=id_, n=n: replace(corpus[id_], id=f"{id_}-{n}")
        for id_ in corpus.ids
        for n in range(times)
    }
    return Corpus(corpus.name, sources, corpus.options)


def peak_memory(arguments: argparse.Namespace, times: int) -> float:
    """Return the peak memory in MB of a process of its own that extracts the corpus so many times over."""
    command = [
        sys.executable,
        __file__,
        "--model",
        arguments.model,
        "--corpus",
        arguments.corpus,
        "--out",
        arguments.out,
    ]
    command += ["--utterances", str(arguments.utterances), "--memory-of", str(times)]
    return float(subprocess.check_output(command, text=True).split()[-1])


def report_memory(arguments: argparse.Namespace) -> None:
    """Extract in this process and print its peak memory in MB."""
    corpus = si.load_corpus(arguments.corpus)[: arguments.utterances]
    si.extract(si.load_model(arguments.model, device="cpu"), repeated(corpus, arguments.memory_of))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1000)  # getrusage would count the parent process too


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="hub id or folder")
    parser.add_argument("--corpus", required=True, help="a corpus with phones, such as timit:/data/TIMIT")
    parser.add_argument("--out", default="runs/benchmark-extraction")
    parser.add_argument("--utterances", type=int, default=40, help="how many of the corpus to use")
    parser.add_argument("--runs", type=int, default=5, help="how often each way is timed")
    parser.add_argument(
        "--repeat", type=int, default=20, help="how often the corpus is repeated to measure memory"
    )
    parser.add_argument(
        "--quick", action="store_true", help="8 utterances, 2 runs, memory of 5 times the corpus"
    )
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", RepairWarning)
    if arguments.quick:
        arguments.utterances, arguments.runs, arguments.repeat = 8, 2, 5
    if arguments.memory_of:
        report_memory(arguments)
        return
    corpus = si.load_corpus(arguments.corpus)[: arguments.utterances]
    half = corpus[: len(corpus) // 2]
    tables = [compare(arguments.model, corpus, arguments.runs), compare(BASE, half, arguments.runs)]
    table = pd.concat(tables, ignore_index=True)
    print(table.to_string(index=False))
    peaks = {}
    if Path("/proc/self/status").exists():
        peaks = {times: peak_memory(arguments, times) for times in (1, arguments.repeat)}
        print(f"peak memory in MB by how often the corpus is repeated: {peaks}")
    record = {
        "model": Path(arguments.model).name,
        "corpus": corpus.name,
        "runs": arguments.runs,
        "peak_memory_mb_by_repetitions": peaks,
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
        "versions": {name: version(name) for name in ("torch", "transformers", "pyarrow")}
        | {"speechinterp": si.__version__, "python": platform.python_version()},
        "ways": table.to_dict("records"),
    }
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / "extraction.csv", index=False)
    (out / "extraction.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
