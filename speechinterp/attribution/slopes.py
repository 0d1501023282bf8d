"""Slopes: scores and their gradients at points of a space, for several targets from one forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

import speechinterp
from speechinterp.attribution.baselines import Baseline, check_baseline, filling, name_of
from speechinterp.attribution.opening import described, flat
from speechinterp.attribution.spaces import Space, SpaceName, Within, space_of
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError, shortlist
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target, bind

__all__ = ["Slopes", "baseline_point", "opened_space", "relevance_array", "slopes"]

Targets = Target | Sequence[Target]


@dataclass(frozen=True)
class Slopes:
    """Scores and gradients.

    Parameters
    ----------
    scores
        [shape=(batch, targets)], in double precision.
    gradients
        [shape=(targets, batch, *dims)].
    """

    scores: Tensor
    gradients: Tensor


def slopes(space: Space, points: Tensor, within: Within = nullcontext) -> Slopes:
    """Return scores and gradients at points: one forward pass, and one backward pass a target.

    Raises
    ------
    AttributionError
        If a score or a gradient is not finite.
    """
    leaf = points.detach().requires_grad_()
    with torch.enable_grad(), frozen(space.model):
        scores = space.scores(leaf, within)
        columns = scores.sum(0)
        n = len(columns)
        found = [
            torch.autograd.grad(column, leaf, retain_graph=i + 1 < n, allow_unused=True)[0]
            for i, column in enumerate(columns)
        ]
    gradients = torch.stack([torch.zeros_like(leaf) if each is None else each for each in found])
    names = space.bound.names
    for what, values in (("score", scores.detach().T), ("gradient", gradients.flatten(1))):
        finite = values.isfinite().all(1)
        if not bool(finite.all()):
            bad = [name for name, ok in zip(names, finite.tolist(), strict=True) if not ok]
            raise AttributionError(
                f"a {what} of {shortlist(bad, 5)} that is not finite",
                expected="finite numbers",
                cause="weights that are NaN, a number format too coarse (float16), or a target that cannot be",
                fix="load the model with dtype='float32', or choose another target",
            )
    return Slopes(scores.detach(), gradients)


@contextmanager
def frozen(model: SpeechModel) -> Iterator[None]:
    """Spare the gradients of the weights, for the length of a block."""
    thawed = [p for p in model.module.parameters() if p.requires_grad]
    for p in thawed:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in thawed:
            p.requires_grad_()


def opened_space(model: SpeechModel, utterance: Heard, target: Targets, space: SpaceName) -> Space:
    """Find a target in an utterance and open a space for it."""
    return space_of(bind(target, model, utterance), utterance, space)


def baseline_point(space: Space, baseline: Baseline, random: np.random.Generator) -> tuple[Tensor, str]:
    """Return a baseline as a point of a space, and its name.

    Parameters
    ----------
    space
        The space.
    baseline
        A name, mean spectrum or waveform as for units; ``mean``, the utterance's own mean over time; or a tensor or
        array with the shape of the space's points.
    random
        Draws noise.

    Raises
    ------
    AttributionError
        If it is unknown or has another length.
    """
    if isinstance(baseline, str) and baseline == "mean":
        axis = space.dims.index("time")
        inside = space.point.narrow(axis, 0, space.inside)
        return inside.mean(axis, keepdim=True).expand_as(space.point), "mean"
    if isinstance(baseline, np.ndarray | Tensor) and baseline.ndim > 1:
        if tuple(baseline.shape) != tuple(space.point.shape):
            raise AttributionError(
                f"a baseline of shape {tuple(baseline.shape)} in the space {space.name!r}",
                expected=f"{tuple(space.point.shape)} ({', '.join(space.dims)}), or a waveform of {len(space.sound)} "
                "samples",
                cause="a baseline of another utterance or space",
                fix="baseline='silence'",
            )
        return torch.as_tensor(baseline).to(space.point), "point"
    if isinstance(baseline, str) and baseline in ("delete", "neighbour"):
        raise AttributionError(
            f"baseline {baseline!r} for a whole sound",
            expected="silence, mean, noise, reversed, corpus_mean(corpus), or a waveform",
            cause="what takes the place of a unit beside others cannot take that of all",
            fix="baseline='silence'",
        )
    n = len(space.sound)
    check_baseline(baseline, n, space.rate)
    samples = space.sound.cpu().numpy()
    sound = np.asarray(filling(baseline, samples, 0, n, random), dtype=np.float32)
    return space.of(torch.from_numpy(sound).to(space.sound.device)).detach(), name_of(baseline)


def relevance_array(
    space: Space,
    utterance: Heard,
    relevance: Tensor,
    method: str,
    values: dict[str, Tensor] | None = None,
    **attrs: Any,
) -> xr.DataArray:
    """Turn relevance into a result [dims=(target, ...)].

    Parameters
    ----------
    space
        Where it is.
    utterance
        Of what it is.
    relevance
        [shape=(targets, *dims)]; what belongs to the padding of a window is summed up in the coordinate ``padding``.
    method
        Name of the method.
    values
        Other numbers of every target, as coordinates [shape=(targets,)].
    **attrs
        What else to record.
    """
    axis = 1 + space.dims.index("time")
    numbers: npt.NDArray[np.float64] = relevance.detach().double().cpu().numpy()
    kept = np.take(numbers, range(space.inside), axis)
    coords: dict[str, Any] = {"target": np.array(list(space.bound.names), dtype=str), **space.coords}
    every = tuple(range(1, numbers.ndim))
    if numbers.shape[axis] > space.inside:
        coords["padding"] = ("target", numbers.sum(every) - kept.sum(every))
    spans = [(np.nan, np.nan) if span is None else span for span in space.bound.spans]
    coords["target_start"] = ("target", np.array([span[0] for span in spans]))
    coords["target_end"] = ("target", np.array([span[1] for span in spans]))
    coords |= {
        name: ("target", value.detach().double().cpu().numpy()) for name, value in (values or {}).items()
    }
    record = {
        "method": method,
        **space.settings(),
        "utterance": utterance.id if isinstance(utterance, Utterance) else "",
        "duration_s": len(space.sound) / space.rate,
        "sample_rate": space.rate,
        **described(space.model),
        **flat(space.bound.describe()),
        **attrs,
        "version": speechinterp.__version__,
    }
    return xr.DataArray(kept, coords, ("target", *space.dims), name="relevance", attrs=record)
