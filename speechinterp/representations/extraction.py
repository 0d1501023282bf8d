"""Extraction: a corpus through all layers of a model, into a store, in bounded memory."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

import speechinterp
from speechinterp.corpora import Corpus
from speechinterp.errors import AnnotationError, AudioError, SpeechInterpError, StoreError
from speechinterp.frames import FrameGrid, FrameRule
from speechinterp.models.model import Heard
from speechinterp.representations.plan import Planned, batches, fingerprint, plan_shards
from speechinterp.representations.pooling import Pool, pool_units
from speechinterp.representations.store import UNIT_COLUMNS, Representations, Store
from speechinterp.segments import Segment

__all__ = ["Encoder", "extract"]

Wave = npt.NDArray[np.float32]


class Encoder(Protocol):
    """What extraction needs: a :class:`~speechinterp.SpeechModel`, or acoustic features in its place."""

    @property
    def sample_rate(self) -> int:
        """Of the input, in Hz."""

    @property
    def n_states(self) -> int:
        """Number of layers of :meth:`states`."""

    @property
    def width(self) -> int:
        """Dimensions of a frame."""

    def frames(self, heard: Heard | int) -> FrameGrid:
        """Return the frames of a sound or of a number of samples."""

    def states(self, heard: Sequence[Heard]) -> list[Tensor]:
        """Return the states of each sound [shape=(layers, frames, dimensions)]."""

    def check_sound(self, name: str, samples: Wave) -> None:
        """Raise AudioError if a sound cannot be taken."""

    def batch_limit(self, seconds: float) -> int:
        """Return how many sounds to run at once if the longest has this many seconds."""

    def describe(self) -> dict[str, Any]:
        """Return what a result must record."""


def extract(
    model: Encoder,
    corpus: Corpus,
    unit: str = "phones",
    pool: Pool = "mean",
    out: str | Path | None = None,
    *,
    rule: FrameRule = "centre",
    on_bad: Literal["raise", "skip"] = "raise",
    shard: tuple[int, int] = (0, 1),
    progress: Callable[[int, int], None] | None = None,
) -> Representations:
    """Extract the representations of all units of a corpus at all layers.

    Parameters
    ----------
    model
        A model, or :class:`~speechinterp.representations.AcousticFeatures`.
    corpus
        The utterances.
    unit
        A tier name (``"phones"``, ``"words"``, ...), ``"frames"`` for every frame, or ``"utterance"``.
        Segments without a label are no units.
    pool
        ``mean``, ``centre``, ``min``, ``max``, ``all`` (every frame of a unit, one row each), or ``slice``:
        the sound is cut first and each piece encoded alone, so that no context leaks in, then averaged.
    out
        Folder of the store; None keeps it in a temporary folder as long as the result lives.
    rule
        Which frames belong to a unit: ``centre``, ``overlap``, ``inside`` or ``majority``.
    on_bad
        What to do with an utterance that cannot be read or used: ``raise``, or ``skip`` and record why.
    shard
        (i, n): make only every n-th shard, starting at the i-th, counted from 0, to share the work.
    progress
        Called with the numbers of utterances done and in all.

    Returns
    -------
    Representations
        Of the raw states: layer 0 is the input of the first transformer layer. With `shard`, of this part.

    Raises
    ------
    SpeechInterpError
        For a bad utterance; finished shards stay, and the same call goes on after them.
    StoreError
        If `out` cannot be written or holds another study.

    Notes
    -----
    The plan (which utterances share a shard and a batch) depends on the corpus and the model only, so a run
    that was killed and repeated gives the same store as one that was not.
    """
    if pool == "slice" and unit == "frames":
        raise StoreError("pool 'slice' with unit 'frames'", expected="a tier as unit", fix="unit='phones'")
    part, n_parts = shard
    if not 0 <= part < n_parts:
        raise StoreError(f"shard {part}/{n_parts}", expected="0 <= i < n", fix="--shard 0/4 ... --shard 3/4")
    keeper = tempfile.TemporaryDirectory(prefix="speechinterp-") if out is None else None
    store = Store(Path(keeper.name if keeper else str(out)))
    study = _Study(model, corpus, unit, pool, rule, on_bad)
    plan = plan_shards(corpus)
    store.begin(study.identity(plan), _versions())
    mine = range(part, len(plan), n_parts)
    done, total = 0, sum(len(plan[number]) for number in mine)
    for number in mine:
        if not store.has_shard(number):
            for finished in study.make_shard(store, number, plan[number]):
                if progress:
                    progress(done + finished, total)
        done += len(plan[number])
        if progress:
            progress(done, total)
    representations = store.open(mine if n_parts > 1 else None, keeper)
    if n_parts == 1 and not len(representations):
        raise AnnotationError(
            f"corpus {corpus.name!r} gave no {unit!r}; {len(store.skipped())} of {len(corpus)} utterances left out",
            expected="labelled segments in that tier",
            cause="an empty tier, or utterances that could not be used",
            fix="choose another unit (--unit), or run with on_bad='raise' to see the first reason",
        )
    return representations


@dataclass(frozen=True)
class _Study:
    encoder: Encoder
    corpus: Corpus
    unit: str
    pool: Pool
    rule: FrameRule
    on_bad: Literal["raise", "skip"]

    def identity(self, plan: list[list[Planned]]) -> dict[str, Any]:
        """Return everything that two runs must share to write into one store."""
        return {
            **self.encoder.describe(),
            "state": "raw",
            "corpus": self.corpus.name,
            "corpus_sha256": fingerprint(plan),
            "n_utterances": len(self.corpus),
            "unit": self.unit,
            "pool": self.pool,
            "rule": self.rule,
            "n_layers": self.encoder.n_states,
            "n_shards": len(plan),
        }

    def make_shard(self, store: Store, number: int, planned: list[Planned]) -> Iterator[int]:
        """Make one shard and write it; yield how many of its utterances are done."""
        made: dict[str, tuple[pd.DataFrame, Tensor]] = {}
        skipped: dict[str, list[dict[str, Any]]] = {}
        done = 0
        for batch in batches(planned, self.encoder.batch_limit):
            read: dict[str, tuple[str, Wave, list[Segment]]] = {}
            for entry in batch:
                try:
                    read[entry.id] = self.read(entry.id)
                except SpeechInterpError as error:
                    skipped[entry.id] = [self.excuse(entry.id, error)]
            if self.pool == "slice":
                for id_, (speaker, wave, units) in read.items():
                    made[id_], skipped[id_] = self.encode_slices(id_, speaker, wave, units)
            elif read:
                made |= self.encode(read)
            done += len(batch)
            yield done
        rows = [made[entry.id] for entry in planned if entry.id in made]
        empty = (
            pd.DataFrame(columns=list(UNIT_COLUMNS)),
            torch.zeros(self.encoder.n_states, 0, self.encoder.width),
        )
        tables = pd.concat([table for table, _ in rows] or [empty[0]], ignore_index=True)
        vectors = torch.cat([vector for _, vector in rows] or [empty[1]], dim=1).numpy()
        reasons = [reason for entry in planned for reason in skipped.get(entry.id, [])]
        store.write_shard(number, tables, vectors, reasons)

    def read(self, id_: str) -> tuple[str, Wave, list[Segment]]:
        """Return speaker, sound and units of an utterance."""
        utterance = self.corpus[id_]
        wave = utterance.waveform(self.encoder.sample_rate)
        self.encoder.check_sound(f"utterance {id_!r}", wave)
        if self.unit == "utterance":
            label = utterance.transcript or id_
            units = [Segment(0.0, len(wave) / self.encoder.sample_rate, label)]
        elif self.unit == "frames":
            units = [Segment(0.0, len(wave) / self.encoder.sample_rate, "")]
        else:
            units = [segment for segment in utterance.tier(self.unit) if segment.label]
        return utterance.speaker or "", wave, units

    def excuse(self, id_: str, error: SpeechInterpError) -> dict[str, Any]:
        """Return the record of an utterance that is left out, or raise if that was not asked for."""
        if self.on_bad == "skip":
            return {"utterance": id_, "error": type(error).__name__, "reason": str(error)}
        if id_ in error.found:
            raise error
        found = f"utterance {id_!r}: {error.found}"
        raise type(error)(found, expected=error.expected, cause=error.cause, fix=error.fix) from error

    def encode(
        self, read: dict[str, tuple[str, Wave, list[Segment]]]
    ) -> dict[str, tuple[pd.DataFrame, Tensor]]:
        """Run one batch and pool its units."""
        states = self.encoder.states([wave for _, wave, _ in read.values()])
        made = {}
        pool: Pool = "all" if self.unit == "frames" else self.pool
        for (id_, (speaker, wave, units)), state in zip(read.items(), states, strict=True):
            grid = self.encoder.frames(len(wave))
            vectors, rows = pool_units(state.cpu(), grid, units, pool, self.rule)
            made[id_] = (self.table(id_, speaker, rows), vectors)
        return made

    def encode_slices(
        self, id_: str, speaker: str, wave: Wave, units: list[Segment]
    ) -> tuple[tuple[pd.DataFrame, Tensor], list[dict[str, Any]]]:
        """Encode every unit of an utterance alone; units too short to be encoded are left out and recorded."""
        rate = self.encoder.sample_rate
        vectors, rows, skipped = [], [], []
        for position, unit in enumerate(units):
            piece = wave[round(unit.start * rate) : round(unit.end * rate)]
            try:
                self.encoder.check_sound(f"utterance {id_!r}, {unit.label!r} at {unit.start:.3f} s", piece)
            except AudioError as error:
                skipped.append({"utterance": id_, "error": "AudioError", "reason": str(error)})
                continue
            state = self.encoder.states([piece])[0]
            vectors.append(state.mean(1).cpu())
            middle = (unit.start + unit.end) / 2
            rows.append((position, unit.start, unit.end, unit.label, state.shape[1], middle))
        table = pd.DataFrame(rows, columns=["unit", "start", "end", "label", "frames", "time"])
        none = torch.zeros(self.encoder.n_states, 0, self.encoder.width)
        return (self.table(id_, speaker, table), torch.stack(vectors, dim=1) if vectors else none), skipped

    def table(self, id_: str, speaker: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the columns that describe units in the store."""
        return rows.assign(utterance=id_, speaker=speaker, tier=self.unit)[list(UNIT_COLUMNS)]


def _versions() -> dict[str, Any]:
    return {
        "format": 1,
        "versions": {
            "speechinterp": speechinterp.__version__,
            "torch": torch.__version__,
            "transformers": version("transformers"),
            "python": platform.python_version(),
        },
    }
