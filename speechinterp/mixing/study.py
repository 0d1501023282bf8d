"""Mixing of a corpus: a map for every utterance, kept as soon as it is made, and all of them in one file and table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

import speechinterp
from speechinterp.corpora import Corpus, Utterance
from speechinterp.corpora.keeping import keep_each, write_whole
from speechinterp.errors import MixingError, check_choice
from speechinterp.mixing.contributions import alti
from speechinterp.mixing.norms import attention_norm, globenc
from speechinterp.mixing.relevance import chefer
from speechinterp.mixing.weights import attention, rollout
from speechinterp.mixing.zeroing import value_zeroing
from speechinterp.models import SpeechModel

__all__ = ["METHODS", "Mixed", "joined", "mix_corpus", "read_map", "tidy", "write_map"]

METHODS: dict[str, Callable[..., xr.DataArray]] = {
    "value-zeroing": value_zeroing,
    "attention": attention,
    "rollout": rollout,
    "attention-norm": attention_norm,
    "globenc": globenc,
    "alti": alti,
    "chefer": chefer,
}


@dataclass(frozen=True)
class Mixed:
    """The maps of a corpus.

    Parameters
    ----------
    paths
        File of every map, by utterance.
    skipped
        Why an utterance was left out.
    """

    paths: dict[str, Path]
    skipped: dict[str, str]

    def __iter__(self) -> Iterator[xr.DataArray]:
        """Read one map after the other."""
        return (read_map(path) for path in self.paths.values())


def mix_corpus(
    model: SpeechModel,
    corpus: Corpus,
    method: str,
    out: str | Path,
    *,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Mixed:
    """Measure mixing in every utterance of a corpus.

    Parameters
    ----------
    model
        The model.
    corpus
        The utterances.
    method
        ``value-zeroing``, ``attention``, ``rollout``, ``attention-norm``, ``globenc``, ``alti`` or ``chefer``.
    out
        Folder for the maps; those of an earlier run that was stopped are kept.
    on_bad
        What to do with an utterance that cannot be used: ``raise``, or ``skip`` and say why.
    progress
        Called with the numbers of utterances done and in all.
    **options
        Of the method, such as `unit`.

    Returns
    -------
    Mixed
        The maps.

    Raises
    ------
    MixingError
        If there is no such method, the folder holds maps of another study, or no utterance could be used.
    SpeechInterpError
        For a bad utterance; finished maps stay.
    """
    check_choice("method", method, METHODS, MixingError)
    folder = Path(out)
    identity = {
        "method": method,
        "model": model.weights_hash,
        "version": speechinterp.__version__,
        "corpus": corpus.name,
        "corpus_options": corpus.options,
        **options,
    }
    study = hashlib.sha256(json.dumps(identity, sort_keys=True, default=repr).encode()).hexdigest()

    def make(utterance: Utterance) -> xr.DataArray:
        mix = METHODS[method](model, utterance, **options)
        mix.attrs |= {"study": study, "corpus": corpus.name, "speaker": utterance.speaker or ""}
        return mix

    def check(path: Path) -> None:
        if read_map(path).attrs.get("study") != study:
            raise _other(path)

    paths, skipped = keep_each(
        corpus, folder, make, write_map, check, fatal=OtherStudyError, on_bad=on_bad, progress=progress
    )
    if not paths:
        raise MixingError(
            f"no utterance of corpus {corpus.name!r} could be used; the first: {next(iter(skipped.values()))}",
            expected="at least one",
            fix="repair what is named, or choose another unit (--unit)",
        )
    return Mixed(paths, skipped)


class OtherStudyError(MixingError):
    """A folder holds maps of another model, method or setting."""


def _other(path: Path) -> OtherStudyError:
    return OtherStudyError(
        f"{path} is a map of another study",
        expected="maps of the same model, method, unit and settings in one folder",
        cause="an earlier run with other arguments, or another version of the package",
        fix="give another folder (--out), or remove the old maps",
    )


def write_map(mix: xr.DataArray, path: Path) -> None:
    """Write a map as a NetCDF file, whole or not at all."""
    write_whole(lambda draft: mix.to_netcdf(draft, engine="scipy"), path)


def read_map(path: Path) -> xr.DataArray:
    """Read a map from a NetCDF file.

    Raises
    ------
    MixingError
        If it is no such file.
    """
    try:
        return xr.load_dataarray(path, engine="scipy")
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise MixingError(
            f"{path} cannot be read: {type(error).__name__}",
            expected="a map that speechinterp wrote, in NetCDF",
            cause="a file that was cut short or changed",
            fix="remove it; the same command makes it again",
        ) from error


def joined(mixed: Mixed) -> xr.DataArray:
    """Put the maps of a corpus into one, with NaN and empty labels where an utterance has fewer units.

    Returns
    -------
    xarray.DataArray
        [dims=(utterance, layer, target, source)]; the map itself where there is one.
    """
    maps = list(mixed)
    if len(maps) == 1:
        return maps[0]
    first = maps[0]
    dims = ("utterance", *first.dims)
    sizes = {dim: max(m.sizes[dim] for m in maps) for dim in first.dims}
    coords: dict[str, Any] = {"utterance": list(mixed.paths)}
    coords |= {str(dim): np.arange(sizes[dim]) for dim in first.dims}
    values = np.stack([_padded(m.values, [sizes[d] for d in first.dims]) for m in maps])
    for name in dict.fromkeys(name for m in maps for name in m.coords if name not in m.dims):
        own = next(m.coords[name].dims for m in maps if name in m.coords)
        shape = [sizes[str(d)] for d in own]
        empty = np.full(shape, "" if str(name).endswith(("_label", "_next")) else np.nan)
        parts = [_padded(m.coords[name].values, shape) if name in m.coords else empty for m in maps]
        coords[str(name)] = (("utterance", *own), np.stack(parts))
    keep = {
        key: value for key, value in first.attrs.items() if all(_same(m.attrs.get(key), value) for m in maps)
    }
    return xr.DataArray(values, coords, dims, name=first.name, attrs=keep)


def _same(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def _padded(values: np.ndarray, shape: list[int]) -> np.ndarray:
    blank: Any = "" if values.dtype.kind in "UO" else np.nan
    result = np.full(shape, blank, dtype=values.dtype if blank == "" else float)
    result[tuple(slice(n) for n in values.shape)] = values
    return result


def tidy(mix: xr.DataArray) -> pd.DataFrame:
    """Turn a map of one utterance into a table with one row a cell.

    Returns
    -------
    pandas.DataFrame
        `utterance`, `method`, `layer`, `head` if there are heads, `target` and `source` (positions), label, start and
        end of both, `share`, and `amount`, `pad_share`, `gap_share` of the row.
    """
    table = mix.to_dataframe().reset_index()
    table.insert(0, "utterance", mix.attrs.get("utterance", ""))
    table.insert(1, "method", mix.attrs["method"])
    sides = [f"{side}{part}" for side in ("target", "source") for part in ("", "_label", "_start", "_end")]
    first = ["utterance", "method", *[d for d in ("node", "layer", "head") if d in mix.dims], *sides, "share"]
    return table[[*first, *[column for column in table if column not in first]]]
