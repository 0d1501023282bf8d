"""Rates: error rates and statistics by layer, with intervals and the control of exchanged transcripts."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.errors import LensError
from speechinterp.lenses.edits import aligned, distance
from speechinterp.lenses.references import METRICS, units_of

__all__ = ["rates", "regressive"]

Doubles: TypeAlias = npt.NDArray[np.float64]
N_RESAMPLES = 1000
STATISTICS = ("accuracy", "surprisal", "entropy", "kl", "agreement", "settled")
Numbers: TypeAlias = dict[str, dict[str, list[float]]]
STUDY = ["model", "baseline", "lens", "symbols", "layer"]


def rates(
    table: pd.DataFrame,
    *,
    normalise: Callable[[str], str] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Sum up what layers write: error rates, and how far they are from the top.

    Parameters
    ----------
    table
        From one of the lenses, or several such tables joined.
    normalise
        The form in which transcripts and references are compared; ``model.vocabulary.normalise`` is that of the
        model's kind of symbols. None compares them as they are.
    confidence
        The share of bootstrap resamples of speakers (of utterances, if speakers are not known) in the interval.
    seed
        Of the bootstrap, and of which transcripts are exchanged.

    Returns
    -------
    pandas.DataFrame
        One row a model, baseline, lens, layer and metric: ``score``, ``ci_low``, ``ci_high`` and the number ``n``
        of utterances. Metrics: ``wer`` and ``cer``, or ``per`` for models of phones, of what is written freely;
        ``regressive`` and ``progressive``, the shares of words (or phones) that are right here and wrong at the
        top, and the other way round; the means ``accuracy``, ``surprisal``, ``entropy``, ``kl``, ``agreement``
        and ``settled``; and ``ended``, a share of utterances. Baseline ``shuffled-transcripts`` scores what the
        trained model writes against what was said in other utterances.

    Raises
    ------
    LensError
        If the table is empty or lacks a column.

    Notes
    -----
    An error rate is the summed edit distance over the summed length of the references; it can exceed 1. The
    alignment for ``regressive`` and ``progressive`` has the least number of edits; see
    :func:`speechinterp.lenses.edits.aligned`.
    """
    missing = [c for c in (*STUDY, "utterance", "speaker", "transcript", "reference") if c not in table]
    if missing or table.empty:
        raise LensError(
            f"the table has {'no rows' if not missing else 'no column ' + ', '.join(missing)}",
            expected="a table of si.lenses.ctc, logit, decoder or tuned",
            fix="pass it with all its columns",
        )
    form = cache(normalise or (lambda text: " ".join(text.split())))
    record, table = dict(table.attrs), table.copy()
    table.attrs = {}
    rows: list[dict[str, Any]] = []
    for key, study in table.groupby(STUDY[:-1], sort=False, dropna=False):
        named = dict(zip(STUDY[:-1], key, strict=True))
        rows += _summed(_counted(study, form), study, seed, confidence, named)
        if named["baseline"] == "none":
            control = named | {"baseline": "shuffled-transcripts"}
            rows += _summed(_exchanged(study, form, seed), study, seed, confidence, control)
    columns = ["model", "baseline", "lens", "layer", "metric", "score", "ci_low", "ci_high", "n"]
    result = pd.DataFrame(rows).reindex(columns=columns)
    result.attrs = record | {"confidence": confidence, "seed": seed}
    return result


def _summed(
    numbers: Numbers, study: pd.DataFrame, seed: int, confidence: float, named: dict[str, Any]
) -> list[dict[str, Any]]:
    """Sum what was counted over the utterances of each layer, with an interval."""
    rows = []
    clusters = _clusters(study)
    drawn = _resamples(int(clusters.max()) + 1, seed)
    for metric, columns in numbers.items():
        for layer, part in study.assign(_cluster=clusters, **columns).groupby("layer", sort=True):
            known = part[part["_of"].fillna(0) > 0]
            if len(known):
                score, low, high = _ratio(known, drawn, confidence)
                values = {"score": score, "ci_low": low, "ci_high": high, "n": known["utterance"].nunique()}
                rows.append({**named, "layer": layer, "metric": metric, **values})
    return rows


def regressive(table: pd.DataFrame, *, normalise: Callable[[str], str] | None = None) -> pd.DataFrame:
    """List words (or phones) that some layer has right and the top has wrong.

    Parameters
    ----------
    table
        From :func:`speechinterp.lenses.ctc` or :func:`speechinterp.lenses.decoder`.
    normalise
        As in :func:`rates`.

    Returns
    -------
    pandas.DataFrame
        One row a word: model, baseline, lens, utterance, ``position`` in the reference, ``unit``, the ``layers``
        that have it right, and what the ``top`` has in its place (missing where it leaves it out).
    """
    form = cache(normalise or (lambda text: " ".join(text.split())))
    rows = []
    scored = table[table["reference"].notna()]
    scored = scored[(scored["symbols"] != "pieces") | (scored["lens"] == "decoder")]
    keys = ["model", "baseline", "lens", "symbols", "utterance"]
    for key, study in scored.groupby(keys, sort=False, dropna=False):
        metric = METRICS[str(key[3])][0]
        layers = study.sort_values("layer")
        reference = units_of(form(layers["reference"].iloc[0]), metric)
        heard = [aligned(reference, units_of(form(text), metric)).heard for text in layers["transcript"]]
        for position, unit in enumerate(reference):
            right = [n for n, h in zip(layers["layer"], heard, strict=True) if h[position] == unit]
            if right and heard[-1][position] != unit:
                named = dict(zip([*keys[:3], "utterance"], [*key[:3], key[4]], strict=True))
                listed = " ".join(str(n) for n in right)
                rows.append(
                    named | {"position": position, "unit": unit, "layers": listed, "top": heard[-1][position]}
                )
    columns = ["model", "baseline", "lens", "utterance", "position", "unit", "layers", "top"]
    return pd.DataFrame(rows, columns=columns)


