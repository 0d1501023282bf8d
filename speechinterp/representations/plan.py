"""The plan of an extraction: which utterances share a shard, which are in memory together, and which in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

__all__ = ["batches", "chunks", "cut_into_shards"]

SHARD_UTTERANCES = 32
CHUNK_SECONDS = 120.0


class Lasting(Protocol):
    """Anything with a length in time."""

    @property
    def seconds(self) -> float:
        """Its length."""


Item = TypeVar("Item", bound=Lasting)


def cut_into_shards(ids: Sequence[str]) -> list[list[str]]:
    """Cut a corpus, in the order of its ids, into shards.

    Only the ids count, so that a repeated or shared run makes the same shards, also after a broken file
    was repaired, and no file has to be opened for it.
    """
    return [list(ids[i : i + SHARD_UTTERANCES]) for i in range(0, len(ids), SHARD_UTTERANCES)]


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Gather items, in their order, up to two minutes of sound: what is in memory at one time."""
    chunk: list[Item] = []
    seconds = 0.0
    for item in items:
        if chunk and seconds + item.seconds > CHUNK_SECONDS:
            yield chunk
            chunk, seconds = [], 0.0
        chunk.append(item)
        seconds += item.seconds
    if chunk:
        yield chunk


def batches(chunk: Sequence[Item], limit: Callable[[float], int]) -> Iterator[list[int]]:
    """Cut a chunk into batches of similar lengths, the longest first.

    Parameters
    ----------
    chunk
        Its items.
    limit
        How many items a batch may hold whose longest has this many seconds.

    Yields
    ------
    list of int
        Positions in the chunk.
    """
    waiting = sorted(range(len(chunk)), key=lambda i: -chunk[i].seconds)
    while waiting:
        size = max(1, limit(chunk[waiting[0]].seconds))
        yield waiting[:size]
        waiting = waiting[size:]
