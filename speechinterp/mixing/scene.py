"""Scene: one utterance in one model, taken apart, with its targets and sources; and the map that comes of it."""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
import xarray as xr
from torch import Tensor

import speechinterp
from speechinterp import errors
from speechinterp.corpora import Utterance
from speechinterp.errors import MixingError
from speechinterp.frames import FrameRule
from speechinterp.mixing.decomposition import AttentionParts, Decomposition, LayerParts, decompose
from speechinterp.mixing.memory import Plan, plan
from speechinterp.mixing.tokens import Tokens, tokens_of
from speechinterp.mixing.units import Partition, Unit, partition, positions
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard

__all__ = ["Gaps", "Residual", "Scene", "Step", "Where", "check_choice", "set_scene"]

Where = Literal["encoder", "decoder", "cross"]
Gaps = Literal["drop", "merge"]


class Step(NamedTuple):
    """One attention block in its layer; `after` is what :meth:`LayerParts.finish` calls its place."""

    layer: LayerParts
    attention: AttentionParts
    after: str


@dataclass
class Residual:
    """By how much parts missed their wholes: the largest difference over max(1, largest value)."""

    worst: float | None = None

    def note(self, found: Tensor, expected: Tensor) -> None:
        """Compare a sum of parts with the whole."""
        scale = max(1.0, float(expected.abs().max()))
        self.worst = max(self.worst or 0.0, float((found - expected).abs().max()) / scale)


@dataclass(frozen=True)
class Scene:
    """One utterance in one model, ready to be measured.

    Parameters
    ----------
    decomposition
        Of the stack whose attention is measured.
    where
        ``encoder``, ``decoder`` (tokens attend to tokens) or ``cross`` (tokens attend to frames).
    targets, sources
        Columns of the map's two sides.
    gaps
        What becomes of frames of the sound that are in no unit.
    attrs
        What a result must record.
    residual
        Of the method's own check, that its parts sum to their wholes.
    """

    decomposition: Decomposition
    where: Where
    targets: Partition
    sources: Partition
    gaps: Gaps
    attrs: dict[str, Any]
    residual: Residual = field(default_factory=Residual)

    @property
    def steps(self) -> Iterator[Step]:
        """The attention blocks to measure, one a layer."""
        for layer in self.decomposition.layers:
            if self.where == "cross":
                assert layer.cross is not None
                yield Step(layer, layer.cross, "cross")
            else:
                yield Step(layer, layer.attention, "attention")

    @property
    def rows(self) -> Tensor:
        """The frames (or tokens) of all targets."""
        return self.targets.targets

    def plan(self, floats_per_target: int, chunk: int | None, *, n_targets: int | None = None) -> Plan:
        """Choose a chunk, for a method that takes so many numbers for each target frame."""
        first = self.decomposition.layers[0]
        bytes_ = first.state.element_size()
        n = len(self.rows) if n_targets is None else n_targets
        held = sum(
            t.numel()
            for layer in self.decomposition.layers
            for block in (layer.attention, layer.cross)
            if block is not None
            for t in (block.query, block.key, block.value, block.residual, block.output, block.position_bias)
            if t is not None
        )
        return plan(n, floats_per_target * bytes_, held * bytes_, chunk, first.state.device)

    def chunks(self, plan: Plan, rows: Tensor | None = None) -> Iterator[Tensor]:
        """Cut the target frames into chunks."""
        rows = self.rows if rows is None else rows
        yield from rows.split(plan.chunk)

    def array(
        self, scores: list[Tensor], method: str, plan: Plan | None = None, **attrs: Any
    ) -> xr.DataArray:
        """Turn scores into a map whose rows sum to 1.

        Parameters
        ----------
        scores
            For every layer [shape=(targets, columns)] or [shape=(head, targets, columns)]. The list is emptied, so that
            maps of frames are not in memory twice.
        method
            Name of the measure.
        plan
            How it was computed.
        **attrs
            What else to record.
        """
        shares = np.empty((len(scores), *scores[0].shape))
        for layer in reversed(shares):
            layer[...] = scores.pop().detach().cpu()
        amount = shares.sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            np.divide(shares, amount[..., None], out=shares)
            names = list(self.sources.outside)
            outside = {
                f"{name}_share": shares[..., self.sources.n_units + i].copy() for i, name in enumerate(names)
            }
            dropped = ["gap"] if self.gaps == "drop" and "gap" in names else []
            columns = [*range(self.sources.n_units)]
            columns += [self.sources.n_units + i for i, name in enumerate(names) if name not in dropped]
            kept = shares[..., columns] if dropped else shares
            if dropped:
                np.divide(kept, kept.sum(-1, keepdims=True), out=kept)
        dims = ("layer", *(["head"] if shares.ndim == 4 else []), "target", "source")
        coords: dict[str, Any] = {name: np.arange(n) for name, n in zip(dims, kept.shape, strict=True)}
        for side, part, chosen in (
            ("target", self.targets, range(self.targets.n_units)),
            ("source", self.sources, columns),
        ):
            for name, values in part.coordinates(list(chosen)).items():
                coords[f"{side}_{name}"] = (side, values)
        if not self.targets.timed:
            following = [segment.label for segment in self.targets.segments[1:]]
            coords["target_next"] = ("target", np.array([*following, ""], dtype=str))
        coords["amount"] = (dims[:-1], amount)
        coords |= {name: (dims[:-1], values) for name, values in outside.items()}
        record = {
            "method": method,
            **self.attrs,
            **attrs,
            "undefined_rows": int(np.isnan(kept).any(-1).sum()),
            "row_sum_error": float(np.nanmax(np.abs(kept.sum(-1) - 1), initial=0.0)),
        }
        record |= {} if self.residual.worst is None else {"parts_sum_residual": self.residual.worst}
        record |= {"chunk": plan.chunk, "memory_mb": round(plan.bytes / 1e6, 1)} if plan else {}
        return xr.DataArray(kept, coords, dims, name="share", attrs=record)


