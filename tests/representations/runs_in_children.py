"""Run extractions in child processes that are killed, or that share one folder; print how often each ran.

Usage: runs_in_children.py steps|moments|shared FOLDER
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
from echo import Echo, noise_corpus

from speechinterp import extract
from speechinterp.corpora import Corpus
from speechinterp.errors import AudioError
from speechinterp.representations.store import Store


def corpus_of(n: int, broken: set[int]) -> Corpus:
    """Make a corpus in which some utterances cannot be read."""
    sources = dict(noise_corpus(n, 0.2)._sources)
    for number in broken:
        sources[sorted(sources)[number]] = refuse
    return Corpus("noise", sources)


def refuse() -> None:
    raise AudioError("it is broken", expected="sound", fix="repair it")


class Slow(Echo):
    """An echo that takes its time, so that a run can be caught at it."""

    def states(self, heard):
        time.sleep(0.002)
        return super().states(heard)


def run(out: Path, shard: tuple[int, int] = (0, 1), encoder: Echo | None = None) -> None:
    """Extract, with something to skip in both shards."""
    extract(encoder or Echo(), corpus_of(40, {3, 33, 34}), out=out, on_bad="skip", shard=shard)


def child(work, *args) -> int:
    """Start work in a child process; return its number."""
    number = os.fork()
    if number == 0:
        try:
            work(*args)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return number


def finished(number: int) -> bool:
    """Wait for a child; return whether it came to its end, and False if it was killed."""
    status = os.waitpid(number, 0)[1]
    if os.WIFSIGNALED(status):
        return False
    assert os.WEXITSTATUS(status) == 0, "an extraction failed"
    return True


def killed_before(step: int, out: Path) -> None:
    """Extract, and be killed before the given step of writing: each write, each change of a name, each removal."""
    left = [step]

    def watched(owner, name):
        original = getattr(owner, name)

        def counted(*args, **kwargs):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return original(*args, **kwargs)

        setattr(owner, name, counted)

    for owner, name in [
        (Path, "write_text"),
        (Path, "replace"),
        (Path, "unlink"),
        (Path, "mkdir"),
        (pq.ParquetWriter, "write_table"),
        (pq.ParquetWriter, "add_key_value_metadata"),
        (pq.ParquetWriter, "close"),
        (Store, "finish"),
    ]:
        watched(owner, name)
    run(out)


def steps(folder: Path) -> dict[str, int]:
    """Kill a run before every step of writing in turn, and each time run it again."""
    runs = {}
    for step in range(1000):
        out = folder / f"step{step:03d}"
        whole = finished(child(killed_before, step, out))
        assert finished(child(run, out))
        runs[out.name] = 1 if whole else 2
        if whole:
            return runs
    raise AssertionError("a run without end")


def moments(folder: Path) -> dict[str, int]:
    """Kill a run at random moments until one comes to its end."""
    chance, runs = random.Random(1), {}
    for trial in range(3):
        out, delay = folder / f"moment{trial}", 0.01
        runs[out.name] = 1
        while True:
            number = child(run, out, (0, 1), Slow())
            time.sleep(chance.uniform(0, delay))
            os.kill(number, signal.SIGKILL)
            if finished(number):
                break
            runs[out.name] += 1
            delay *= 1.3
    return runs


def shared(folder: Path) -> dict[str, int]:
    """Start parts of a run together, more of them than there are shards, and some of them twice."""
    runs = {}
    for trial in range(4):
        out = folder / f"shared{trial}"
        parts = [(part, 5) for part in range(5)] + [(trial % 5, 5), (0, 1)]
        numbers = [child(run, out, part, Slow()) for part in parts]
        ends = [finished(number) for number in numbers]
        assert all(ends)
        runs[out.name] = len(numbers)
    return runs


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    assert finished(child(run, where / "whole"))
    sys.stdout.write(json.dumps({"steps": steps, "moments": moments, "shared": shared}[what](where)))
