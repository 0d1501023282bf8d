"""What every command does alike: errors, warnings, progress, the output folder and its config.json."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Device", "OnBad", "OnBadOption", "Out", "Run", "Seed", "running"]

Out = Annotated[Path, typer.Option("--out", help="Folder for results; made if it is not there.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, or auto: a GPU if there is one.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]
SHOWN_WARNINGS = 3


class OnBad(str, Enum):
    """What to do with an utterance that cannot be read or used."""

    RAISE = "raise"
    SKIP = "skip"


OnBadOption = Annotated[
    OnBad, typer.Option("--on-bad", help="An unusable utterance: stop, or leave it out and record why.")
]


class Run:
    """One run of a command: its console, its progress bars and its record.

    Parameters
    ----------
    command
        Its name.
    out
        Folder for results; None if the command writes none.
    settings
        All its arguments, for the record.
    """

    def __init__(self, command: str, out: Path | None, settings: dict[str, Any]) -> None:
        self.command, self.out, self.settings = command, out, settings
        self.console = Console(highlight=False, soft_wrap=True)
        self.errors = Console(stderr=True, highlight=False, soft_wrap=True)
        self.notes: list[str] = []

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[int, int], None]]:
        """Show a progress bar; gives a function of the numbers done and in all."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        with Progress(*columns, console=self.errors) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    def say(self, text: str) -> None:
        """Print a line of result."""
        self.console.print(text, markup=False)

    def record(self, **more: Any) -> None:
        """Write `config.json`: command, arguments, versions, notes, and what `more` gives."""
        if self.out is None:
            return
        import torch

        import speechinterp

        versions = {"speechinterp": speechinterp.__version__, "torch": torch.__version__}
        versions |= {name: version(name) for name in ("transformers", "scikit-learn", "numpy")}
        content = {
            "command": self.command,
            **self.settings,
            "versions": versions,
            "notes": self.notes,
            **more,
        }
        self.write("config.json", json.dumps(content, indent=2, default=str, ensure_ascii=False) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write a text file into the output folder, whole or not at all."""
        assert self.out is not None
        self.out.mkdir(parents=True, exist_ok=True)
        path, draft = self.out / name, self.out / f".{name}.draft"
        draft.write_text(text, encoding="utf-8")
        return draft.replace(path)


@contextmanager
def running(command: str, out: Path | None = None, **settings: Any) -> Iterator[Run]:
    """Run a command: turn errors of the package into one clear message and exit code 1, and sum up warnings."""
    from speechinterp.errors import SpeechInterpError

    run = Run(command, out, settings | ({"out": str(out)} if out else {}))
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            try:
                yield run
            finally:
                _sum_up(run, caught)
        run.record()
    except SpeechInterpError as error:
        run.errors.print(f"{type(error).__name__}:", style="bold red", end=" ")
        run.errors.print(str(error), markup=False)
        raise typer.Exit(1) from error
    except OSError as error:
        run.errors.print("OSError:", style="bold red", end=" ")
        run.errors.print(
            f"{error.filename or out} cannot be read or written: {error.strerror or error}. "
            "Expected: a folder that can be written, with room. "
            "Likely cause: a read-only folder, a file in the place of a folder, or a full disk. "
            "Fix: give another folder (--out), or make room and run the same command again.",
            markup=False,
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        run.errors.print("Interrupted. What is finished stays; the same command goes on from there.")
        sys.exit(130)


def _sum_up(run: Run, caught: list[warnings.WarningMessage]) -> None:
    """Print the first few warnings of every kind, and how many more there were."""
    texts = list(dict.fromkeys((w.category.__name__, str(w.message)) for w in caught))
    seen: Counter[str] = Counter()
    for kind, text in texts:
        run.notes.append(f"{kind}: {text}")
        seen[kind] += 1
        if seen[kind] <= SHOWN_WARNINGS:
            run.errors.print(f"Note: {text}", markup=False, style="yellow")
    for kind, count in seen.items():
        if count > SHOWN_WARNINGS:
            where = f"; all are in {run.out / 'config.json'}" if run.out else ""
            run.errors.print(
                f"Note: {count - SHOWN_WARNINGS} more of this kind ({kind}){where}", style="yellow"
            )