@torch.no_grad()
def set_scene(
    model: SpeechModel,
    heard: Heard,
    unit: Unit,
    *,
    where: Where,
    rule: FrameRule,
    gaps: Gaps,
    tokens: Tokens,
) -> Scene:
    """Run a model on an utterance once and say what is a target and what a source.

    Raises
    ------
    MixingError
        For a `where` that the model does not have, or an unknown argument.
    AnnotationError
        If the units do not fit the sound.
    """
    check_choice("where", where, get_args(Where))
    check_choice("gaps", gaps, get_args(Gaps))
    utterance = heard if isinstance(heard, Utterance) else None
    wave = heard.waveform(model.sample_rate) if isinstance(heard, Utterance) else heard
    grid, duration = model.frames(wave), len(wave) / model.sample_rate
    n_frames = grid.n_frames or 0
    if model.family.max_samples is not None:
        n_frames = model.family.config.max_source_positions
    attrs: dict[str, Any] = {
        "where": where,
        "unit": unit if isinstance(unit, str) else "segments",
        "rule": rule,
        "gaps": gaps,
        "utterance": utterance.id if utterance is not None else "",
        "duration_s": duration,
        "n_frames": grid.n_frames,
        "source_stack": "decoder" if where == "decoder" else "encoder",
        "target_stack": "encoder" if where == "encoder" else "decoder",
        **_described(model),
        "version": speechinterp.__version__,
    }
    frames = None if where == "decoder" else partition(utterance, grid, n_frames, duration, unit, rule=rule)
    if frames is not None:
        _check_sources(frames, gaps, str(attrs["utterance"]))
        attrs["units_without_frames"] = json.dumps(
            [[s.start, s.end, s.label] for s in frames.empty], ensure_ascii=False
        )
    if where == "encoder":
        assert frames is not None
        return Scene(decompose(model, wave), where, frames, frames, gaps, attrs)
    ids, labels = tokens_of(model, wave, tokens)
    attrs["tokens"] = [int(i) for i in ids]
    decomposition = decompose(model, wave, "decoder", ids)
    spoken = positions(labels)
    return Scene(decomposition, where, spoken, frames or spoken, gaps, attrs)


def _check_sources(sources: Partition, gaps: Gaps, name: str) -> None:
    """Refuse a single source, whose share is 1 by definition."""
    left = [where for where in sources.outside if where == "pad" or gaps == "merge"]
    if sources.n_units + len(left) == 1:
        only = sources.segments[0]
        raise MixingError(
            f"{f'utterance {name!r}' if name else 'the waveform'} has one unit, {only.label!r} "
            f"from {only.start:.3f} to {only.end:.3f} s",
            expected="two sources or more, since the share of a single one is 1",
            cause="a clip of one word, or a tier with one segment",
            fix="a finer unit, such as phones or frames, or gaps='merge' if there is sound around it",
        )


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise MixingError if an argument is none of the values it can have."""
    errors.check_choice(name, value, known, MixingError)


_known: weakref.WeakKeyDictionary[SpeechModel, tuple[object, dict[str, Any]]] = weakref.WeakKeyDictionary()


def _described(model: SpeechModel) -> dict[str, Any]:
    """Return the record of a model; its weights are hashed again only after they have changed."""
    state = tuple((p.data_ptr(), p._version) for p in model.module.parameters())
    known = _known.get(model)
    if known is None or known[0] != state:
        known = state, {key: _flat(value) for key, value in model.describe().items()}
        _known[model] = known
    return known[1]


def _flat(value: Any) -> Any:
    """Return a value as NetCDF can hold it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return int(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list | tuple) else value
