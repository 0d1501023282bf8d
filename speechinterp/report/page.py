"""One HTML page of a study, with everything inside it: no network, no script but that of a player."""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from pandas.api.types import is_float_dtype, is_numeric_dtype

from speechinterp.errors import SpeechInterpError
from speechinterp.report import player
from speechinterp.report.player import Player

__all__ = [
    "Code",
    "Heading",
    "Paragraph",
    "Picture",
    "Record",
    "Section",
    "Table",
    "beginning",
    "write_report",
]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
SOUND_POLICY = f"{POLICY}; media-src data:; script-src 'sha256-{player.SCRIPT_HASH}'"
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 58rem; background: #fff; color: #1c1c1c;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1.25rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; padding-top: .8rem; border-top: 1px solid #ddd; }
p { margin: .6rem 0; max-width: 42rem; white-space: pre-line; }
figure { margin: 1.2rem 0; }
figcaption { margin: .4rem 0; color: #555; font-size: .9rem; max-width: 42rem; }
pre { margin: .6rem 0; padding: .6rem .8rem; background: #f4f4f4; border-radius: .3rem; overflow-x: auto;
  font: .875rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
img { display: block; width: 100%; max-width: 40rem; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .6rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 1.5px solid #1c1c1c; white-space: nowrap; }
tbody tr + tr > * { border-top: 1px solid #eaeaea; }
td { max-width: 26rem; }
.number { text-align: right; white-space: nowrap; }
tbody th { font-weight: 600; color: #444; white-space: nowrap; }
@media (max-width: 36rem) { body { padding: 1.2rem .9rem 3rem; } h1 { font-size: 1.4rem; }
  th, td { padding: .25rem .45rem; } tbody th { white-space: normal; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } .scroll { overflow: visible; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; } thead { display: table-header-group; } }
"""


@dataclass(frozen=True)
class Heading:
    """The heading of what follows."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain text; line breaks are kept."""

    text: str


@dataclass(frozen=True)
class Code:
    """Commands or lines of a program, to be copied."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table without its index; floats are shown with about three digits."""

    frame: pd.DataFrame
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG file, with the words that stand for it where it cannot be seen."""

    path: str | Path
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Record:
    """Names and values: how the study was made."""

    values: Mapping[str, object]
    caption: str = ""


Section = Heading | Paragraph | Code | Table | Picture | Record | Player


def write_report(path: str | Path, title: str, sections: Sequence[Section]) -> Path:
    """Write a self-contained HTML page.

    Parameters
    ----------
    path
        The file to write; folders that are missing are made.
    title
        The title of the page.
    sections
        What is on the page, from top to bottom.

    Returns
    -------
    pathlib.Path
        The file written.

    Raises
    ------
    SpeechInterpError
        If a picture cannot be read or is not PNG; nothing is written then.

    Notes
    -----
    All text is escaped, so that a label ``<b>`` is shown and not obeyed, and the page forbids itself to load
    anything. A page with players has their script, known by its hash, and forbids every other.
    """
    body = "\n".join(_html(section) for section in sections)
    plays = any(isinstance(section, Player) for section in sections)
    policy, style = (SOUND_POLICY, STYLE + player.STYLE) if plays else (POLICY, STYLE)
    script = f"<script>{player.SCRIPT}</script>\n" if plays else ""
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
{script}</body>
</html>
"""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def beginning(frame: pd.DataFrame, name: str, rows: int = 40) -> Table:
    """Return the first rows of a table for a page.

    Parameters
    ----------
    frame
        The table.
    name
        Of its file.
    rows
        How many.

    Returns
    -------
    Table
        Columns in which all these rows are the same stand in the caption.
    """
    shown = frame.head(rows)
    same = [n for n in shown if len(shown) > 1 and shown[n].astype(str).nunique() == 1]
    same = [] if len(same) == len(shown.columns) else same
    caption = f"{name}, its first {rows} rows" if len(frame) > rows else name
    if same:
        told = ", ".join(f"{n} {_column(shown[n].head(1), escaped=False)[0]}" for n in same)
        caption += f". The same in all: {told}."
    return Table(shown.drop(columns=same), caption)


def _html(section: Section) -> str:
    match section:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Code(text):
            return f'<pre tabindex="0">{escape(text)}</pre>'
        case Table(frame, caption):
            return _figure(f'<div class="scroll" tabindex="0">{_table(frame)}</div>', caption)
        case Picture(path, alt, caption):
            source = f"data:image/png;base64,{b64encode(_png(Path(path))).decode()}"
            return _figure(f'<img src="{source}" alt="{escape(alt)}">', caption)
        case Record(values, caption):
            rows = "".join(
                f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(_text(value))}</td></tr>'
                for name, value in values.items()
            )
            return _figure(
                f'<div class="scroll" tabindex="0"><table><tbody>{rows}</tbody></table></div>', caption
            )
        case Player():
            return player.player_html(section)


def _figure(content: str, caption: str) -> str:
    return f"<figure>{content}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"


def _table(frame: pd.DataFrame) -> str:
    kinds = [' class="number"' if is_numeric_dtype(dtype) else "" for dtype in frame.dtypes]
    head = "".join(
        f'<th scope="col"{kind}>{escape(str(name))}</th>' for name, kind in zip(frame, kinds, strict=True)
    )
    columns = [_column(frame.iloc[:, number]) for number in range(frame.shape[1])]
    rows = (
        "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True))
        for row in zip(*columns, strict=True)
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _column(values: pd.Series, escaped: bool = True) -> list[str]:
    """Write the cells of a column; what is missing becomes a dash."""
    form = _decimals(values) if is_float_dtype(values.dtype) else str
    return [
        "–" if missing else escape(form(value)) if escaped else form(value)
        for value, missing in zip(values, values.isna(), strict=True)
    ]


def _decimals(values: pd.Series) -> Callable[[float], str]:
    """Write whole numbers as such, others of like size with the same decimals, so that the largest has three digits."""
    known = values[values.notna() & (values.abs() < math.inf)]
    sizes = known.abs()[known != 0]
    if (known == known.round()).all() and sizes.max() < 1e15:
        return "{:.0f}".format
    if sizes.min() < sizes.max() / 1000 or not 1e-3 < sizes.max() < 1e6:
        return "{:.3g}".format
    size = math.ceil(math.log10(sizes.max())) - 1
    return f"{{:.{max(2 - size, int(size < 3))}f}}".format


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _png(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SpeechInterpError(
            f"The picture {path} cannot be read ({error.strerror})",
            expected="a PNG file",
            cause="the figure was not written, or was moved",
            fix="write it with speechinterp.viz.save_figure before the report",
        ) from error
    if not data.startswith(PNG_SIGNATURE):
        raise SpeechInterpError(
            f"The picture {path} is not PNG",
            expected="a PNG file",
            fix="pass the .png of save_figure, not the .pdf",
        )
    return data
