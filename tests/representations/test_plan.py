"""The plan: shards by ids, chunks by seconds, batches by length."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from speechinterp.representations.plan import (
    CHUNK_SECONDS,
    SHARD_UTTERANCES,
    batches,
    chunks,
    cut_into_shards,
)

ids = st.lists(st.text(min_size=1), max_size=100, unique=True)
lengths = st.lists(st.floats(0, 200), max_size=40)


@dataclass
class Item:
    seconds: float


@given(ids)
def test_shards_hold_every_id_in_order(names):
    shards = cut_into_shards(names)
    assert [id_ for shard in shards for id_ in shard] == names
    assert all(len(shard) == SHARD_UTTERANCES for shard in shards[:-1])
    assert all(0 < len(shard) <= SHARD_UTTERANCES for shard in shards)


@given(ids, st.integers(1, 5))
def test_more_utterances_at_the_end_leave_full_shards_as_they_are(names, more):
    before, after = cut_into_shards(names), cut_into_shards([*names, *"abcde"[:more]])
    full = [shard for shard in before if len(shard) == SHARD_UTTERANCES]
    assert after[: len(full)] == full


@given(lengths)
def test_chunks_hold_every_item_in_order_within_two_minutes(seconds):
    cut = list(chunks(Item(s) for s in seconds))
    assert [item.seconds for chunk in cut for item in chunk] == seconds
    for chunk in cut:
        assert chunk
        assert len(chunk) == 1 or sum(item.seconds for item in chunk) <= CHUNK_SECONDS + 1e-6
    for chunk, following in pairwise(cut):
        assert sum(item.seconds for item in chunk) + following[0].seconds > CHUNK_SECONDS - 1e-6


def test_a_chunk_is_given_before_the_items_after_the_next_are_made():
    made = []

    def items():
        for number in range(9):
            made.append(number)
            yield Item(CHUNK_SECONDS / 2)

    next(chunks(items()))
    assert made == [0, 1, 2]


@given(lengths, st.integers(0, 7))
def test_batches_hold_every_position_once_the_longest_first(seconds, limit):
    asked = []

    def at_most(longest):
        asked.append(longest)
        return limit

    cut = list(batches([Item(s) for s in seconds], at_most))
    assert sorted(i for batch in cut for i in batch) == list(range(len(seconds)))
    ordered = [seconds[i] for batch in cut for i in batch]
    assert ordered == sorted(seconds, reverse=True)
    assert asked == [seconds[batch[0]] for batch in cut]
    assert all(len(batch) == max(1, limit) for batch in cut[:-1])


def test_items_of_one_length_keep_their_order():
    assert list(batches([Item(1.0)] * 5, lambda seconds: 2)) == [[0, 1], [2, 3], [4]]
