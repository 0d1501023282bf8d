"""Labels as the other side of a comparison: their features, and how far apart they are as strings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from speechinterp.corpora import Corpus
from speechinterp.corpora.labels import FEATURES, features
from speechinterp.representations import Representations

__all__ = ["edit_similarity", "feature_similarity", "feature_table", "phones_within"]

Labels: TypeAlias = Iterable[object]
Integers: TypeAlias = npt.NDArray[np.int64]


def feature_table(labels: Labels, inventory: str) -> pd.DataFrame:
    """Return one column for each value of each phonetic feature, 1 where a phone has it.

    Parameters
    ----------
    labels
        Phones; they are taken once each.
    inventory
        Where they come from, as for :func:`speechinterp.corpora.labels.features`; the corpus ``demo`` has ``ipa``.

    Returns
    -------
    pandas.DataFrame
        Indexed by label, with columns such as ``manner: plosive``.

    Raises
    ------
    AnnotationError
        If a label is not one of the inventory.
    """
    names = sorted({str(label) for label in labels})
    rows = {
        name: {
            f"{kind}: {value}": 1.0 for kind, value in features(name, inventory).items() if value is not None
        }
        for name in names
    }
    return pd.DataFrame.from_dict(rows, orient="index").fillna(0.0).sort_index(axis=1)


def feature_similarity(labels: Labels, inventory: str) -> pd.DataFrame:
    """Return the share of phonetic features that two phones have in common.

    Parameters
    ----------
    labels, inventory
        As for :func:`feature_table`.

    Returns
    -------
    pandas.DataFrame
        [shape=(labels, labels)]: of the features that at least one of the two has (voicing of vowels and
        consonants, height of vowels only), the share that has the same value in both.

    Raises
    ------
    AnnotationError
        If a label is not one of the inventory.
    """
    names = sorted({str(label) for label in labels})
    values = [[features(name, inventory)[kind] for kind in FEATURES] for name in names]
    table = np.array([[value or "" for value in row] for row in values], dtype=str)
    same = (table[:, None] == table) & (table[:, None] != "")
    some = (table[:, None] != "") | (table != "")
    share = same.sum(axis=2) / np.maximum(some.sum(axis=2), 1)
    np.fill_diagonal(share, 1.0)
    return pd.DataFrame(share, index=names, columns=names)


def edit_similarity(labels: Labels) -> pd.DataFrame:
    r"""Return how alike labels are as strings of symbols.

    Parameters
    ----------
    labels
        Phone strings with a space between phones (``"k ae t"``), or words, whose symbols are letters.

    Returns
    -------
    pandas.DataFrame
        [shape=(labels, labels)]: :math:`1 - d / \max(m, n)`, with d the least number of symbols to insert, delete or
        exchange (Levenshtein), and m, n the lengths.

    References
    ----------
    Chrupała, G., Higy, B., & Alishahi, A. (2020). Analyzing analytical methods: the case of phonology in neural
    models of spoken language. ACL.
    """
    names = sorted({str(label) for label in labels})
    strings = [name.split() if any(" " in other for other in names) else list(name) for name in names]
    symbols = {
        symbol: number for number, symbol in enumerate(sorted({s for string in strings for s in string}))
    }
    sizes = np.array([len(string) for string in strings])
    padded = np.full((len(names), int(sizes.max(initial=0))), -1)
    for row, string in enumerate(strings):
        padded[row, : len(string)] = [symbols[symbol] for symbol in string]
    alike = np.empty((len(names), len(names)))
    for row, string in enumerate(strings):
        distance = _distances([symbols[symbol] for symbol in string], padded)[np.arange(len(names)), sizes]
        alike[row] = 1 - distance / np.maximum(np.maximum(len(string), sizes), 1)
    return pd.DataFrame(alike, index=names, columns=names)


def _distances(string: Sequence[int], others: Integers) -> Integers:
    """Return the edit distance of a string to every beginning of the others [shape=(others, longest + 1)]."""
    before = np.tile(np.arange(others.shape[1] + 1), (len(others), 1))
    for symbol in string:
        now = before + 1  # delete
        now[:, 1:] = np.minimum(now[:, 1:], before[:, :-1] + (others != symbol))  # keep or exchange
        for column in range(1, now.shape[1]):  # insert
            now[:, column] = np.minimum(now[:, column], now[:, column - 1] + 1)
        before = now
    return before


def phones_within(reps: Representations, corpus: Corpus, tier: str = "phones") -> pd.Series:
    """Return the phones of every unit as a string, for units that are words, phrases or utterances.

    Parameters
    ----------
    reps
        The units.
    corpus
        Where they come from.
    tier
        The tier of phones. A phone belongs to the unit in which its middle lies; phones without a label are left
        out.

    Returns
    -------
    pandas.Series
        Phones with a space between, one string a row of ``reps.units``.

    Raises
    ------
    AnnotationError
        If an utterance has no such tier.
    """
    strings = pd.Series("", index=reps.units.index, dtype=object)
    for id_, units in reps.units.groupby("utterance", sort=False):
        phones = [segment for segment in corpus[str(id_)].tier(tier) if segment.label]
        middles = np.array([(phone.start + phone.end) / 2 for phone in phones])
        for row, start, end in zip(units.index, units["start"], units["end"], strict=True):
            inside = np.flatnonzero((middles >= start) & (middles < end))
            strings[row] = " ".join(phones[i].label for i in inside)
    return strings
