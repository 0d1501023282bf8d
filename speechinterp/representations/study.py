"""Study: what one extraction does with every utterance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from speechinterp.corpora import Corpus
from speechinterp.corpora.files import readable
from speechinterp.corpora.tiers import OVERHANG
from speechinterp.errors import AnnotationError, AudioError, ModelError, SpeechInterpError
from speechinterp.frames import FrameRule, exact_seconds
from speechinterp.representations.encoder import Encoder, Wave
from speechinterp.representations.plan import batches, chunks
from speechinterp.representations.pooling import Pool, Row, every_frame, pooled, whole_unit
from speechinterp.segments import Segment

__all__ = ["OnBad", "Study"]

OnBad = Literal["raise", "skip"]


class UnitWriter(Protocol):
    """What takes the units of a shard: a file, or sums."""

    def add(
        self, units: Sequence[tuple[str, str | None, str, Row]], vectors: npt.NDArray[np.float32]
    ) -> None:
        """Take units (utterance, speaker, tier, row) and their vectors [shape=(layers, units, width)]."""

    def finish(self, record: dict[str, Any]) -> None:
        """Take the record of the shard, which is whole."""


@dataclass(frozen=True)
class Piece:
    """Sound that is encoded as a whole, an utterance or with pool ``slice`` one of its units, and its units."""

    id: str
    speaker: str | None
    wave: Wave
    seconds: float
    units: Sequence[Segment]


@dataclass
class Left:
    """What a shard leaves out, utterances and single units, with the reasons."""

    utterances: set[str] = field(default_factory=set)
    entries: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """The settings of an extraction."""

    encoder: Encoder
    corpus: Corpus
    unit: str
    pool: Pool
    rule: FrameRule
    on_bad: OnBad

    def identity(self, n_shards: int) -> dict[str, Any]:
        """Return everything that two runs must share to write into one store.

        What has no meaning is None: the rule where the sound is cut or every frame is a unit, and the pooling
        of single frames.
        """
        frames = self.unit == "frames"
        return {
            **self.encoder.describe(),
            "state": "raw",
            "n_layers": self.encoder.n_states,
            "width": self.encoder.width,
            "corpus": self.corpus.name,
            "corpus_options": dict(self.corpus.options),
            "ids_sha256": hashlib.sha256("\n".join(self.corpus.ids).encode()).hexdigest(),
            "n_utterances": len(self.corpus),
            "n_shards": n_shards,
            "unit": self.unit,
            "pool": None if frames else self.pool,
            "rule": None if frames or self.pool == "slice" else self.rule,
        }

    def make_shard(self, writer: UnitWriter, ids: Sequence[str], record: dict[str, Any]) -> Iterator[int]:
        """Encode the utterances of a shard, write their units, and yield how many are done."""
        left, done = Left(), set[str]()
        n_units = without_frames = 0
        for chunk in chunks(self.pieces(ids, left)):
            made: dict[int, tuple[list[Row], Tensor]] = {}
            for batch in batches(chunk, self.encoder.batch_limit):
                made |= self.encode(chunk, batch, left)
                done |= {chunk[i].id for i in batch}
                yield len(done | left.utterances)
            kept = [i for i in sorted(made) if made[i][0]]
            if kept:
                rows = [(chunk[i].id, chunk[i].speaker, self.unit, row) for i in kept for row in made[i][0]]
                vectors = torch.cat([made[i][1] for i in kept], dim=1)
                writer.add(rows, vectors.numpy())
                n_units += len(rows)
                without_frames += sum(row.frames == 0 for *_, row in rows)
        order = {id_: position for position, id_ in enumerate(ids)}
        record |= {
            "utterances": len(ids) - len(left.utterances),
            "units": n_units,
            "units_without_frames": without_frames,
            "skipped": sorted(left.entries, key=lambda entry: order[entry["utterance"]]),
        }
        writer.finish(record)

    def pieces(self, ids: Iterable[str], left: Left) -> Iterator[Piece]:
        """Read utterances, in their order, and leave out those that cannot be used."""
        for id_ in ids:
            try:
                piece = self.read(id_)
            except SpeechInterpError as error:
                self.leave_out(id_, error, left)
                continue
            yield from self.cut(piece, left) if self.pool == "slice" else [piece]

    def read(self, id_: str) -> Piece:
        """Read the sound and the units of an utterance."""
        rate = self.encoder.sample_rate
        with readable(id_):
            utterance = self.corpus[id_]
            wave = utterance.waveform(rate)
        self.encoder.check_sound(f"utterance {id_!r}", wave)
        seconds = len(wave) / rate
        if self.unit in ("utterance", "frames"):
            units = [Segment(0.0, seconds, utterance.transcript or id_)]
        else:
            units = [segment for segment in utterance.tier(self.unit) if segment.label]
        late = [unit for unit in units if unit.end > seconds + OVERHANG]
        if late:
            raise AnnotationError(
                f"utterance {id_!r}: {late[0].label!r} ends at {late[0].end:.3f} s, its sound at {seconds:.3f} s",
                expected="units within the sound",
                cause="the annotation of another recording, or times in another unit",
                fix="correct the times, or leave the utterance out (--on-bad skip)",
            )
        return Piece(id_, utterance.speaker, wave, seconds, units)

    def cut(self, piece: Piece, left: Left) -> Iterator[Piece]:
        """Cut an utterance into its units; units too short to be encoded are left out."""
        rate = self.encoder.sample_rate
        for unit in piece.units:
            first, stop = (
                math.floor(exact_seconds(t) * rate + Fraction(1, 2)) for t in (unit.start, unit.end)
            )
            wave = piece.wave[first:stop]
            try:
                self.encoder.check_sound(
                    f"{unit.label!r} at {unit.start:.3f} s of utterance {piece.id!r}", wave
                )
            except AudioError as error:
                left.entries.append(_entry(piece.id, error, unit))
                continue
            yield Piece(piece.id, piece.speaker, wave, len(wave) / rate, [unit])

    def encode(
        self, chunk: Sequence[Piece], batch: Sequence[int], left: Left
    ) -> dict[int, tuple[list[Row], Tensor]]:
        """Run one batch and pool its units; the result is by position in the chunk."""
        made = {}
        states = self.encoder.states([chunk[i].wave for i in batch])
        for i, state in zip(batch, states, strict=True):
            piece = chunk[i]
            vectors, rows = self.pooled(piece, state.cpu())
            broken = (~torch.isfinite(vectors)).any(2).any(1).nonzero()
            if len(broken):
                error = ModelError(
                    f"utterance {piece.id!r}: NaN or infinite values from layer {int(broken[0])} on",
                    expected="finite states",
                    cause="damaged weights, or a number format too coarse for this model",
                    fix="load the model with dtype='float32' (--dtype float32), or download it again",
                )
                self.leave_out(piece.id, error, left, piece.units[0] if self.pool == "slice" else None)
                continue
            made[i] = rows, vectors
        return made

    def pooled(self, piece: Piece, state: Tensor) -> tuple[Tensor, list[Row]]:
        """Return the vectors of the units of a piece, and a row for each."""
        grid = self.encoder.frames(len(piece.wave))
        if self.unit == "frames":
            return every_frame(state, grid, piece.seconds)
        if self.pool == "slice":
            return whole_unit(state, piece.units[0])
        return pooled(state, grid, piece.units, self.pool, self.rule)

    def leave_out(self, id_: str, error: SpeechInterpError, left: Left, unit: Segment | None = None) -> None:
        """Record what is left out, or raise if that was not asked for."""
        if self.on_bad == "raise":
            if repr(id_) in error.found:
                raise error
            found = f"utterance {id_!r}: {error.found}"
            raise type(error)(found, expected=error.expected, cause=error.cause, fix=error.fix) from error
        left.entries.append(_entry(id_, error, unit))
        if unit is None:
            left.utterances.add(id_)


def _entry(id_: str, error: SpeechInterpError, unit: Segment | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"utterance": id_}
    if unit is not None:
        entry |= {"label": unit.label, "start": unit.start, "end": unit.end}
    return entry | {"error": type(error).__name__, "reason": str(error)}
