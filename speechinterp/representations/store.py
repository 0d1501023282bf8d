"""Representations and their store: one row a unit, one column a layer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import StoreError, shortlist
from speechinterp.representations.shards import read_blocks, read_layer, read_record, read_units

__all__ = ["Representations", "Store"]

FORMAT = 1
BLOCK = 2048
"""Units in memory at a time where representations are streamed."""


@dataclass(frozen=True)
class Representations:
    """Vectors of units (phones, words, frames) at every layer.

    Parameters
    ----------
    units
        One row a unit: utterance, speaker, tier, label, start and end in seconds, the number of frames
        pooled (0: none satisfied the rule and the nearest one was taken), and their mean time in seconds.
        The speaker is missing (None or NaN) where the corpus does not name one.
    read_layer
        Gives the vectors of one layer [shape=(units, dimensions)]; read when asked for.
    layers
        The layers there are.
    meta
        What made them: model, weights hash, corpus, unit, pooling, frame rule, versions, totals.
    keeper
        Whatever must live as long as the vectors can be read, such as a temporary folder.
    read_blocks
        Gives the vectors of some layers piece by piece, in the order of the units; without it they are cut
        from whole layers.
    """

    units: pd.DataFrame
    read_layer: Callable[[int], npt.NDArray[np.float32]]
    layers: tuple[int, ...]
    meta: Mapping[str, Any]
    keeper: object = field(default=None, repr=False)
    read_blocks: Callable[[Sequence[int]], Iterator[npt.NDArray[np.float32]]] | None = field(
        default=None, repr=False
    )

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
        self._check(layer)
        return self.read_layer(layer)

    def blocks(self, layers: Sequence[int] | None = None) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the vectors of some layers, or all, a few thousand units at a time.

        Yields
        ------
        numpy.ndarray
            [shape=(layers, units, dimensions)]; one after the other they are all units, in their order.
        """
        layers = self.layers if layers is None else layers
        for layer in layers:
            self._check(layer)
        if self.read_blocks is not None:
            yield from self.read_blocks(layers)
            return
        whole = [self.read_layer(layer) for layer in layers]
        for start in range(0, len(self), BLOCK):
            yield np.stack([vectors[start : start + BLOCK] for vectors in whole])

    def _check(self, layer: int) -> None:
        if layer not in self.layers:
            raise StoreError(
                f"there is no layer {layer}",
                expected=f"one of {shortlist(self.layers, 60)}",
                fix="take it from reps.layers",
            )

    def __len__(self) -> int:
        return len(self.units)

    def __repr__(self) -> str:
        name, unit = self.meta.get("model", "unnamed"), self.meta.get("unit", "units")
        return f"Representations({name!r}, {len(self)} {unit}, {len(self.layers)} layers)"


