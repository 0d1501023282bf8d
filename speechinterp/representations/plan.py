"""The plan of an extraction: which utterances share a shard, and which a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from speechinterp.corpora import Corpus
from speechinterp.errors import SpeechInterpError

__all__ = ["Planned", "batches", "fingerprint", "plan_shards"]

SHARD_SECONDS = 240.0
SHARD_UTTERANCES = 256


@dataclass(frozen=True)
class Planned:
    """An utterance in the plan: its id and its length, from the head of its file (0 if that is broken)."""

    id: str
    seconds: float


def plan_shards(corpus: Corpus) -> list[list[Planned]]:
    """Cut a corpus, in the order of its ids, into shards of about equal length.

    The plan depends on the corpus alone, so that a repeated or shared run makes the same shards.
    """
    shards: list[list[Planned]] = []
    seconds = 0.0
    for id_ in corpus.ids:
        try:
            length = corpus.duration(id_)
        except SpeechInterpError:
            length = 0.0
        if not shards or seconds + length > SHARD_SECONDS or len(shards[-1]) == SHARD_UTTERANCES:
            shards.append([])
            seconds = 0.0
        shards[-1].append(Planned(id_, length))
        seconds += length
    return shards


def batches(shard: Sequence[Planned], limit: Callable[[float], int]) -> Iterator[list[Planned]]:
    """Cut a shard into batches of similar lengths, the longest first.

    Parameters
    ----------
    shard
        Its utterances.
    limit
        How many utterances a batch may hold whose longest has this many seconds.
    """
    waiting = sorted(shard, key=lambda entry: (-entry.seconds, entry.id))
    while waiting:
        size = max(1, limit(waiting[0].seconds))
        yield waiting[:size]
        waiting = waiting[size:]


def fingerprint(shards: Sequence[Sequence[Planned]]) -> str:
    """Return the SHA-256 of a plan: the ids and lengths of all utterances."""
    lines = (f"{entry.id} {entry.seconds:.6f}" for shard in shards for entry in shard)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
