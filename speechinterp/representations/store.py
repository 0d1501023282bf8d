"""Representations and their store: one row a unit, one column a layer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import StoreError, shortlist

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Representations", "Store"]

UNIT_COLUMNS = ("utterance", "speaker", "tier", "label", "start", "end", "frames", "time")


@dataclass(frozen=True)
class Representations:
    """Vectors of units (phones, words, frames) at every layer.

    Parameters
    ----------
    units
        One row a unit: utterance, speaker, tier, label, start and end in seconds, the number of frames
        pooled (0: none satisfied the rule and the nearest one was taken), and their mean time in seconds.
    read_layer
        Gives the vectors of one layer [shape=(units, dimensions)]; read when asked for.
    layers
        The layers there are.
    meta
        What made them: model, weights hash, corpus, unit, pooling, frame rule, versions.
    keeper
        Whatever must live as long as the vectors can be read, such as a temporary folder.
    """

    units: pd.DataFrame
    read_layer: Callable[[int], npt.NDArray[np.float32]]
    layers: tuple[int, ...]
    meta: Mapping[str, Any]
    keeper: object = field(default=None, repr=False)

    @classmethod
    def of(
        cls, units: pd.DataFrame, vectors: npt.NDArray[np.float32], meta: Mapping[str, Any] | None = None
    ) -> Representations:
        """Make representations of vectors at hand [shape=(layers, units, dimensions)]."""
        return cls(
            units.reset_index(drop=True), vectors.__getitem__, tuple(range(len(vectors))), dict(meta or {})
        )

    @classmethod
    def open(cls, folder: str | Path) -> Representations:
        """Open a finished store.

        Raises
        ------
        StoreError
            If there is none, it is unfinished, or one of its files is broken.
        """
        return Store(Path(folder)).open()

    def layer(self, layer: int) -> npt.NDArray[np.float32]:
        """Return the vectors of one layer [shape=(units, dimensions)]."""
        if layer not in self.layers:
            raise StoreError(
                f"there is no layer {layer}",
                expected=f"one of {shortlist(self.layers, 60)}",
                fix="take it from reps.layers",
            )
        return self.read_layer(layer)

    def __len__(self) -> int:
        return len(self.units)

    def __repr__(self) -> str:
        name, unit = self.meta.get("model", "unnamed"), self.meta.get("unit", "units")
        return f"Representations({name!r}, {len(self)} {unit}, {len(self.layers)} layers)"


@dataclass(frozen=True)
class Store:
    """A folder of representations: `manifest.json` and `shards/NNNNN.parquet`.

    A shard is written under another name and moved into place when it is whole, so a shard that exists is
    finished and a killed run loses at most the one it was at.
    """

    folder: Path

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is."""
        return self.folder / "manifest.json"

    def shard_path(self, number: int) -> Path:
        """Where a shard is."""
        return self.folder / "shards" / f"{number:05d}.parquet"

    def skipped_path(self, number: int) -> Path:
        """Where the utterances that a shard had to leave out are listed, with the reason."""
        return self.folder / "shards" / f"{number:05d}.skipped.jsonl"

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises
        ------
        StoreError
            If there is none or it is not JSON.
        """
        try:
            return json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise StoreError(
                f"folder {self.folder} has no manifest.json",
                expected="a store made by extract",
                fix="give the folder that extract wrote (--out)",
            ) from error
        except (ValueError, OSError) as error:
            raise StoreError(
                f"{self.manifest_path} cannot be read: {error}",
                expected="JSON",
                fix="extract into a new folder",
            ) from error

    def begin(self, identity: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Start a store, or go on with one that the same study began.

        Raises
        ------
        StoreError
            If the folder cannot be written, or belongs to another model, corpus or setting.
        """
        if self.manifest_path.exists():
            found = self.manifest()["identity"]
            wanted = json.loads(json.dumps(identity))
            differing = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
            if differing:
                listed = "; ".join(
                    f"{key}: {found.get(key)!r} there, {wanted.get(key)!r} now" for key in differing
                )
                raise StoreError(
                    f"{self.folder} holds representations of another study ({listed})",
                    expected="the same model, corpus and settings, to go on where it stopped",
                    fix="give another folder (--out), or remove this one",
                )
            return
        self.write(self.manifest_path, json.dumps({"identity": identity, **record}, indent=2).encode())

    def write(self, path: Path, content: bytes | Callable[[Path], None]) -> None:
        """Write a file whole or not at all.

        Raises
        ------
        StoreError
            If the folder is read-only or the disk is full; what was finished stays.
        """
        draft = path.with_name(f".{path.name}.draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(draft)
            else:
                draft.write_bytes(content)
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True) if draft.parent.is_dir() else None
            raise StoreError(
                f"{path} cannot be written: {error.strerror or error}",
                expected="a folder that can be written, with room for the store",
                cause="a read-only folder or a full disk",
                fix="give another folder (--out), or make room and run the same command again; "
                "the shards that are finished stay",
            ) from error

    def write_shard(
        self,
        number: int,
        units: pd.DataFrame,
        layers: npt.NDArray[np.float32],
        skipped: Sequence[Mapping[str, Any]],
    ) -> None:
        """Write a shard [layers: shape=(layers, units, dimensions)] and the list of what it left out."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, Any] = {
            name: pa.array(units[name], type=_arrow_type(name)) for name in UNIT_COLUMNS
        }
        for layer, vectors in enumerate(layers):
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            columns[f"layer_{layer:02d}"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        table = pa.table(columns)
        if skipped:
            lines = "".join(json.dumps(dict(entry), ensure_ascii=False) + "\n" for entry in skipped)
            self.write(self.skipped_path(number), lines.encode())
        self.write(self.shard_path(number), lambda draft: pq.write_table(table, draft, compression="none"))

    def has_shard(self, number: int) -> bool:
        """Return whether a shard is there and whole."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            pq.read_metadata(self.shard_path(number))
        except (OSError, pa.ArrowInvalid):
            return False
        return True

    def skipped(self) -> list[dict[str, Any]]:
        """Return what was left out, with the reason."""
        paths = sorted((self.folder / "shards").glob("*.skipped.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]

    def open(self, numbers: range | None = None, keeper: object = None) -> Representations:
        """Open the finished store, or some of its shards; `keeper` lives as long as the result."""
        manifest = self.manifest()
        numbers = range(manifest["identity"]["n_shards"]) if numbers is None else numbers
        absent = [number for number in numbers if not self.has_shard(number)]
        if absent:
            raise StoreError(
                f"store {self.folder} lacks {len(absent)} of its {len(numbers)} shards: {shortlist(absent)}",
                expected="a finished store",
                cause="extraction was stopped, another part of it (--shard i/n) has not run, or a file is damaged",
                fix="run the same extract command again; it makes only what is missing",
            )
        units = self._read(list(UNIT_COLUMNS), numbers).to_pandas()
        units["label"] = units["label"].astype(str)
        layers = tuple(range(manifest["identity"]["n_layers"]))
        meta = {**manifest["identity"], **{key: manifest[key] for key in manifest if key != "identity"}}

        def read_layer(layer: int) -> npt.NDArray[np.float32]:
            column = self._read([f"layer_{layer:02d}"], numbers).column(0).combine_chunks()
            flat: npt.NDArray[np.float32] = column.values.to_numpy()
            return flat.reshape(len(column), -1)

        return Representations(units, read_layer, layers, meta, keeper)

    def _read(self, columns: list[str], numbers: range) -> pa.Table:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pa.concat_tables([pq.read_table(self.shard_path(n), columns=columns) for n in numbers])
        except (OSError, pa.ArrowInvalid) as error:
            raise StoreError(
                f"a shard of {self.folder} cannot be read: {error}",
                expected="the shards that extract wrote",
                cause="a file was damaged or replaced",
                fix="remove the damaged shard and run the same extract command again",
            ) from error


def _arrow_type(column: str) -> pa.DataType:
    import pyarrow as pa

    types = {"start": pa.float64(), "end": pa.float64(), "time": pa.float64(), "frames": pa.int32()}
    return types.get(column, pa.string())
