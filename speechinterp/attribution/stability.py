"""Stability: does relevance stay when it should, between methods, seeds, and versions of the same sound?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from scipy.stats import rankdata

from speechinterp.audio import Sound
from speechinterp.audio.noise import at_snr
from speechinterp.corpora import Utterance
from speechinterp.errors import AttributionError
from speechinterp.segments import Tier

__all__ = ["agreement", "sensitivity", "shift_equivariance"]

Doubles = npt.NDArray[np.float64]
Explain = Callable[[Utterance], xr.DataArray]


def agreement(relevances: Mapping[str, xr.DataArray]) -> pd.DataFrame:
    """Compare relevances of the same units: of several methods, or of one with several seeds.

    Parameters
    ----------
    relevances
        Of equal shape, by name.

    Returns
    -------
    pandas.DataFrame
        One row a pair and target: `a`, `b`, `target`, `spearman` (rank correlation), `cosine` and `same_top` (1 if both
        have the same unit on top).

    Raises
    ------
    AttributionError
        If there are fewer than two, or they differ in shape.
    """
    shapes = {each.shape for each in relevances.values()}
    if len(relevances) < 2 or len(shapes) != 1:
        raise AttributionError(
            f"{len(relevances)} relevances of shapes {sorted(shapes)}",
            expected="two or more of the same units and targets",
            fix="relevance.si.to_units(tier) brings maps to units",
        )
    rows = []
    for (a, first), (b, second) in combinations(relevances.items(), 2):
        flat = (each.values.reshape(len(each), -1) for each in (first, second))
        for name, x, y in zip(first["target"].values.tolist(), *flat, strict=True):
            ranks, top = _correlation(rankdata(x), rankdata(y)), float(x.argmax() == y.argmax())
            rows.append((a, b, name, ranks, _cosine(x, y), top))
    return pd.DataFrame(rows, columns=["a", "b", "target", "spearman", "cosine", "same_top"])


def sensitivity(
    explain: Explain,
    utterance: Utterance,
    sample_rate: int,
    *,
    snr_db: float = 40.0,
    n: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Measure how much relevance changes with noise that nobody hears.

    Parameters
    ----------
    explain
        From an utterance to its relevance, such as ``lambda u: shapley(model, u, target=target)``.
    utterance
        The utterance.
    sample_rate
        Of the model, in Hz.
    snr_db
        Signal-to-noise ratio.
    n
        How many noises.
    seed
        Of the noises.

    Returns
    -------
    pandas.DataFrame
        One row a target: `target`, and `mean` and `max` of :math:`\|\phi(x + e) - \phi(x)\| / \|\phi(x)\|`.

    References
    ----------
    Yeh, C.-K., et al. (2019). On the (in)fidelity and sensitivity of explanations. NeurIPS.
    """
    plain = explain(utterance)
    samples = utterance.waveform(sample_rate)
    changes = []
    for k in range(n):
        noisy = at_snr(samples, snr_db, np.random.default_rng([seed, k]))
        changes.append(_relative(plain, explain(replace(utterance, audio=Sound(noisy, sample_rate)))))
    every = np.stack(changes)
    table = pd.DataFrame({"target": plain["target"].values, "mean": every.mean(0), "max": every.max(0)})
    table.attrs |= {**plain.attrs, "snr_db": snr_db, "n": n, "seed": seed}
    return table


def shift_equivariance(
    explain: Explain, utterance: Utterance, sample_rate: int, *, seconds: float = 0.1
) -> pd.DataFrame:
    r"""Put silence before an utterance and see whether its relevance moves along and else stays.

    Parameters
    ----------
    explain, utterance, sample_rate
        As in :func:`sensitivity`.
    seconds
        How much silence, rounded to samples; its tiers move along.

    Returns
    -------
    pandas.DataFrame
        One row a target: `target`, `cosine` of both relevances, `same_top`, and `change`,
        :math:`\|\phi' - \phi\| / \|\phi\|`.

    Raises
    ------
    AttributionError
        If `explain` gives a relevance that cannot be moved back: neither of units nor with a time axis.
    """
    n = round(seconds * sample_rate)
    samples = np.concatenate([np.zeros(n, np.float32), utterance.waveform(sample_rate)])
    later = {
        name: Tier(
            name, [replace(s, start=s.start + n / sample_rate, end=s.end + n / sample_rate) for s in tier]
        )
        for name, tier in utterance.tiers.items()
    }
    plain = explain(utterance)
    moved = explain(replace(utterance, audio=Sound(samples, sample_rate), tiers=later))
    if "time" in plain.dims:
        times = plain["time"].values + n / sample_rate
        moved = moved.interp(time=np.clip(times, *moved["time"].values[[0, -1]]))
    if moved.shape != plain.shape:
        raise AttributionError(
            f"relevances of shapes {plain.shape} and, after the shift, {moved.shape}",
            expected="the same units, or maps with a time axis",
            cause="windows over the whole sound, of which there are more once it is longer",
            fix="units of a tier",
        )
    rows = []
    for name, a, b, change in zip(
        plain["target"].values.tolist(), plain.values, moved.values, _relative(plain, moved), strict=True
    ):
        rows.append((name, _cosine(a.ravel(), b.ravel()), float(a.argmax() == b.argmax()), change))
    table = pd.DataFrame(rows, columns=["target", "cosine", "same_top", "change"])
    table.attrs |= {**plain.attrs, "shift_s": n / sample_rate}
    return table


def _relative(plain: xr.DataArray, other: xr.DataArray) -> Doubles:
    """Return the length of the difference over the length of the first, for every target [shape=(targets,)]."""
    a, b = (each.values.reshape(len(each), -1) for each in (plain, other))
    return np.linalg.norm(b - a, axis=1) / np.maximum(np.linalg.norm(a, axis=1), 1e-300)


def _cosine(a: Doubles, b: Doubles) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-300))


def _correlation(a: Doubles, b: Doubles) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")
