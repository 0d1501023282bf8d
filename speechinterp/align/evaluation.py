"""Evaluation: how far found boundaries are from those that somebody placed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.align.matching import hits, matched
from speechinterp.align.text import spoken
from speechinterp.corpora.utterance import Utterance
from speechinterp.segments import Segment, Tier

__all__ = ["boundary_errors", "boundary_scores"]

Doubles = npt.NDArray[np.float64]

WITHIN = (10, 20, 50, 100)
"""Milliseconds."""
COLUMNS = (
    "utterance", "speaker", "tier", "status", "label", "score", "gold_start", "gold_end", "found_start",
    "found_end", "start_error_ms", "end_error_ms", "even_error_ms",
)  # fmt: skip
DRAWS = 1000
ROUNDING = 1e-6
"""Milliseconds; what is left of a time in seconds after a subtraction."""


def boundary_errors(found: Mapping[str, Tier], utterance: Utterance) -> pd.DataFrame:
    """Compare tiers with those of an utterance.

    Parameters
    ----------
    found
        Tiers by name, as :func:`~speechinterp.align.align` returns them.
    utterance
        With gold tiers; those that `found` has too are compared. Silence counts for nothing.

    Returns
    -------
    pandas.DataFrame
        One row a segment: utterance, speaker, tier, status (``matched``, ``missed`` if only gold, ``extra``
        if only found), label, score, times in seconds, and start_error_ms and end_error_ms, found minus gold:
        above 0 is late. even_error_ms is the start error of a control that has not heard anything: the same labels
        spread evenly over the recording, each as long as it has letters (words) or all equal (other tiers).

    Notes
    -----
    Segments are matched in order, as many as possible with the same label, upper and lower case not counting.
    """
    rows: list[dict[str, Any]] = []
    for name in found:
        if name not in utterance.tiers:
            continue
        ours, gold = spoken(found[name]), spoken(utterance.tiers[name])
        even = _even(gold, utterance.duration, name)
        for i, j in matched([_key(s.label) for s in gold], [_key(s.label) for s in ours]):
            g, f = None if i is None else gold[i], None if j is None else ours[j]
            row: dict[str, Any] = {"utterance": utterance.id, "speaker": utterance.speaker, "tier": name}
            row["status"] = "missed" if f is None else "extra" if g is None else "matched"
            if g is not None:
                row |= {"label": g.label, "gold_start": g.start, "gold_end": g.end}
            if f is not None:
                row |= {"label": f.label if g is None else g.label, "score": f.score}
                row |= {"found_start": f.start, "found_end": f.end}
            if f is not None and g is not None and i is not None:
                row["start_error_ms"] = 1000 * (f.start - g.start)
                row["end_error_ms"] = 1000 * (f.end - g.end)
                row["even_error_ms"] = 1000 * (even[i] - g.start)
            rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def boundary_scores(
    errors: pd.DataFrame, by: Sequence[str] = ("tier",), tolerance_ms: float = 20.0, seed: int = 0
) -> pd.DataFrame:
    r"""Sum up the errors of boundaries.

    Parameters
    ----------
    errors
        From :func:`boundary_errors`, of one utterance or more.
    by
        Columns whose values make a row each: ``("tier",)``, or ``("tier", "label")``.
    tolerance_ms
        Within which a found boundary hits one of gold.
    seed
        Of the intervals.

    Returns
    -------
    pandas.DataFrame
        For every group: n matched segments; of the absolute errors of their starts mean_ms, median_ms with a 95 %
        interval over speakers (utterances, if there is one speaker), and the shares within_10ms to
        within_100ms; bias_ms, the mean of the signed errors, above 0 if late; end_mean_ms, end_median_ms,
        end_within_20ms, end_within_50ms and end_bias_ms of their ends; even_median_ms of the control; missed and extra
        segments; and, by tier only, precision, recall and r_value of all boundaries, whatever their labels.

    Notes
    -----
    A boundary is where a segment starts or ends; two at the same time are one. Found ones and gold ones are paired
    one to one, as many as possible within the tolerance. With the hit rate (recall) H and the over-segmentation
    :math:`S = H / P - 1` for precision P,

    .. math:: R = 1 - \frac{\sqrt{(1 - H)^2 + S^2} + |S + 1 - H| / \sqrt 2}{2}

    References
    ----------
    Räsänen, O. J., Laine, U. K., & Altosaar, T. (2009). An improved speech segmentation quality measure: the
    R-value. Interspeech.
    """
    rows = []
    for key, group in errors.groupby(list(by), sort=False):
        names = key if isinstance(key, tuple) else (key,)
        rows.append(dict(zip(by, names, strict=True)) | _summary(group, seed))
        if "label" not in by:
            rows[-1] |= _segmentation(group, tolerance_ms / 1000)
    scores = pd.DataFrame(rows)
    scores.attrs = {
        "tolerance_ms": tolerance_ms,
        "seed": seed,
        "utterances": int(errors["utterance"].nunique()),
    }
    return scores


def _summary(group: pd.DataFrame, seed: int) -> dict[str, Any]:
    both = group[group["status"] == "matched"]
    start, end, even = (both[f"{edge}_error_ms"].to_numpy(float) for edge in ("start", "end", "even"))
    row: dict[str, Any] = {"n": len(both)}
    if len(both):
        distance, low_high = np.abs(start), _interval(both, seed)
        row |= {"mean_ms": distance.mean(), "median_ms": np.median(distance)}
        row |= {"median_ci_low": low_high[0], "median_ci_high": low_high[1]}
        row |= {f"within_{ms}ms": _within(start, ms) for ms in WITHIN} | {"bias_ms": start.mean()}
        row |= {"end_mean_ms": np.abs(end).mean(), "end_median_ms": np.median(np.abs(end))}
        row |= {f"end_within_{ms}ms": _within(end, ms) for ms in (20, 50)} | {"end_bias_ms": end.mean()}
        row["even_median_ms"] = np.median(np.abs(even))
    counts = group["status"].value_counts()
    return row | {status: int(counts.get(status, 0)) for status in ("missed", "extra")}


def _within(errors: Doubles, ms: float) -> float:
    return float((np.abs(errors) <= ms + ROUNDING).mean())


def _interval(both: pd.DataFrame, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the median over speakers, or utterances, drawn with replacement."""
    unit = "speaker" if both["speaker"].nunique() > 1 else "utterance"
    groups = [g.abs().to_numpy(float) for _, g in both.groupby(unit)["start_error_ms"]]
    if len(groups) < 2:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(groups), (DRAWS, len(groups)))
    medians = [np.median(np.concatenate([groups[i] for i in draw])) for draw in draws]
    low, high = np.percentile(medians, [2.5, 97.5])
    return float(low), float(high)


