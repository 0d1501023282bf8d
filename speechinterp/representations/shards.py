"""One shard of a store: a Parquet file with a row for every unit, a column for every layer, and its own record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.representations.pooling import Row

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "TEXTS",
    "UNIT_COLUMNS",
    "ShardWriter",
    "layer_column",
    "read_blocks",
    "read_layer",
    "read_record",
    "read_units",
]

TEXTS = ("utterance", "speaker", "tier", "label")
UNIT_COLUMNS = (*TEXTS, "start", "end", "frames", "time")
RECORD = b"speechinterp"


def layer_column(layer: int) -> str:
    """Return the name of a layer's column."""
    return f"layer_{layer:02d}"


def _unit_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    numbers = {"start": pa.float64(), "end": pa.float64(), "frames": pa.int32(), "time": pa.float64()}
    return {name: numbers.get(name, pa.string()) for name in UNIT_COLUMNS}


class ShardWriter:
    """Write a shard piece by piece, so that memory does not grow with it.

    Parameters
    ----------
    path
        Of the file.
    n_layers, width
        Of the vectors.
    """

    def __init__(self, path: Path, n_layers: int, width: int) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        layers = {layer_column(layer): pa.list_(pa.float32(), width) for layer in range(n_layers)}
        self.schema = pa.schema({**_unit_types(), **layers})
        self.writer = pq.ParquetWriter(
            path,
            self.schema,
            compression="none",  # random bits of a mantissa do not compress
            use_dictionary=list(TEXTS),
            write_statistics=list(UNIT_COLUMNS),
            write_page_checksum=True,
        )
        self.width = width

    def add(
        self, units: Sequence[tuple[str, str | None, str, Row]], vectors: npt.NDArray[np.float32]
    ) -> None:
        """Write units (utterance, speaker, tier, row) and their vectors [shape=(layers, units, width)]."""
        import pyarrow as pa

        rows = zip(*((*names, r.label, r.start, r.end, r.frames, r.time) for *names, r in units), strict=True)
        columns: list[Any] = [
            pa.array(column, type=kind) for column, kind in zip(rows, _unit_types().values(), strict=True)
        ]
        columns += [
            pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(layer).reshape(-1)), self.width)
            for layer in vectors
        ]
        self.writer.write_table(pa.Table.from_arrays(columns, schema=self.schema))

    def finish(self, record: Mapping[str, Any]) -> None:
        """Write the record of the shard into its foot, without which it counts as broken."""
        self.writer.add_key_value_metadata({RECORD: json.dumps(record, ensure_ascii=False)})
        self.writer.close()

    def close(self) -> None:
        """Let go of the file; finished or not."""
        self.writer.close()


def read_record(path: Path) -> dict[str, Any] | None:
    """Return the record of a shard; None if it is not there or not whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return dict(json.loads(pq.read_metadata(path).metadata[RECORD]))
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def read_units(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the units of some shards.

    Raises
    ------
    OSError, pyarrow.ArrowException
        If one cannot be read, or does not agree with its checksums.
    """
    import pyarrow as pa

    empty = pa.schema(_unit_types()).empty_table()
    tables = [_read(path, list(UNIT_COLUMNS)) for path in paths]
    return pa.concat_tables([empty, *tables]).to_pandas()


def read_layer(paths: Sequence[Path], layer: int, n_units: int, width: int) -> npt.NDArray[np.float32]:
    """Return the vectors of one layer [shape=(units, width)], one shard after the other into one array.

    Raises
    ------
    OSError, pyarrow.ArrowException, ValueError
        If a shard cannot be read, does not agree with its checksums, or has another number of units.
    """
    vectors, row = np.empty((n_units, width), np.float32), 0
    for path in paths:
        for chunk in _read(path, [layer_column(layer)]).column(0).chunks:
            vectors[row : row + len(chunk)] = chunk.flatten().to_numpy().reshape(-1, width)
            row += len(chunk)
    if row != n_units:
        raise ValueError(f"{row} vectors for {n_units} units")
    return vectors


def read_blocks(
    paths: Sequence[Path], layers: Sequence[int], width: int, rows: int
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the vectors of some layers, so many units at a time [shape=(layers, units, width)].

    Raises
    ------
    OSError, pyarrow.ArrowException
        If a shard cannot be read, or does not agree with its checksums.
    """
    import pyarrow.parquet as pq

    columns = [layer_column(layer) for layer in layers]
    for path in paths:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(rows, columns=columns, use_threads=False):
                yield np.stack([batch[name].flatten().to_numpy().reshape(-1, width) for name in columns])


def _read(path: Path, columns: list[str]) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns, use_threads=False)