@dataclass(frozen=True)
class Store:
    """A folder of representations: `manifest.json`, `shards/NNNNN.parquet` and perhaps `skipped.jsonl`.

    Notes
    -----
    Every file is written under another name and moved into place when it is whole, so a shard that exists is
    finished, and a killed run loses at most the one it was at. A shard carries the hash of its study and the
    list of what it left out; totals and `skipped.jsonl` are made of these by whoever finds all shards there,
    so that it does not matter how often a run was stopped, or by how many processes it was shared.
    """

    folder: Path

    @property
    def manifest_path(self) -> Path:
        """Where the manifest is."""
        return self.folder / "manifest.json"

    @property
    def skipped_path(self) -> Path:
        """Where a finished store lists what was left out, if anything was."""
        return self.folder / "skipped.jsonl"

    def shard_path(self, number: int) -> Path:
        """Where a shard is."""
        return self.folder / "shards" / f"{number:05d}.parquet"

    def manifest(self) -> dict[str, Any]:
        """Return the manifest.

        Raises
        ------
        StoreError
            If there is none, or it is broken.
        """
        try:
            manifest = json.loads(self.manifest_path.read_text(encoding="utf-8"))
            found = f"of format {manifest['format']}"
            if manifest["format"] == FORMAT and {"n_shards", "n_layers", "width"} <= set(
                manifest["identity"]
            ):
                return dict(manifest)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise StoreError(
                f"folder {self.folder} has no manifest.json",
                expected="a store made by extract",
                cause="the path of another folder, or of one shard",
                fix="give the folder that extract wrote (--out)",
            ) from error
        except (ValueError, TypeError, KeyError, OSError) as error:
            found = f"not readable ({type(error).__name__}: {error})"
        raise StoreError(
            f"{self.manifest_path} is {found}",
            expected=f"the manifest of a store, format {FORMAT}",
            cause="a file that was damaged or edited, or a store made by another version of this package",
            fix="remove this file and run the same extract command again: shards that belong to it are kept",
        )

    def holds(self, identity: Mapping[str, Any]) -> bool:
        """Return whether this study has begun here.

        Raises
        ------
        StoreError
            If the folder holds finished work of another model, corpus or setting.
        """
        if not self.manifest_path.exists():
            return False
        found, wanted = self.manifest()["identity"], json.loads(json.dumps(identity))
        differing = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        if differing and any(self.folder.glob("shards/*.parquet")):
            listed = "; ".join(
                f"{key}: {_brief(found.get(key))} there, {_brief(wanted.get(key))} now" for key in differing
            )
            raise StoreError(
                f"{self.folder} holds representations of another study ({listed})",
                expected="the same model, corpus and settings, to go on where it stopped",
                cause="a folder that was used before, or a setting that was changed",
                fix="give another folder (--out), or remove this one",
            )
        return not differing

    def begin(self, identity: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Write the manifest of a study that begins."""
        self._write_text(self.manifest_path, _text({"format": FORMAT, "identity": identity, **record}))

    def finish(self, identity: Mapping[str, Any]) -> None:
        """If all shards are there, write the totals and the list of what was left out, and clear leftovers.

        Raises
        ------
        StoreError
            If another study took the folder in the meantime.
        """
        there = list(self.records().values()) if self.holds(identity) else []
        if len(there) < identity["n_shards"]:
            return
        skipped = [entry for record in there for entry in record["skipped"]]
        lines = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in skipped)
        if skipped:
            self._write_text(self.skipped_path, lines)
        elif self.skipped_path.exists():
            self.skipped_path.unlink()
        totals = {
            key: sum(record[key] for record in there)
            for key in ("utterances", "units", "units_without_frames")
        }
        versions = {
            name: ", ".join(sorted({record["versions"][name] for record in there}))
            for name in there[0]["versions"]
        }
        complete = {"versions": versions, "complete": True, **totals, "skipped": len(skipped)}
        self._write_text(self.manifest_path, _text(self.manifest() | complete))
        for draft in [*self.folder.glob(".*.draft"), *self.folder.glob("shards/.*.draft")]:
            with suppress(OSError):
                draft.unlink()

    def records(self, numbers: Sequence[int] | None = None) -> dict[int, dict[str, Any]]:
        """Return the records of the shards of this study that are there and whole, among all or some."""
        identity = self.manifest()["identity"]
        study, records = study_hash(identity), {}
        for number in range(identity["n_shards"]) if numbers is None else numbers:
            record = read_record(self.shard_path(number))
            if record is not None and record.get("study") == study:
                records[number] = record
        return records

    def skipped(self) -> list[dict[str, Any]]:
        """Return what was left out so far, with the reasons."""
        return [entry for record in self.records().values() for entry in record["skipped"]]

    @contextmanager
    def writing(self, path: Path) -> Iterator[Path]:
        """Give another path to write to; it takes the place of `path` when the block ends well.

        Raises
        ------
        StoreError
            If the folder is read-only or the disk is full; what was finished stays.
        """
        draft = path.with_name(f".{path.name}.{uuid4().hex}.draft")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            try:
                draft.replace(path)
            except FileNotFoundError:  # another process wrote the same file and cleared up
                if not path.exists():
                    raise
        except OSError as error:
            raise StoreError(
                f"{path} cannot be written: {error.strerror or error}",
                expected="a folder that can be written, with room for the store",
                cause="a read-only folder, a full disk, or a file in the place of a folder",
                fix="give another folder (--out), or make room and run the same command again; "
                "the shards that are finished stay",
            ) from error
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    def _write_text(self, path: Path, text: str) -> None:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            with self.writing(path) as draft:
                draft.write_text(text, encoding="utf-8")

    def open(self, numbers: Sequence[int] | None = None, keeper: object = None) -> Representations:
        """Open the finished store, or some of its shards; `keeper` lives as long as the result."""
        manifest = self.manifest()
        identity = manifest["identity"]
        numbers = range(identity["n_shards"]) if numbers is None else numbers
        records = self.records(numbers)
        absent = [number for number in numbers if number not in records]
        if absent:
            raise StoreError(
                f"store {self.folder} lacks {len(absent)} of its {len(numbers)} shards: {shortlist(absent)}",
                expected="a finished store",
                cause="extraction was stopped, another part of it (--shard i/n) has not run, or a file is damaged",
                fix="run the same extract command again; it makes only what is missing",
            )
        paths = [self.shard_path(number) for number in numbers]
        with self._reading():
            units = read_units(paths)
        n_units = len(units)

        def read(layer: int) -> npt.NDArray[np.float32]:
            with self._reading():
                return read_layer(paths, layer, n_units, identity["width"])

        def stream(layers: Sequence[int]) -> Iterator[npt.NDArray[np.float32]]:
            with self._reading():
                yield from read_blocks(paths, layers, identity["width"], BLOCK)

        meta = {**identity, **{key: manifest[key] for key in manifest if key != "identity"}}
        return Representations(units, read, tuple(range(identity["n_layers"])), meta, keeper, stream)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException, ValueError) as error:
            raise StoreError(
                f"a shard of {self.folder} cannot be read: {error}",
                expected="the shards that extract wrote",
                cause="a file was damaged, moved or replaced",
                fix="remove the damaged shard and run the same extract command again",
            ) from error


def study_hash(identity: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what makes a study, which every shard of it carries."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _text(manifest: Mapping[str, Any]) -> str:
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 40 else text[:12] + "..."
