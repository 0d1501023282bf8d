"""The page of finished results: every folder that a command or recipe wrote, on one page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from speechinterp.errors import SpeechInterpError
from speechinterp.report.page import (
    Heading,
    Paragraph,
    Picture,
    Record,
    Section,
    Table,
    beginning,
    write_report,
)

__all__ = ["write_results_report"]

CONFIG = "config.json"
SHOWN_ROWS = 40


def write_results_report(path: str | Path, folders: Sequence[str | Path], title: str = "Results") -> Path:
    """Write one page of several folders of results.

    Parameters
    ----------
    path
        The HTML file to write.
    folders
        What commands and recipes wrote, each with its ``config.json``.
    title
        Of the page.

    Returns
    -------
    pathlib.Path
        The page, with all figures (PNG), the beginning of all tables (CSV), and how each was made.

    Raises
    ------
    SpeechInterpError
        If a folder is missing or holds no results, or a table cannot be read; nothing is written then.
    """
    if not folders:
        raise SpeechInterpError(
            "no folder of results",
            expected="at least one",
            fix="speechinterp report runs/probe runs/attribution",
        )
    sections: list[Section] = []
    for folder in map(Path, folders):
        sections += _sections(folder)
    return write_report(path, title, sections)


def _sections(folder: Path) -> list[Section]:
    record = _record(folder)
    command, model = str(record.pop("command", folder.name)), record.get("model", "")
    versions, notes = (record.pop(name, None) for name in ("versions", "notes"))
    sections: list[Section] = [
        Heading(" · ".join(part for part in (command, str(model), str(folder)) if part))
    ]
    sections += [
        Picture(path, f"Figure {path.name} of {folder}", path.stem) for path in sorted(folder.glob("*.png"))
    ]
    sections += [_table(path) for path in sorted(folder.glob("*.csv"))]
    sections.append(
        Record({name: value for name, value in record.items() if _short(value)}, "How it was made.")
    )
    if isinstance(versions, dict):
        sections.append(Paragraph(", ".join(f"{name} {value}" for name, value in versions.items())))
    if notes:
        sections.append(Paragraph("\n".join(map(str, notes))))
    return sections


def _record(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpeechInterpError(
            f"{path} cannot be read ({type(error).__name__})",
            expected=f"a folder of results, with a {CONFIG}",
            cause="a folder above or below it, or a command that was stopped before its end",
            fix="name the folder that --out gave, or run its command again: it goes on where it was",
        ) from error
    return record if isinstance(record, dict) else {"config": record}


def _table(path: Path) -> Table:
    try:
        table = pd.read_csv(path, nrows=SHOWN_ROWS + 1)
    except pd.errors.EmptyDataError:
        table = pd.DataFrame()
    except (OSError, ValueError) as error:
        raise SpeechInterpError(
            f"{path} cannot be read ({error})",
            expected="a table as CSV",
            cause="a file that was cut short, or changed by hand",
            fix="run its command again",
        ) from error
    return beginning(table, path.name, SHOWN_ROWS)


def _short(value: object) -> bool:
    return value not in (None, "", [], {}) and len(str(value)) <= 400
