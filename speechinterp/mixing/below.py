"""Below the first layer: how much the front end and the positional convolution mix before any attention."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from speechinterp.corpora import Utterance
from speechinterp.frames import FrameRule
from speechinterp.mixing.scene import Gaps, Scene, set_scene
from speechinterp.mixing.units import Unit
from speechinterp.mixing.zeroing import cosine_distance
from speechinterp.models import SpeechModel, Tap
from speechinterp.models.family import Inputs
from speechinterp.models.model import Heard

__all__ = ["front_end"]


class _ReachedError(Exception):
    """The first layer is reached; what follows is not needed."""


@torch.no_grad()
def front_end(
    model: SpeechModel,
    utterance: Heard,
    unit: Unit = "words",
    *,
    rule: FrameRule = "centre",
    gaps: Gaps = "drop",
) -> xr.DataArray:
    r"""Measure how much is mixed before the first transformer layer.

    Parameters
    ----------
    model, utterance, unit, rule, gaps
        As in :func:`value_zeroing`.

    Returns
    -------
    xarray.DataArray
        Shares [dims=(node, target, source)] with the coordinates that :func:`value_zeroing` gives. The nodes are
        ``"cnn"`` and, in models that have one, ``"positional"``, the positional convolution.

    Notes
    -----
    The scores are cosine distances, as in Value Zeroing, averaged over the target's frames. ``cnn``: the samples of
    the source are set to zero (after the model's own normalisation of the waveform; in Whisper before the
    spectrogram), and frames are compared as the front end gives them. Where a group norm takes its statistics over
    the whole sound, or the spectrogram is clipped at its maximum, every unit changes every other. ``positional``: the
    source's frames are set to zero as the positional convolution reads them, while the residual keeps them, and
    inputs of the first layer are compared. Each source is a run of the front end alone.
    """
    scene = set_scene(model, utterance, unit, where="encoder", rule=rule, gaps=gaps, tokens=None)
    inputs = model.prepare([utterance])
    outer = scene.decomposition.outer
    frames = "projection" if "projection" in outer else "cnn"
    nodes = {"cnn": _silenced(model, utterance, inputs, scene, frames)}
    if "positional" in outer:
        nodes["positional"] = _unplaced(model, inputs, scene)
    scores = []
    for distances in nodes.values():
        pooled = scene.targets.mean_rows(distances[scene.rows], scene.rows)
        scores.append(pooled[: scene.targets.n_units])
    result = scene.array(scores, "front_end", heads=0, pool="joint", distance="cosine")
    return result.rename(layer="node").assign_coords(node=list(nodes))


def _silenced(model: SpeechModel, utterance: Heard, inputs: Inputs, scene: Scene, part: str) -> Tensor:
    """Return the distances of frames to those of a sound in which a column is silent [shape=(frames, columns)]."""
    wave = utterance.waveform(model.sample_rate) if isinstance(utterance, Utterance) else utterance
    wave = torch.as_tensor(np.asarray(wave), device=model.device)
    before = scene.decomposition.outer[part]
    distances = before.new_zeros(len(before), scene.sources.n_columns)
    reads_samples = inputs.values.shape[-1] == len(wave)
    for column, inside in enumerate(_samples(scene, len(wave), model.sample_rate)):
        silent = torch.as_tensor(inside, device=model.device)
        if not inside.any():
            continue
        if reads_samples:
            changed = replace(inputs, values=inputs.values.masked_fill(silent, 0.0))
        else:
            changed = model.prepare([wave.masked_fill(silent, 0.0)])
        distances[:, column] = cosine_distance(before, _run(model, changed, Tap(None, part)))
    return distances


def _unplaced(model: SpeechModel, inputs: Inputs, scene: Scene) -> Tensor:
    """Return the distances of the first layer's input to one whose positions do not know a column."""
    frames, before = scene.decomposition.outer["projection"], scene.decomposition.layers[0].residual
    positional = model.family.outer_sites("encoder")["positional"].module
    distances = before.new_zeros(len(before), scene.sources.n_columns)
    for column, members in enumerate(scene.sources.frames):
        unknown = frames.clone()
        unknown[members] = 0.0
        placed = positional(unknown[None])
        with model.intervene({Tap(None, "positional"): placed}):
            distances[:, column] = cosine_distance(before, _run(model, inputs, Tap(0, "residual")))
    return distances


def _run(model: SpeechModel, inputs: Inputs, tap: Tap) -> Tensor:
    """Run a model up to its first layer and return what a tap sees [shape=(frames, width)]."""

    def stop(value: Tensor) -> Tensor:
        raise _ReachedError

    with suppress(_ReachedError), model.record([tap]) as record, model.intervene({Tap(0, "residual"): stop}):
        model.encode(inputs)
    return record[tap][0]


def _samples(scene: Scene, n_samples: int, rate: int) -> list[np.ndarray]:
    """Return which samples are in every column; padding has none."""
    times = np.arange(n_samples) / rate
    inside = [(s.start <= times) & (times < s.end) for s in scene.sources.segments]
    free = ~np.any(inside, axis=0)
    return inside + [free if name == "gap" else np.zeros(n_samples, bool) for name in scene.sources.outside]
