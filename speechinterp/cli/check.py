"""``speechinterp check``: does a model meet everything that the methods rely on?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speechinterp.cli.extract import MODEL
from speechinterp.cli.run import Device, Seed, running

__all__ = ["check"]


def check(
    model: Annotated[str, typer.Argument(help="Hub id, local folder, demo/wav2vec2, ...")] = MODEL,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for check.csv and config.json.")] = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Check a model against Hugging Face's own forward pass, to the last digits.

    States equal Hugging Face's; a padded batch equals one by one; residual, heads, biases and MLP sum to the
    residual stream; every tap fires; the model is left as it was found. Exit code 1 if one fails.

    Example: `speechinterp check facebook/hubert-base-ls960`
    """
    with running("check", out, model=model, device=device, seed=seed) as run:
        from rich.table import Table

        from speechinterp.models import check_model, load_model

        loaded = load_model(model, device=device)
        with run.errors.status(f"checking {loaded.id}"):
            rows = check_model(loaded, seed)
        grid = loaded.grid
        run.say(
            f"{loaded.id}: {type(loaded.module).__name__}, {loaded.n_layers} layers of {loaded.width} dimensions, "
            f"{'pre' if loaded.pre_norm else 'post'}-norm, hop {grid.hop} and receptive field "
            f"{grid.receptive_field} samples at {grid.sample_rate} Hz"
        )
        table = Table("check", "value", "limit", "", "note")
        for row in rows.itertuples():
            mark = "[green]passed[/]" if row.passed else "[red]FAILED[/]"
            table.add_row(str(row.check), f"{row.value:.2g}", f"{row.limit:g}", mark, str(row.note))
        run.console.print(table)
        if out is not None:
            run.write("check.csv", rows.to_csv(index=False))
        failed = rows.loc[~rows["passed"], "check"]
        run.say("all checks passed" if failed.empty else f"{len(failed)} failed: {', '.join(failed)}")
    if not failed.empty:
        raise typer.Exit(1)