def _counted(study: pd.DataFrame, form: Callable[[str], str]) -> Numbers:
    """Return for every metric, row by row, what is counted and out of how many, as columns ``_is`` and ``_of``."""
    numbers: Numbers = {}
    symbols = str(study["symbols"].iloc[0])
    steps = study["steps"].astype(float)
    if _free(study):
        for metric in METRICS[symbols]:
            numbers[metric] = _errors(study, study["reference"], form, metric)
        numbers |= _against_top(study, form, METRICS[symbols][0])
    for name in STATISTICS:
        if name in study and study[name].notna().any():
            weight = steps if name != "surprisal" else steps.where(study[name].notna(), 0.0)
            numbers[name] = {"_is": list(study[name].astype(float) * weight), "_of": list(weight)}
    if "ended" in study and study["ended"].notna().any():
        numbers["ended"] = {"_is": list(study["ended"].astype(float)), "_of": [1.0] * len(study)}
    return numbers


def _free(study: pd.DataFrame) -> bool:
    """Return whether transcripts are written freely, and not token by token after a given beginning."""
    return str(study["symbols"].iloc[0]) != "pieces" or str(study["lens"].iloc[0]) == "decoder"


def _errors(
    study: pd.DataFrame, references: pd.Series[Any], form: Callable[[str], str], metric: str
) -> dict[str, list[float]]:
    errors, lengths = [], []
    for said, text in zip(references, study["transcript"], strict=True):
        if pd.isna(said):
            errors.append(np.nan)
            lengths.append(0.0)
            continue
        reference = units_of(form(said), metric)
        errors.append(float(distance(reference, units_of(form(text), metric))))
        lengths.append(float(len(reference)))
    return {"_is": errors, "_of": lengths}


def _against_top(study: pd.DataFrame, form: Callable[[str], str], metric: str) -> Numbers:
    """Count the words that are right here and wrong at the top, and the other way round."""
    top = study["layer"].max()
    right: dict[tuple[Hashable, Hashable], npt.NDArray[np.bool_]] = {}
    for row in study[study["reference"].notna()].itertuples():
        reference = units_of(form(str(row.reference)), metric)
        heard = aligned(reference, units_of(form(str(row.transcript)), metric)).heard
        right[row.utterance, row.layer] = np.array([h == u for h, u in zip(heard, reference, strict=True)])
    lost, won, lengths = [], [], []
    for row in study.itertuples():
        here, there = right.get((row.utterance, row.layer)), right.get((row.utterance, top))
        known = here is not None and there is not None
        lengths.append(float(len(here)) if known and here is not None else 0.0)
        lost.append(float((here & ~there).sum()) if here is not None and there is not None else np.nan)
        won.append(float((~here & there).sum()) if here is not None and there is not None else np.nan)
    return {"regressive": {"_is": lost, "_of": lengths}, "progressive": {"_is": won, "_of": lengths}}


def _exchanged(study: pd.DataFrame, form: Callable[[str], str], seed: int) -> Numbers:
    """Score transcripts against what was said in other utterances, as :func:`_counted` does."""
    symbols = str(study["symbols"].iloc[0])
    said = study.dropna(subset=["reference"]).groupby("utterance")["reference"].first()
    if said.map(form).nunique() < 2 or not _free(study):
        return {}
    order = np.random.default_rng(seed).permutation(len(said))
    ids, texts = said.index[order], said.to_numpy()[order]
    other: dict[Hashable, str] = {}
    for place, id_ in enumerate(ids):
        ahead = (texts[(place + step) % len(ids)] for step in range(1, len(ids)))
        other[id_] = next(text for text in ahead if form(text) != form(texts[place]))
    references = study["utterance"].map(other)
    return {metric: _errors(study, references, form, metric) for metric in METRICS[symbols]}


def _clusters(study: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return which rows go together in a resample: those of a speaker, or of an utterance."""
    known = study["speaker"].notna().all() and study["speaker"].nunique() > 1
    return np.unique(study["speaker" if known else "utterance"].astype(str), return_inverse=True)[1]


def _resamples(n_clusters: int, seed: int) -> Doubles:
    """Draw clusters with replacement: how often each was drawn [shape=(resamples, clusters)]."""
    draws = np.random.default_rng(seed).integers(n_clusters, size=(N_RESAMPLES, n_clusters))
    return np.stack([np.bincount(row, minlength=n_clusters) for row in draws]).astype(np.float64)


def _ratio(part: pd.DataFrame, drawn: Doubles, confidence: float) -> tuple[float, float, float]:
    """Return a ratio of sums, and the ends of its percentile bootstrap interval over clusters."""
    counted, out_of = (
        np.bincount(part["_cluster"], weights=part[name].astype(float), minlength=drawn.shape[1])
        for name in ("_is", "_of")
    )
    score = float(counted.sum() / out_of.sum())
    if drawn.shape[1] < 2:
        return score, float("nan"), float("nan")
    below = drawn @ out_of
    spread = (drawn @ counted)[below > 0] / below[below > 0]
    low, high = np.quantile(spread, [(1 - confidence) / 2, (1 + confidence) / 2])
    return score, float(low), float(high)
