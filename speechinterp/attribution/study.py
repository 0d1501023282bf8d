"""Attribution of a corpus: relevance and its faithfulness for every utterance, kept as soon as they are there."""

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
from speechinterp.attribution.baselines import Baseline
from speechinterp.attribution.entry import attribute, over_units
from speechinterp.attribution.faithfulness import faithfulness
from speechinterp.attribution.units import Windows
from speechinterp.corpora import Corpus, Utterance
from speechinterp.corpora.keeping import keep_each, write_whole
from speechinterp.errors import AttributionError
from speechinterp.models import SpeechModel
from speechinterp.models.targets import Contrast, Target, named, usual

__all__ = ["Attributed", "attribute_corpus", "read_relevance", "tidy"]


@dataclass(frozen=True)
class Attributed:
    """The relevances of a corpus.

    Parameters
    ----------
    model, corpus, unit
        What was explained.
    paths
        File of every utterance's relevance.
    skipped
        Why an utterance was left out.
    """

    model: SpeechModel
    corpus: Corpus
    unit: str | Windows
    paths: dict[str, Path]
    skipped: dict[str, str]

    def __iter__(self) -> Iterator[xr.DataArray]:
        """Read one relevance after the other, as the method gave it."""
        return (read_relevance(path) for path in self.paths.values())

    def of_units(self) -> Iterator[xr.DataArray]:
        """Read one relevance after the other, summed over units [dims=(target, unit)]."""
        return (
            over_units(self.model, self.corpus[id_], read_relevance(p), self.unit)
            for id_, p in self.paths.items()
        )

    def faithfulness(self) -> pd.DataFrame:
        """Return how faithful every relevance is, beside relevance drawn by chance."""
        text = {"utterance": str, "speaker": str, "target": str}
        tables = [pd.read_csv(_beside(p), dtype=text, keep_default_na=False) for p in self.paths.values()]
        return pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True)

    def joined(self) -> xr.DataArray:
        """Put the relevance of all units into one array, with NaN and empty labels where there are fewer.

        Returns
        -------
        xarray.DataArray
            [dims=(utterance, target, unit)], with `speaker`, and what every target and unit is called.
        """
        every = list(self.of_units())
        n, m = max(each.sizes["target"] for each in every), max(each.sizes["unit"] for each in every)
        shape = (len(every), n, m)
        values, value_full = np.full(shape, np.nan), np.full(shape[:2], np.nan)
        names = np.full(shape[:2], "", dtype=object)
        labels = np.full((len(every), m), "", dtype=object)
        times = np.full((2, len(every), m), np.nan)
        for i, each in enumerate(every):
            a, b = each.sizes["target"], each.sizes["unit"]
            values[i, :a, :b] = each.transpose("target", "unit").values
            names[i, :a], labels[i, :b] = each.target.values, each.label.values
            value_full[i, :a] = each.coords.get("value_full", np.nan)
            times[:, i, :b] = each.start.values, each.end.values
        coords = {
            "utterance": list(self.paths),
            "speaker": ("utterance", [str(each.attrs.get("speaker", "")) for each in every]),
            "target": np.arange(n),
            "unit": np.arange(m),
            "target_name": (("utterance", "target"), names.astype(str)),
            "value_full": (("utterance", "target"), value_full),
            "label": (("utterance", "unit"), labels.astype(str)),
            "start": (("utterance", "unit"), times[0]),
            "end": (("utterance", "unit"), times[1]),
        }
        first = every[0].attrs
        keep = {
            k: v
            for k, v in first.items()
            if all(np.array_equal(np.asarray(each.attrs.get(k)), np.asarray(v)) for each in every)
        }
        return xr.DataArray(values, coords, ("utterance", "target", "unit"), name="relevance", attrs=keep)


