"""How fast is ABX beside a plain loop, at the same error rate?

    python recipes/benchmark/abx.py --model openai/whisper-tiny.en --corpus timit:/data/TIMIT --utterances 40

The loop does what one would write down from the definition: it aligns two units by dynamic programming in Python, each
pair once, and goes through the triplets of every cell with NumPy. Both are timed in one process, in seconds of
processor time, on one layer, and must agree. Writes `abx.csv` and `abx.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import speechinterp as si
from speechinterp.audio import RepairWarning
from speechinterp.representations import Representations
from speechinterp.similarity.sequences import sequences

TASKS = {
    "within context, across speaker": (["previous", "next"], ["speaker"]),
    "within speaker": (["speaker"], []),
}


def warp(table: np.ndarray) -> float:
    """Align two units from the distances of their frames."""
    n, m = table.shape
    cost, steps = np.full((n, m), np.inf), np.ones((n, m), dtype=int)
    for i, j in product(range(n), range(m)):
        ways = [(a, b) for a, b in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if a >= 0 and b >= 0]
        if not ways:
            cost[i, j] = table[i, j]
            continue
        best = min(ways, key=lambda way: cost[way])
        cost[i, j], steps[i, j] = table[i, j] + cost[best], steps[best] + 1
    return float(cost[-1, -1] / steps[-1, -1])


def loop(reps: Representations, layer: int, by: list[str], across: list[str]) -> float:
    """Return the ABX error, cell by cell."""
    found = sequences(reps)
    vectors = reps.layer(layer)[found.rows].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    frames = [vectors[s : s + n] for s, n in zip(found.starts, found.lengths, strict=True)]
    units, known = found.units, {}

    def distance(i: int, j: int) -> float:
        key = min(i, j), max(i, j)
        if key not in known:
            known[key] = warp(np.arccos(np.clip(frames[key[0]] @ frames[key[1]].T, -1, 1)) / np.pi)
        return known[key]

    rows = []
    for _, cell in units.groupby(by, sort=False):
        groups = {key: list(group.index) for key, group in cell.groupby(["label", *across])}
        for (a_key, a), (b_key, b), (x_key, x) in product(groups.items(), repeat=3):
            same_sides = a_key[1:] == b_key[1:] and all(
                p != q for p, q in zip(a_key[1:], x_key[1:], strict=True)
            )
            if a_key[0] != x_key[0] or a_key[0] == b_key[0] or not same_sides:
                continue
            errors = []
            for unit in x:
                near = np.array([distance(i, unit) for i in a if i != unit])[:, None]
                far = np.array([distance(i, unit) for i in b])
                errors += [(near > far) + 0.5 * (near == far)]
            errors = np.concatenate(errors)
            if errors.size:
                rows.append(
                    (a_key[0], b_key[0], cell["speaker"].iloc[0] if not across else a_key[1], errors.mean())
                )
    table = pd.DataFrame(rows, columns=["a", "b", "speaker", "error"])
    if set(by) - {"speaker"}:
        table = table.groupby(["a", "b", "speaker"])["error"].mean().reset_index()
    return float(table.groupby(["a", "b"])["error"].mean().mean())


def timed(way: Callable[[], object]) -> tuple[object, float]:
    """Return a result and the seconds of processor time it took."""
    start = time.process_time()
    return way(), time.process_time() - start


def main() -> None:
    """Time both ways on every task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo/whisper")
    parser.add_argument("--corpus", default="demo?type=sentence")
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("runs/benchmark-abx"))
    asked = parser.parse_args()
    warnings.simplefilter("ignore", RepairWarning)
    torch.set_num_threads(1)
    asked.out.mkdir(parents=True, exist_ok=True)
    whole = si.load_corpus(asked.corpus)
    corpus = whole.subset(whole.ids[:: max(1, len(whole) // asked.utterances)][: asked.utterances])
    reps = si.extract(si.load_model(asked.model), corpus, pool="all")
    layer = reps.layers[len(reps.layers) // 2]
    one = replace(reps, layers=(layer,), read_blocks=None)
    si.similarity.abx(one, by=["speaker"])  # imports and threads are paid for once
    rows = []
    for name, (by, across) in TASKS.items():
        expected, slow = timed(lambda by=by, across=across: loop(reps, layer, by, across))
        table, fast = timed(lambda by=by, across=across: si.similarity.abx(one, by=by, across=across))
        found = float(table.score[0])
        assert abs(found - expected) < 1e-6, f"{name}: {found} and {expected}"
        rows.append((name, int(table.n_triplets[0]), slow, fast, slow / fast, found, abs(found - expected)))
    columns = ["task", "n_triplets", "loop_s", "abx_s", "times_as_fast", "error", "difference"]
    result = pd.DataFrame(rows, columns=columns)
    result.to_csv(asked.out / "abx.csv", index=False)
    about = {"model": Path(asked.model).name, "layer": layer, "utterances": len(corpus), "frames": len(reps),
             "torch": torch.__version__, "machine": platform.machine()}  # fmt: skip
    (asked.out / "abx.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(result.to_string(index=False, float_format="%.4g"))
    print("abx also counts shuffled labels and leaves every speaker out; the loop does neither")


if __name__ == "__main__":
    main()