def _segmentation(group: pd.DataFrame, tolerance: float) -> dict[str, float]:
    n_hits = n_found = n_gold = 0
    for _, rows in group.groupby("utterance"):
        found, gold = (
            np.unique(rows[[f"{kind}_start", f"{kind}_end"]].to_numpy(float).round(6))
            for kind in ("found", "gold")
        )
        found, gold = found[~np.isnan(found)], gold[~np.isnan(gold)]
        n_hits += hits(found, gold, tolerance)
        n_found, n_gold = n_found + len(found), n_gold + len(gold)
    if not n_found or not n_gold:
        return {"precision": float("nan"), "recall": 0.0 if n_gold else float("nan"), "r_value": float("nan")}
    precision, recall = n_hits / n_found, n_hits / n_gold
    over = n_found / n_gold - 1
    distance = np.hypot(1 - recall, over) + abs(over + 1 - recall) / np.sqrt(2)
    return {"precision": precision, "recall": recall, "r_value": float(1 - distance / 2)}


def _even(gold: Sequence[Segment], duration: float, tier: str) -> Doubles:
    """Return starts of the same labels, spread evenly over the recording."""
    sizes = np.array([len(s.label) if tier == "words" else 1 for s in gold], float)
    starts: Doubles = duration * np.append(0.0, sizes.cumsum())[:-1] / max(sizes.sum(), 1.0)
    return starts


def _key(label: str) -> str:
    return label.replace("’", "'").casefold()
