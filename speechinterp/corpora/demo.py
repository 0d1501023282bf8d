"""``demo``: the embedded corpus, synthetic speech in which the right answers are planted."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

from speechinterp.corpora.textgrid import textgrid_tiers
from speechinterp.corpora.utterance import Corpus, Utterance
from speechinterp.embedded import embedded_file
from speechinterp.errors import CorpusError

__all__ = ["TYPES", "read_demo"]

TYPES = ("sentence", "homophone", "command", "contrast", "assimilation")
COLUMNS = ("utterance", "speaker", "transcript")
Find = Callable[[str], Path]


def read_demo(root: Path | None = None, *, type: str | None = None) -> Corpus:
    """Read the embedded corpus, or a split that its recipe has made.

    Parameters
    ----------
    root
        A folder made by ``recipes/embedded/corpus.py``; without it, the corpus that comes with the package.
    type
        Only this type: ``sentence``, ``homophone``, ``command``, ``contrast`` or ``assimilation``.

    Returns
    -------
    Corpus
        Tiers ``words``, ``phones`` and ``cue`` (what decides the planted choice); silence is left out. Meta
        holds ``split``, ``type``, ``sex``, and what the type has of ``target``, ``cue``, ``pair`` and its
        factors, such as ``number``, or ``action``, ``object`` and ``place``.

    Raises
    ------
    CorpusError
        If there is no such type, or an embedded file is missing or damaged.
    """
    if type is not None and type not in TYPES:
        raise CorpusError(f"type={type}", expected=f"one of {', '.join(TYPES)}", fix="demo?type=command")
    find = _embedded if root is None else partial(_made, root)
    sexes = {row["speaker"]: row["sex"] for row in _table(find("speakers.csv"))}
    rows = [row for row in _table(find("utterances.csv")) if type in (None, row["type"])]
    return Corpus(
        "demo", {row["utterance"]: partial(_utterance, row, sexes[row["speaker"]], find) for row in rows}
    )


def _utterance(row: dict[str, str], sex: str, find: Find) -> Utterance:
    id_ = row["utterance"]
    audio, grid = find(f"{id_}.flac"), find(f"{id_}.TextGrid")
    meta = {key: value for key, value in row.items() if value and key not in COLUMNS}
    tiers = {
        name: tier.relabel(lambda label: label or None)
        for name, tier in textgrid_tiers(grid, audio, audio.parents[1]).items()
    }
    return Utterance(id_, audio, row["speaker"], row["transcript"], tiers, {**meta, "sex": sex})


def _embedded(name: str) -> Path:
    return embedded_file(f"demo/{name}")


def _made(root: Path, name: str) -> Path:
    if not (root / name).is_file():
        raise CorpusError(
            f"no {name} in {root}",
            expected="a folder that recipes/embedded/corpus.py has made",
            cause="another folder, or a recipe that was stopped",
            fix=f"python recipes/embedded/corpus.py --split train --out {root}",
        )
    return root / name


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
