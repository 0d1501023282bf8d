"""Make the embedded models: the training sets, then all five, one after the other or two at a time.

    python recipes/embedded/models.py --out DIR                              # about three hours on one core
    python recipes/embedded/models.py --out DIR --jobs 2 --voices FOLDER     # about two on two, as shipped

`--voices` is a folder of Speech Commands (CC BY 4.0), people's voices that join HuBERT's training. The processor
should have bfloat16 instructions; without them it takes about twice as long. `--ship` copies the models into data/
and records their checksums.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from speechinterp.embedded import data_folder

HERE = Path(__file__).parent
KEEP = {"MALLOC_MMAP_THRESHOLD_": "10000000000", "MALLOC_TRIM_THRESHOLD_": "20000000000"}
"""Tells the GNU C library to keep memory that is given back: the next step takes as much. Up to three times faster."""
NAMES = ("wav2vec2", "wav2vec2-phones", "hubert", "whisper", "commands")


def main() -> None:
    """Make the sets, train, and ship if that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the sets and the models")
    parser.add_argument("--jobs", type=int, choices=[1, 2], default=1)
    parser.add_argument("--voices", type=Path, help="a folder of Speech Commands")
    parser.add_argument(
        "--ship", action="store_true", help="copy the models into data/ and record their checksums"
    )
    a = parser.parse_args()
    for split in ("train", "dev"):
        if not (a.out / split / "utterances.csv").is_file():
            run("corpus.py", "--split", split, "--out", a.out / split)
    sets = ["--train", a.out / "train", "--dev", a.out / "dev", "--out", a.out / "models"]
    voices = ["--voices", a.voices] if a.voices else []
    first = [("ctc.py", sets), ("commands.py", sets)]
    second = [("whisper.py", sets), ("hubert.py", [*sets, *voices])]
    if a.jobs == 2:
        other = [start(script, *options) for script, options in second[:1]]
        for script, options in first:
            run(script, *options)
        for process in other:
            finish(process)
        run(second[1][0], *second[1][1], "--threads", 2)
    else:
        for script, options in [*first, *second]:
            run(script, *options)
    if a.ship:
        ship(a.out / "models")


def start(script: str, *options: object) -> subprocess.Popen[bytes]:
    """Start one of the scripts."""
    command = [sys.executable, str(HERE / script), *map(str, options)]
    return subprocess.Popen(command, env={**os.environ, **KEEP})


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for a script, and stop if it failed."""
    if process.wait():
        raise SystemExit(f"{process.args} ended with {process.returncode}")


def run(script: str, *options: object) -> None:
    """Run one of the scripts."""
    finish(start(script, *options))


def ship(models: Path) -> None:
    """Copy the models into data/ and record the checksums of their files."""
    data = data_folder()
    lines = [
        line
        for line in (data / "checksums.sha256").read_text(encoding="utf-8").splitlines()
        if not line.partition("  ")[2].startswith("models/")
    ]
    for name in NAMES:
        if not (models / name).is_dir():
            continue
        shutil.rmtree(data / "models" / name, ignore_errors=True)
        shutil.copytree(models / name, data / "models" / name)
    for path in sorted((data / "models").rglob("*")):
        if path.is_file():
            lines.append(
                f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(data).as_posix()}"
            )
    (data / "checksums.sha256").write_text(
        "".join(f"{line}\n" for line in sorted(lines, key=lambda x: x[66:])), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
