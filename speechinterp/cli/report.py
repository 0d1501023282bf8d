"""``speechinterp report``: finished results on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechinterp.cli.run import running

__all__ = ["report"]

RUNS = Path("runs")


def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR...", help="Folders of results.  [default: all in runs/]", show_default=False
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the page.")] = RUNS / "report",
) -> None:
    """Put the figures, tables and settings of finished results on one page that needs nothing but itself.

    Writes `report.html`.

    Example: `speechinterp report runs/probe runs/attribution --out runs/paper`
    """
    chosen = folders or sorted(p.parent for p in RUNS.glob("*/config.json") if p.parent != out)
    with running("report", out, folders=[str(folder) for folder in chosen]) as run:
        from speechinterp.report import write_results_report

        page = write_results_report(out / "report.html", chosen)
        run.say(f"{page}: {len(chosen)} folders of results; open it in a browser")
