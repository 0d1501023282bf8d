"""What results can do by themselves: ``result.si``, an accessor of xarray for relevance over time."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from speechinterp.audio import Sound
from speechinterp.corpora import Utterance, write_annotation
from speechinterp.errors import AttributionError, shortlist
from speechinterp.segments import Segment, Tier

__all__ = ["Relevance"]

CLOSE = 1e-9
RAMP = 0.02
RATE = 16000


@xr.register_dataarray_accessor("si")
class Relevance:
    """Relevance over time or over units, as the methods of :mod:`speechinterp.attribution` give it.

    Parameters
    ----------
    array
        With a dimension ``time`` (times in seconds) or ``unit`` (with coordinates ``label``, ``start``, ``end``).
    """

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    def over_time(self) -> xr.DataArray:
        """Return relevance summed over frequencies or channels [dims=(target, time)]."""
        array = self._timed()
        return array.sum([d for d in array.dims if d in ("frequency", "channel")], keep_attrs=True)

    def to_units(
        self, tier: Tier | Sequence[Segment], *, pool: Literal["sum", "mean"] = "sum"
    ) -> xr.DataArray:
        """Pool relevance over the segments of a tier.

        Parameters
        ----------
        tier
            Words, phones, or any other segments; those without a label are left out.
        pool
            ``sum`` keeps the total; ``mean`` over samples or frames does not favour long units.

        Returns
        -------
        xarray.DataArray
            [dims=(target, unit)] with the coordinates ``label``, ``start``, ``end``, and for every target ``outside``,
            the sum over times in no unit. A time belongs to the unit with start <= time < end.

        Raises
        ------
        AttributionError
            If relevance is not over time, or no unit has a time.
        """
        if pool not in ("sum", "mean"):
            raise AttributionError(f"pool={pool!r}", expected="'sum' or 'mean'", fix="pool='sum'")
        array = self.over_time()
        times = array.time.to_numpy()
        segments = [segment for segment in tier if segment.label]
        edges = np.array([[s.start, s.end] for s in segments]).reshape(-1, 2) - CLOSE
        bounds = np.searchsorted(times, edges, side="left")
        if not (bounds[:, 1] > bounds[:, 0]).any():
            place = f" from {segments[0].start:.3f} s to {segments[-1].end:.3f} s" if segments else ""
            raise AttributionError(
                f"{len(segments)} units{place}",
                expected=f"units within the sound, from 0 to {times[-1]:.3f} s",
                cause="times in samples or milliseconds, the tier of another utterance, or a tier without labels",
                fix="utterance.tiers['words'] of the same utterance",
            )
        values = array.transpose("target", "time").to_numpy()
        pooled = np.stack([values[:, a:b].sum(1) for a, b in bounds], axis=1)
        covered = np.zeros(len(times), bool)
        for a, b in bounds:
            covered[a:b] = True
        if pool == "mean":
            with np.errstate(invalid="ignore"):
                pooled = pooled / (bounds[:, 1] - bounds[:, 0])
        kept = {
            str(name): ("target", coord.to_numpy())
            for name, coord in array.coords.items()
            if coord.dims == ("target",) and name != "target"
        }
        coords: dict[str, Any] = {
            "target": array.target.to_numpy(),
            "unit": np.arange(len(segments)),
            "label": ("unit", np.array([s.label for s in segments], dtype=str)),
            "start": ("unit", np.array([s.start for s in segments])),
            "end": ("unit", np.array([s.end for s in segments])),
            "outside": ("target", values[:, ~covered].sum(1)),
            **kept,
        }
        attrs = array.attrs | {"unit": getattr(tier, "name", "segments"), "pool": pool, "rule": "centre"}
        return xr.DataArray(pooled, coords, ("target", "unit"), name=array.name, attrs=attrs)

    def to_table(self) -> pd.DataFrame:
        """Return relevance of units as a table, one row a target, one column a unit, named by its label.

        Raises
        ------
        AttributionError
            If relevance is not over units.
        """
        array = self._by_units("rel.si.to_units(utterance.tiers['words']).si.to_table()")
        columns = pd.Index(array.label.to_numpy(), name="unit")
        return pd.DataFrame(array.to_numpy(), pd.Index(array.target.to_numpy(), name="target"), columns)

    def to_tiers(self, *, digits: int = 3) -> dict[str, Tier]:
        """Return a tier for every target, whose labels are ``label: score``; scores are also those of the segments.

        Raises
        ------
        AttributionError
            If relevance is not over units.
        """
        array = self._by_units("rel.si.to_units(utterance.tiers['words']).si.to_textgrid(path)")
        tiers: dict[str, Tier] = {}
        for row in array:
            name = str(row.target.item()).strip()
            places = zip(
                row.start.to_numpy(), row.end.to_numpy(), row.label.to_numpy(), row.to_numpy(), strict=True
            )
            segments = [
                Segment(float(a), float(b), f"{label}: {score:+.{digits}g}", float(score))
                for a, b, label, score in places
            ]
            tiers[_free(name or "target", tiers)] = Tier(name, segments)
        return tiers

    def to_textgrid(
        self, path: str | Path, *, tier: Tier | Sequence[Segment] | None = None, digits: int = 3
    ) -> None:
        """Write relevance as tiers of a Praat TextGrid, one a target; each unit's label with its score.

        Parameters
        ----------
        path
            Where to.
        tier
            Units, where relevance is over time; without it, times are divided into windows of 20 ms.
        digits
            Of the scores.

        Raises
        ------
        AttributionError
            If relevance is neither over time nor over units.
        """
        array = self._array
        if "unit" not in array.dims:
            array = self.to_units(tier if tier is not None else self._windows())
        rate = int(array.attrs.get("sample_rate", RATE))
        seconds = float(array.attrs.get("duration_s", array.end.max()))
        sound = Sound(np.zeros(max(1, round(seconds * rate)), np.float32), rate)
        write_annotation(path, array.si.to_tiers(digits=digits), audio=sound, format="textgrid")

    def gated(self, utterance: Utterance, *, target: int = 0, floor_db: float = -30.0) -> Sound:
        r"""Return the sound as loud at every time as its relevance: what speaks for a target is left to be heard.

        Parameters
        ----------
        utterance
            Whose relevance it is.
        target
            Which target, by number.
        floor_db
            How loud the rest is.

        Returns
        -------
        Sound
            The utterance times a gain from the floor to 1 that is linear in positive relevance.

        Raises
        ------
        AttributionError
            If relevance is neither over time nor over units, or there is no such target.

        Notes
        -----
        Full gain is at the largest relevance of a unit; of relevance over time, which is summed over bins of 20 ms and
        smoothed over three of them, at the 95th percentile of those above 0. Between units the gain passes over
        in 20 ms.
        """
        array = self._array if "unit" in self._array.dims else self.to_units(self._windows())
        if not 0 <= target < array.sizes["target"]:
            raise AttributionError(
                f"target {target}", expected=f"a number below {array.sizes['target']}", fix="target=0"
            )
        row = array.isel(target=target)
        values = np.clip(row.to_numpy().astype(np.float64), 0, None)
        edges = np.stack([row.start.to_numpy(), row.end.to_numpy()], 1)
        rate = int(array.attrs.get("sample_rate", RATE))
        samples = utterance.waveform(rate)
        at = np.arange(len(samples)) / rate
        if "unit" in self._array.dims:
            full = values.max(initial=0.0)
            shares = sum(
                (value * _gate(at, *edge) for value, edge in zip(values, edges, strict=True)), start=0 * at
            )
        else:
            levels = np.convolve(values, np.ones(3) / 3, mode="same")
            full = float(np.percentile(levels[levels > 0], 95)) if levels.any() else 0.0
            shares = np.interp(at, edges.mean(1), levels)
        floor = 10 ** (floor_db / 20)
        gain = floor + (1 - floor) * np.clip(shares / (full or 1.0), 0, 1)
        return Sound((samples * gain).astype(np.float32), rate)

    def to_sound(
        self, path: str | Path, utterance: Utterance, *, target: int = 0, floor_db: float = -30.0
    ) -> None:
        """Write the sound gated by relevance as a WAV file of 16 bits; see :meth:`gated`."""
        import soundfile

        sound = self.gated(utterance, target=target, floor_db=floor_db)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(
            path, np.clip(sound.samples, -1, 1), sound.sample_rate, subtype="PCM_16", format="WAV"
        )

    def plot(self, utterance: Any = None, **options: Any) -> Any:
        """Draw relevance over the sound; see :func:`speechinterp.viz.plot_relevance`.

        Parameters
        ----------
        utterance
            Whose sound and tiers to draw along with it; None for relevance alone.
        **options
            Of that function.

        Returns
        -------
        matplotlib.figure.Figure
        """
        return import_module("speechinterp.viz").plot_relevance(self._array, utterance, **options)

    def _by_units(self, fix: str) -> xr.DataArray:
        array = self._array
        if not {"target", "unit"} <= set(array.dims):
            raise AttributionError(
                f"relevance over {shortlist(array.dims)}", expected="relevance over units", fix=fix
            )
        return array.transpose("target", "unit")

    def _timed(self) -> xr.DataArray:
        if not {"target", "time"} <= set(self._array.dims):
            raise AttributionError(
                f"relevance over {shortlist(self._array.dims) or 'nothing'}",
                expected="the dimensions target and time",
                cause="relevance that is over units already, or one target taken out by an index",
                fix="rel.sel(target=['cat']) keeps the dimension",
            )
        return self._array

    def _windows(self) -> list[Segment]:
        seconds = float(self._array.attrs.get("duration_s", self._array.time.max()))
        n = max(1, round(seconds / 0.02))
        edges = [seconds * i / n for i in range(n + 1)]
        return [Segment(a, b, f"{a:.2f}") for a, b in pairwise(edges)]


def _gate(at: npt.NDArray[np.float64], start: float, end: float) -> npt.NDArray[np.float64]:
    """Return 1 inside a unit and 0 outside, with ramps centred on its ends, so that units that touch sum to 1."""
    half = min(RAMP, end - start) / 2
    return np.interp(at, [start - half, start + half, end - half, end + half], [0.0, 1.0, 1.0, 0.0])


def _free(name: str, taken: dict[str, Tier]) -> str:
    """Return a name that is not taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free
