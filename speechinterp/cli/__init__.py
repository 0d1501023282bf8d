"""The command line: one file a command, each a thin shell around the package."""

from __future__ import annotations

import typer

from speechinterp.cli.align import align
from speechinterp.cli.attribute import attribute
from speechinterp.cli.check import check
from speechinterp.cli.demo import demo
from speechinterp.cli.extract import extract
from speechinterp.cli.lens import lens
from speechinterp.cli.mix import mix
from speechinterp.cli.probe import probe
from speechinterp.cli.report import report
from speechinterp.cli.similarity import similarity

__all__ = ["app"]

app = typer.Typer(
    name="speechinterp",
    help="What does a speech model know, and what did it use?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 something is wrong with data, model or result; 2 wrong usage; 130 interrupted.",
)
for command in (demo, check, align, extract, probe, mix, similarity, lens, attribute, report):
    app.command()(command)