def attribute_corpus(
    model: SpeechModel,
    corpus: Corpus,
    out: str | Path,
    method: str = "shapley",
    *,
    target: str | None = None,
    against: str | None = None,
    unit: str | Windows = "words",
    judge: Baseline = "noise",
    n_random: int = 20,
    seed: int = 0,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Attributed:
    """Explain every utterance of a corpus, and measure how faithful that is.

    Parameters
    ----------
    model, corpus
        The model, and what it hears.
    out
        Folder for ``ID.nc`` (relevance) and ``ID.csv`` (its faithfulness); those of an earlier run that was stopped
        are kept.
    method
        A key of `METHODS`.
    target, against
        Names of targets (:func:`~speechinterp.models.targets.named`), the second to explain why the first rather
        than it; None for what is usual, and for no contrast.
    unit
        A tier, or windows: the units of faithfulness, and of methods that play with units.
    judge
        The baseline of faithfulness. Where it is the method's own, the method has an advantage.
    n_random
        How many random relevances stand for chance.
    seed
        Of what is drawn.
    on_bad
        What to do with an utterance that cannot be used: ``raise``, or ``skip`` and say why.
    progress
        Called with the numbers of utterances done and in all.
    **options
        `space`, `baseline` and `samples` of :func:`attribute`.

    Returns
    -------
    Attributed
        The relevances.

    Raises
    ------
    AttributionError
        If the folder holds relevance of another study, or no utterance could be used.
    SpeechInterpError
        For a bad utterance; what is finished stays.
    """
    folder = Path(out)
    identity = {
        "method": method, "target": target, "against": against, "unit": repr(unit), "judge": repr(judge),
        "n_random": n_random, "seed": seed, "model": model.weights_hash, "version": speechinterp.__version__,
        "corpus": corpus.name, "corpus_options": corpus.options, **options,
    }  # fmt: skip
    study = hashlib.sha256(json.dumps(identity, sort_keys=True, default=repr).encode()).hexdigest()

    def make(utterance: Utterance) -> tuple[xr.DataArray, pd.DataFrame]:
        asked = _target(model, utterance, target, against)
        relevance = attribute(model, utterance, method, target=asked, unit=unit, seed=seed, **options)
        relevance.attrs |= {"study": study, "corpus": corpus.name, "speaker": utterance.speaker or ""}
        table = _judged(
            model,
            utterance,
            relevance,
            target=asked,
            unit=unit,
            baseline=judge,
            n_random=n_random,
            seed=seed,
        )
        return relevance, table

    def check(path: Path) -> None:
        if read_relevance(path).attrs.get("study") != study:
            raise _other(path)

    paths, skipped = keep_each(
        corpus, folder, make, _write, check, fatal=OtherStudyError, on_bad=on_bad, progress=progress
    )
    if not paths:
        raise AttributionError(
            f"no utterance of corpus {corpus.name!r} could be used; the first: {next(iter(skipped.values()), 'none')}",
            expected="at least one",
            fix="repair what is named, or choose another target or unit",
        )
    return Attributed(model, corpus, unit, paths, skipped)


def tidy(relevance: xr.DataArray) -> pd.DataFrame:
    """Turn the relevance of units into a table.

    Parameters
    ----------
    relevance
        Of one utterance [dims=(target, unit)].

    Returns
    -------
    pandas.DataFrame
        One row a target and unit: `utterance`, `speaker`, `method`, `space`, `baseline`, `target`, `unit` (its number),
        `label`, `start`, `end`, `relevance`, and what else the method tells of a target or unit.
    """
    about = relevance.attrs
    table = relevance.to_dataset(name="relevance").to_dataframe(dim_order=["target", "unit"]).reset_index()
    table = table.assign(
        utterance=about.get("utterance", ""), speaker=about.get("speaker", ""),
        method=about["method"].replace("_", "-"), space=about.get("space", "units"), baseline=about.get("baseline", ""),
    )  # fmt: skip
    first = ["utterance", "speaker", "method", "space", "baseline", "target", "unit", "label", "start", "end"]
    first.append("relevance")
    return table[[*first, *[column for column in table if column not in first]]]


def read_relevance(path: Path) -> xr.DataArray:
    """Read relevance from a NetCDF file.

    Raises
    ------
    AttributionError
        If it is no such file.
    """
    try:
        return xr.load_dataarray(path, engine="scipy")
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise AttributionError(
            f"{path} cannot be read: {type(error).__name__}",
            expected="relevance that speechinterp wrote, in NetCDF",
            cause="a file that was cut short or changed",
            fix="remove it; the same command makes it again",
        ) from error


class OtherStudyError(AttributionError):
    """A folder holds relevance of another model, method or setting."""


def _other(path: Path) -> OtherStudyError:
    return OtherStudyError(
        f"{path} is of another study",
        expected="relevance of the same model, method, target and settings in one folder",
        cause="an earlier run with other arguments, or another version of the package",
        fix="give another folder (--out), or remove the old files",
    )


def _target(model: SpeechModel, utterance: Utterance, target: str | None, against: str | None) -> Target:
    one = usual(model) if target is None else named(target, utterance.meta)
    return one if against is None else Contrast(one, named(against, utterance.meta))


def _judged(
    model: SpeechModel,
    utterance: Utterance,
    relevance: xr.DataArray,
    *,
    target: Target,
    unit: str | Windows,
    **options: Any,
) -> pd.DataFrame:
    """Measure faithfulness beside chance; a table without rows where there is one unit, and so one order."""
    pooled = over_units(model, utterance, relevance, unit)
    if pooled.sizes["unit"] < 2:
        return pd.DataFrame(columns=["utterance", "speaker", "method", "target", "metric", "value"])
    name = str(relevance.attrs["method"]).replace("_", "-")
    table = faithfulness(model, utterance, {name: pooled}, target=target, unit=unit, **options)
    table.insert(1, "speaker", utterance.speaker or "")
    return table.assign(judge=table.attrs["baseline"])


def _write(found: tuple[xr.DataArray, pd.DataFrame], path: Path) -> None:
    """Write relevance and its faithfulness; relevance last, since it marks what is finished."""
    relevance, table = found
    write_whole(lambda draft: table.to_csv(draft, index=False), _beside(path))
    write_whole(lambda draft: relevance.to_netcdf(draft, engine="scipy"), path)


def _beside(path: Path) -> Path:
    return path.with_suffix(".csv")
