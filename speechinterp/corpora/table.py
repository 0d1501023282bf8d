"""A table of recordings or segments: any corpus, by way of a spreadsheet."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from speechinterp.audio import duration_of
from speechinterp.corpora.files import read_text
from speechinterp.corpora.tiers import fit_to_audio, segment, transcript_of
from speechinterp.corpora.utterance import Corpus, Utterance, duplicate_id
from speechinterp.errors import AnnotationError, CorpusError, shortlist
from speechinterp.segments import Segment, Tier

__all__ = ["read_table"]

TIER = "segments"
SEPARATORS = {".csv": ",", ".tsv": "\t"}
OWN = ("id", "file", "channel", "speaker", "transcript", "tier", "start", "end", "label")


@dataclass(frozen=True)
class _Row:
    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_table(path: Path) -> Corpus:
    """Read a table with one row a recording, or one row a segment.

    Parameters
    ----------
    path
        A file ending in ``.csv``, ``.tsv`` or ``.parquet``. Columns: ``file`` (relative to the folder of the
        table), and if wanted ``start`` and ``end`` (in seconds), ``label``, ``tier``, ``speaker``,
        ``transcript``, ``channel`` and ``id``. Others become meta where they are the same in all rows of an
        utterance.

    Returns
    -------
    Corpus
        Rows of one id are one utterance; without that column the id is the file without its suffix. Without
        a ``tier`` column the tier is called ``segments``. A label without start and end is that of the whole
        recording. All cells are text: the words ``NA``, ``nan`` and ``null`` are labels.

    Raises
    ------
    CorpusError
        If the table cannot be read, lacks a column, or an id stands for two recordings.
    AnnotationError
        If a time is missing or not a number, or rows of one utterance contradict each other.
    """
    rows = _rows(path)
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        if not row["file"]:
            raise _bad(path, row, "the file is empty", "the path of a sound file")
        _times(path, row)
        group = groups.setdefault(row["id"] or Path(row["file"]).with_suffix("").as_posix(), [])
        group.append(row)
    for id_, group in groups.items():
        recordings = sorted(
            {row["file"] + (f", channel {c}" if (c := row["channel"]) else "") for row in group}
        )
        if len(recordings) > 1:
            raise duplicate_id(id_, f"both {' and '.join(recordings[:2])} in {path.name}")
    return Corpus(path.stem, {id_: partial(_utterance, id_, group, path) for id_, group in groups.items()})


def _utterance(id_: str, rows: list[_Row], path: Path) -> Utterance:
    audio = path.parent / rows[0]["file"]
    tiers: dict[str, list[Segment]] = {}
    for row in rows:
        times = _times(path, row)
        if times is None and row["label"]:
            times = 0.0, duration_of(audio)
        if times is not None:
            each = segment(*times, row["label"], f"{path.name}, row {row.number}")
            tiers.setdefault(row["tier"] or TIER, []).append(each)
    fitted = fit_to_audio([Tier(name, segments) for name, segments in tiers.items()], audio, path.name)
    others = [column for column in rows[0].cells if column not in OWN]
    return Utterance(
        id_,
        audio,
        speaker=_same("speaker", rows, path),
        transcript=_same("transcript", rows, path) or transcript_of(fitted),
        tiers=fitted,
        meta={column: rows[0][column] for column in others if len({row[column] for row in rows}) == 1},
        channel=_channel(path, rows[0]),
    )


def _rows(path: Path) -> list[_Row]:
    if not path.is_file():
        raise CorpusError(
            f"no table {path}", expected="an existing file", fix="correct the path after table:"
        )
    suffix = path.suffix.lower()
    if suffix not in (*SEPARATORS, ".parquet"):
        raise CorpusError(
            f"table {path.name}", expected="a name ending in .csv, .tsv or .parquet", fix="rename it"
        )
    columns, lines = _parquet(path) if suffix == ".parquet" else _text(path, SEPARATORS[suffix])
    needed = ("file", "label") if {"start", "end"} & set(columns) else ("file",)
    if missing := [column for column in needed if column not in columns]:
        raise CorpusError(
            f"{path.name} has no column {shortlist(missing)}; it has: {shortlist(columns)}",
            expected="a column file, and a column label where there are start and end",
            cause="other names, or another separator than "
            f"{'a comma (a spreadsheet may write semicolons)' if suffix == '.csv' else 'a tab'}",
            fix="rename the columns, or save the table again",
        )
    rows = []
    for number, cells in lines:
        if len(cells) != len(columns):
            raise CorpusError(
                f"{path.name}, row {number} has {len(cells)} cells",
                expected=f"{len(columns)}, one for every column",
                cause="a separator within a label or transcript that is not in quotes",
                fix="put the cell in double quotes",
            )
        rows.append(_Row(number, dict(zip(columns, cells, strict=True))))
    return rows


def _text(path: Path, separator: str) -> tuple[list[str], Iterable[tuple[int, list[str]]]]:
    reader = csv.reader(io.StringIO(read_text(path, path.name)), delimiter=separator, strict=True)
    try:
        columns, *lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise CorpusError(
            f"{path.name}, row {reader.line_num}: {error}",
            expected="cells in double quotes that are closed, with quotes inside them doubled",
            cause="a label or transcript that holds a double quote",
            fix='write "" for a double quote within a quoted cell',
        ) from error
    return [column.strip() for column in columns[1]], lines


def _parquet(path: Path) -> tuple[list[str], Iterable[tuple[int, list[str]]]]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise CorpusError(f"{path.name}: {error}", expected="a Parquet table", fix="make it again") from error
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, [(n, list(cells)) for n, cells in enumerate(zip(*columns, strict=True), 1)]


def _cell(value: object) -> str:
    """Return a cell as text; what a data frame holds for a missing number is an empty cell."""
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _times(path: Path, row: _Row) -> tuple[float, float] | None:
    start, end = row["start"].strip(), row["end"].strip()
    if not start and not end:
        return None
    if not (start and end):
        raise _bad(
            path, row, f"{'start' if start else 'end'} without {'end' if start else 'start'}", "both, or none"
        )
    try:
        return float(start), float(end)
    except ValueError:
        raise _bad(
            path, row, f"start {start!r} and end {end!r}", "numbers of seconds, such as 1.25"
        ) from None


def _channel(path: Path, row: _Row) -> int | None:
    text = row["channel"].strip()
    if text and not text.isdecimal():
        raise _bad(path, row, f"channel {text!r}", "a whole number, 0 for the first channel")
    return int(text) if text else None


def _same(column: str, rows: list[_Row], path: Path) -> str | None:
    values = list(dict.fromkeys(row[column] for row in rows if row[column]))
    if len(values) > 1:
        raise _bad(
            path, rows[0], f"{column} is {values[0]!r} here and {values[1]!r} in a later row", f"one {column}"
        )
    return values[0] if values else None


def _bad(path: Path, row: _Row, found: str, expected: str) -> AnnotationError:
    return AnnotationError(
        f"{path.name}, row {row.number} ({row['id'] or row['file']}): {found}",
        expected=expected,
        cause="an empty cell, a decimal comma, or rows of several recordings or speakers under one name",
        fix="correct the row, or give an id column with one id for every recording and speaker",
    )
