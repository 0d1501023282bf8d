"""Ridge probes of all layers, folds, regularisers and shuffled labels: from sums, and as a scikit-learn loop.

All ways give the accuracy of the same classifiers on the same units; they are timed side by side in one run, in
seconds of processor time. The loop runs in single precision, as vectors are stored, which is faster, and in double
precision, in which weakly regularised classifiers are exact. Memory is measured in processes of their own, on the
corpus and on the corpus repeated 20 times.

    python recipes/benchmark/probing.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT

writes `probing.csv` and `probing.json` to `runs/benchmark-probing`. With `--quick`, two layers and one shuffle.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.linalg import LinAlgWarning
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import speechinterp as si
from speechinterp.audio import RepairWarning
from speechinterp.probing.closed_form import Ridge
from speechinterp.probing.plan import Plan, make_plan
from speechinterp.probing.streaming import LABELS, Stream, classify, fold_moments, shuffled
from speechinterp.representations import Representations

Scores = npt.NDArray[np.float64]
"""Accuracy [shape=(folds, labellings, regularisers)]; the first labelling is the true one."""


def from_sums(stream: Stream, plan: Plan) -> Scores:
    """Score the grid of one layer from its sums: one pass that sums and one that guesses."""
    study = plan.study
    parts = np.array([study.fold != fold for fold in range(study.n_folds)], dtype=np.int8)
    targets = [LABELS, *(shuffled(number) for number in range(study.n_shuffles))]
    jobs = []
    for part, (train, _) in zip(parts, fold_moments(stream, study, parts, True), strict=True):
        solved = Ridge(train, "x")
        jobs.append(
            (part == 0, [linear for name in targets for linear in solved.classify(name, Ridge.strengths)])
        )
    found = classify(stream, jobs)
    right = [np.mean(one == study.labels[mask], axis=1) for (mask, _), one in zip(jobs, found, strict=True)]
    return np.reshape(right, (study.n_folds, len(targets), len(Ridge.strengths)))


def loop(stream: Stream, plan: Plan, precision: str = "float32") -> Scores:
    """Score the grid of one layer by fitting every classifier on its own."""
    study, features = plan.study, stream.reps.layer(stream.layer)[stream.rows].astype(precision)
    scores = []
    for (train, test), permuted in zip(study.splits(), study.shuffles(), strict=True):
        for labels in (study.labels[train], *permuted):
            for alpha in Ridge.strengths:
                classifier = make_pipeline(StandardScaler(), RidgeClassifier(alpha=alpha))
                classifier.fit(features[train], labels)
                scores.append(classifier.score(features[test], study.labels[test]))
    return np.reshape(scores, (study.n_folds, 1 + study.n_shuffles, len(Ridge.strengths)))


def compare(
    reps: Representations, shuffles: int, layers: int | None
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Time both ways, layer after layer, and compare their scores."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        plan = make_plan(reps, "label", "speaker", n_folds=4, seed=0, baselines=None, n_shuffles=shuffles)
    ways = {
        "from sums": from_sums,
        "scikit-learn loop": loop,
        "scikit-learn loop, float64": partial(loop, precision="float64"),
    }
    seconds = dict.fromkeys(ways, 0.0)
    rows = []
    for number, stream in list(plan.streams())[:layers]:
        scores = {}
        for name, way in ways.items():
            start = time.process_time()
            scores[name] = way(stream, plan)
            seconds[name] += time.process_time() - start
        ours = scores["from sums"]
        off = {name: float(np.abs(ours - scores[name]).max()) for name in list(ways)[1:]}
        mean = ours.mean(axis=0)
        print(
            f"layer {number}: accuracy {mean[0].max():.4f}, shuffled {mean[1:].mean():.4f}, largest difference of "
            f"any of {ours.size} scores {off}; {seconds}",
            flush=True,
        )
        row = {"layer": number, "accuracy": mean[0].max(), "shuffled_labels": mean[1:].mean()}
        rows.append(row | {f"difference to {name}": value for name, value in off.items()})
    for name in list(ways)[1:]:
        seconds[f"from sums is faster than {name} by"] = seconds[name] / seconds["from sums"]
    return pd.DataFrame(rows), seconds


def repeated(reps: Representations, times: int) -> Representations:
    """Return the representations of a corpus so many times over, still read from the same shards."""
    units = pd.concat([reps.units.assign(utterance=reps.units.utterance + f"-{n}") for n in range(times)])

    def blocks(layers: object) -> object:
        for _ in range(times):
            yield from reps.blocks(layers)

    return replace(reps, units=units.reset_index(drop=True), read_layer=None, read_blocks=blocks)


def peak_memory(store: Path, times: int) -> float:
    """Return the peak memory in MB of a process of its own that probes the corpus so many times over."""
    command = [sys.executable, __file__, "--store", str(store), "--memory-of", str(times)]
    return float(subprocess.check_output(command, text=True).split()[-1])


def report_memory(store: Path, times: int) -> None:
    """Probe in this process and print its peak memory in MB."""
    reps = repeated(Representations.open(store), times)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        si.probe(reps, probe="ridge")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1000)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="hub id or folder")
    parser.add_argument("--corpus", help="a corpus with phones, such as timit:/data/TIMIT")
    parser.add_argument("--store", type=Path, help="a store of phones made by extract, in place of both")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-probing"))
    parser.add_argument("--shuffles", type=int, default=5, help="how often labels are shuffled")
    parser.add_argument("--repeat", type=int, default=20, help="how often the corpus is repeated for memory")
    parser.add_argument("--quick", action="store_true", help="two layers, one shuffle, corpus 5 times")
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", LinAlgWarning)
    if arguments.memory_of:
        report_memory(arguments.store, arguments.memory_of)
        return
    if not arguments.store and not (arguments.model and arguments.corpus):
        parser.error("give --model and --corpus, or --store")
    shuffles, repeat = (1, 5) if arguments.quick else (arguments.shuffles, arguments.repeat)
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "store"
        if not arguments.store:
            warnings.simplefilter("ignore", RepairWarning)
            corpus = si.load_corpus(arguments.corpus)
            si.extract(si.load_model(arguments.model, device="cpu"), corpus, out=store)
        reps = Representations.open(store)
        table, seconds = compare(reps, shuffles, 2 if arguments.quick else None)
        peaks = {}
        if Path("/proc/self/status").exists():
            peaks = {times: peak_memory(store, times) for times in (1, repeat)}
        print(f"{seconds}; peak memory in MB by repetitions: {peaks}")
        record = {
            "model": Path(str(reps.meta["model"])).name,
            "corpus": reps.meta["corpus"],
            "units": len(reps),
            "layers": len(table),
            "folds": 4,
            "regularisers": len(Ridge.strengths),
            "shuffles": shuffles,
            "seconds": seconds,
            "peak_memory_mb_by_repetitions": peaks,
            "threads": torch.get_num_threads(),
            "processor": platform.processor() or platform.machine(),
            "versions": {name: version(name) for name in ("numpy", "scikit-learn")}
            | {"speechinterp": si.__version__, "python": platform.python_version()},
        }
    arguments.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(arguments.out / "probing.csv", index=False)
    (arguments.out / "probing.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
