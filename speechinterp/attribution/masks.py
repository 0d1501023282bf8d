"""Masks: relevance of every point of the spectrogram, from random smooth masks over it (RISE, SPES)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import Tensor

import speechinterp
from speechinterp.attribution.baselines import Baseline, check_baseline, filling, name_of
from speechinterp.attribution.opening import described, flat
from speechinterp.attribution.spaces import Spectrogram, space_of
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.model import Heard
from speechinterp.models.targets import Target, bind

__all__ = ["mask_slopes", "rise", "smooth_masks"]

Doubles = npt.NDArray[np.float64]


@torch.no_grad()
def rise(
    model: SpeechModel,
    utterance: Heard,
    *,
    target: Target | Sequence[Target],
    samples: int = 1000,
    cell: tuple[float, float] = (0.1, 1000.0),
    keep: float = 0.5,
    baseline: Baseline = "silence",
    seed: int = 0,
) -> xr.DataArray:
    r"""Cover random parts of the spectrogram and measure what an output gains where it is left open (RISE).

    Parameters
    ----------
    model, utterance, target
        As in :func:`shapley`.
    samples
        How many masks.
    cell
        Size of a cell of the mask in seconds and Hz; finer detail than this cannot be found.
    keep
        Chance that a cell is left open.
    baseline
        What is heard through covered cells: ``silence``, ``noise``, ``reversed``, a :func:`corpus_mean` or a waveform.
    seed
        Of the masks, and of noise.

    Returns
    -------
    xarray.DataArray
        Relevance [dims=(target, frequency, time)] in units of the output, with `standard_error`.

    Raises
    ------
    AttributionError
        If keep is not between 0 and 1, the cells do not fit into the spectrogram, there are fewer than 20 samples,
        or the baseline has no place in a whole sound.

    Notes
    -----
    Cells are drawn on a coarse grid, which is laid over the spectrogram at a random place and interpolated linearly.
    With m the mask at a point and s the output,

    .. math:: R = \mathrm{cov}(s, m) / \mathrm{var}(m),

    what the output gains when that point is opened, all others being open or covered by chance. The original RISE
    takes :math:`E[s\,m] / E[m]`, which ranks points alike but is not centred at 0. For a target that
    grows with change, such as `si.targets.kl` (SPES), relevant points are negative.

    References
    ----------
    Petsiuk, V., Das, A., & Saenko, K. (2018). RISE: randomized input sampling for explanation of black-box models.
    BMVC.
    Fucci, D., Gaido, M., Savoldi, B., Negri, M., Cettolo, M., & Bentivogli, L. (2024). SPES: spectrogram perturbation
    for explainable speech-to-text generation. arXiv:2411.01710.
    """
    bound = bind(target, model, utterance)
    space = space_of(bound, utterance, "spectrogram")
    assert isinstance(space, Spectrogram)
    sound, n = space.sound, len(space.sound)
    check_baseline(baseline, n, space.rate)
    if isinstance(baseline, str) and baseline in ("delete", "neighbour"):
        raise AttributionError(
            f"baseline {baseline!r} behind a mask",
            expected="silence, noise, reversed, corpus_mean(corpus), or a waveform",
            cause="points of the spectrogram share their time with others",
            fix="baseline='silence'",
        )
    random = np.random.default_rng(seed)
    behind = torch.from_numpy(filling(baseline, sound.cpu().numpy(), 0, n, random)).to(sound)
    under, change = space.transform(behind), space.transform(sound) - space.transform(behind)

    def score(masks: Tensor) -> Tensor:
        return bound.scores(space.inverse(under + masks.to(change) * change))

    shape = (change.shape[0], change.shape[1])
    grid = (cell[1] / (space.rate / space.size), cell[0] / space.hop_seconds)
    _check(shape, grid, keep, samples, cell)
    batch = max(1, model.batch_limit(n / space.rate))
    slopes, errors = mask_slopes(score, shape, grid, keep, samples=samples, batch=batch, random=random)
    coords: dict[str, Any] = {"target": np.array(list(bound.names), dtype=str), **space.coords}
    coords["standard_error"] = (("target", *space.dims), errors)
    record = {
        "method": "rise",
        **described(model),
        **flat(bound.describe()),
        **space.settings(),
        "baseline": name_of(baseline),
        "cell_s": cell[0],
        "cell_hz": cell[1],
        "keep": keep,
        "seed": seed,
        "n_passes": samples,
        "utterance": utterance.id if isinstance(utterance, Utterance) else "",
        "duration_s": n / space.rate,
        "version": speechinterp.__version__,
    }
    return xr.DataArray(slopes, coords, ("target", *space.dims), name="relevance", attrs=record)


def smooth_masks(
    n: int, shape: tuple[int, int], grid: tuple[float, float], keep: float, random: np.random.Generator
) -> Tensor:
    """Return random masks, open at 1 and covered at 0 [shape=(n, *shape)].

    Parameters
    ----------
    n
        How many.
    shape
        Points of the spectrogram.
    grid
        Points from one cell to the next, in both directions.
    keep
        Chance that a cell is open.
    random
        Draws cells and the place of their grid.
    """
    cells = random.random(
        (n, *(int(np.ceil(size / step)) + 2 for size, step in zip(shape, grid, strict=True)))
    )
    open_ = (cells < keep).astype(np.float64)
    for axis, (size, step) in enumerate(zip(shape, grid, strict=True), start=1):
        place = random.random((n, 1)) + np.arange(size) / step
        before = place.astype(np.int64)
        part = place - before
        index = before[:, :, None] if axis == 1 else before[:, None, :]
        part = part[:, :, None] if axis == 1 else part[:, None, :]
        first, second = (np.take_along_axis(open_, index + k, axis) for k in (0, 1))
        open_ = (1 - part) * first + part * second
    return torch.from_numpy(open_)


def mask_slopes(
    score: Callable[[Tensor], Tensor],
    shape: tuple[int, int],
    grid: tuple[float, float],
    keep: float,
    *,
    samples: int,
    batch: int,
    random: np.random.Generator,
) -> tuple[Doubles, Doubles]:
    """Return the slope of every score on every point of the masks, and its error [shape=(targets, *shape)] each.

    Parameters
    ----------
    score
        From masks [shape=(batch, *shape)] to scores [shape=(batch, targets)].
    shape, grid, keep, random
        As in :func:`smooth_masks`.
    samples, batch
        How many masks, and how many at once.
    """
    scores: list[Tensor] = []
    mean, square = torch.zeros(2, *shape, dtype=torch.float64)
    product = torch.zeros(1, *shape, dtype=torch.float64)
    offset: Tensor | None = None
    for first in range(0, samples, batch):
        masks = smooth_masks(min(batch, samples - first), shape, grid, keep, random)
        found = score(masks).detach().double().cpu()
        offset = found[:1] if offset is None else offset  # so that sums of products lose no digits
        scores.append(found - offset)
        centred = masks - keep
        mean, square = mean + centred.sum(0), square + centred.square().sum(0)
        product = product + torch.einsum("bt,bfn->tfn", found - offset, centred)
    every = torch.cat(scores)
    average = every.mean(0)[:, None, None]
    variance = (square / samples - (mean / samples) ** 2).clamp_min(1e-12)
    slopes = (product / samples - average * mean / samples) / variance
    left = (every.var(0, correction=0)[:, None, None] - slopes**2 * variance).clamp_min(0)
    errors = (left / (variance * (samples - 2))).sqrt()
    return slopes.numpy(), errors.numpy()


def _check(
    shape: tuple[int, ...],
    grid: tuple[float, float],
    keep: float,
    samples: int,
    cell: tuple[float, float],
) -> None:
    if not 0 < keep < 1 or samples < 20:
        raise AttributionError(
            f"{samples} masks that keep a cell with a chance of {keep}",
            expected="at least 20 masks, and a chance between 0 and 1",
            fix="samples=1000, keep=0.5",
        )
    if not all(1 <= step <= size for step, size in zip(grid, shape, strict=True)):
        raise AttributionError(
            f"cells of {cell[0]} s and {cell[1]} Hz",
            expected="cells of at least 0.01 s and 40 Hz, and smaller than the spectrogram",
            cause="milliseconds instead of seconds, or kHz instead of Hz",
            fix="cell=(0.1, 1000)",
        )
