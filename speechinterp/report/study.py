"""The page of a probing study: what was asked, the answer, its controls, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from speechinterp.report.page import Heading, Paragraph, Picture, Record, Section, Table, write_report

__all__ = ["probe_answer", "write_probe_report"]

READING = (
    "Each point is the share of units whose label a linear probe names rightly, on speakers it was not trained "
    "on; the band is a 95 % interval over speakers.\n"
    "random weights: the same architecture, untrained. What it reaches is owed to the architecture and the "
    "sound, not to learning.\n"
    "MFCC, log-mel: classical features of the sound itself. A layer that does not beat them holds nothing "
    "that the sound did not show.\n"
    "shuffled labels: the probe trained on permuted labels. It should stay near chance; the distance to it is "
    "the selectivity.\n"
    "majority class: always naming the commonest label."
)
SETTINGS = (
    "model", "class", "weights_sha256", "revision", "dtype", "norm", "corpus", "n_utterances", "unit", "pool", "rule",
    "state", "grid", "deviation", "versions",
)  # fmt: skip
NAMES = {
    "none": "the model",
    "random-init": "random weights",
    "mfcc": "MFCC",
    "logmel": "log-mel",
    "shuffled-labels": "shuffled labels",
    "majority": "majority class",
}
LENGTHY = ("representations", "regularisers")


def write_probe_report(
    path: str | Path,
    scores: pd.DataFrame,
    picture: str | Path,
    *,
    notes: Sequence[str] = (),
    metric: str = "accuracy",
) -> Path:
    """Write the page of a probing study.

    Parameters
    ----------
    path
        The HTML file to write.
    scores
        What :func:`speechinterp.probe` gave.
    picture
        The figure of the scores, as PNG.
    notes
        Warnings that came up on the way.
    metric
        The metric of the figure and of the page's table.

    Returns
    -------
    Path
        The page.
    """
    record = scores.attrs.get("representations", {})
    first = scores.iloc[0]
    unit = record.get("unit", "units")
    title = f"{first.model}: {unit}, layer by layer"
    name = metric.replace("_", " ").capitalize()
    how_to_read: list[Section] = (
        [Heading("How to read it"), Paragraph(READING)] if metric == "accuracy" else []
    )
    sections: list[Section] = [
        Paragraph(probe_answer(scores) if metric == "accuracy" else _best(scores, metric)),
        Picture(
            picture,
            f"{name} of the probe over the layers of {first.model}, with its controls",
        ),
        *how_to_read,
        Heading("Scores"),
        Table(
            _wide(scores, metric),
            f"{name}; for layers of a model and for controls. The whole table is in scores.csv.",
        ),
        Heading("How it was made"),
        Record({key: _flat(record[key]) for key in SETTINGS if record.get(key) not in (None, "")}),
        Record(
            {str(key): _flat(value) for key, value in scores.attrs.items() if key not in LENGTHY and value}
        ),
    ]
    if notes:
        sections += [Heading("Notes"), Paragraph("\n".join(notes))]
    return write_report(path, title, sections)


def _flat(value: object) -> object:
    return ", ".join(f"{key} {part}" for key, part in value.items()) if isinstance(value, dict) else value


def probe_answer(scores: pd.DataFrame) -> str:
    """Say in two sentences which layer is best, and by how much it beats its controls."""
    unit = scores.attrs.get("representations", {}).get("unit", "units")
    accuracy = scores[scores["metric"] == "accuracy"]
    best = accuracy[accuracy["baseline"] == "none"].nlargest(1, "score").iloc[0]
    text = (
        f"The best layer of {best.model} is {best.layer}: the {best.probe} probe names {100 * best.score:.1f} % of the "
        f"{best.n_test} {unit} rightly [{100 * best.ci_low:.1f}, {100 * best.ci_high:.1f}]."
    )
    rivals = accuracy[accuracy["baseline"] != "none"].groupby("baseline", sort=False)["score"].max()
    gaps = ", ".join(f"{NAMES.get(str(name), name)} {100 * score:.1f} %" for name, score in rivals.items())
    return f"{text} Its controls at their best: {gaps}."


def _best(scores: pd.DataFrame, metric: str) -> str:
    """Say for every target which layer is best."""
    rows = scores[(scores["metric"] == metric) & (scores["baseline"] == "none")]
    lines = []
    for target, part in rows.groupby("target", sort=False):
        best = part.nlargest(1, "score").iloc[0]
        lines.append(
            f"{target}: layer {best.layer}, {metric.replace('_', ' ')} {best.score:.3f} "
            f"[{best.ci_low:.3f}, {best.ci_high:.3f}], {best.n_test} units."
        )
    return "\n".join(lines)


def _wide(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    accuracy = scores[scores["metric"] == metric]
    columns = ["target"] if accuracy["target"].nunique() > 1 else []
    columns += ["baseline", "layer", "score", "ci_low", "ci_high", "n_test"]
    return accuracy[columns].replace({"baseline": NAMES})
