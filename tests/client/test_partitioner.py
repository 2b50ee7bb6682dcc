"""Which partition: equal to Java's choice for keys, even and sticky for records without one."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kq.client.partitioner import LANES, Sticky, murmur2_many, partitions_of
from kq.record.murmur2 import murmur2, partition_for


@given(st.lists(st.binary(max_size=40), max_size=60))
def test_many_keys_hash_like_single_ones(keys: list[bytes]) -> None:
    assert murmur2_many(keys) == [murmur2(key) for key in keys]


@given(st.integers(0, 21), st.integers(0, 200), st.randoms(use_true_random=False))
def test_keys_of_one_length_hash_like_single_ones(length: int, count: int, rng: random.Random) -> None:
    keys = [rng.randbytes(length) for _ in range(count)]
    assert murmur2_many(keys) == [murmur2(key) for key in keys]


def test_more_keys_than_lanes() -> None:
    keys = [b"user-%08d" % number for number in range(2 * LANES + 17)]
    assert partitions_of(keys, 12) == [partition_for(key, 12) for key in keys]


def test_extreme_bytes_do_not_spill_into_the_next_lane() -> None:
    keys = [bytes([value]) * 8 for value in (0, 255, 0, 255, 128, 127, 1, 254)] * 4
    assert murmur2_many(keys) == [murmur2(key) for key in keys]


def turn(sticky: Sticky, available: list[int]) -> int:
    """As the filler asks: another partition only when this one has had its turn."""
    current = sticky.current
    return sticky.choose(available, [0] * len(available)) if current is None else current


def test_sticky_stays_for_a_batch_and_then_takes_turns() -> None:
    sticky = Sticky(100, random.Random(1))
    seen = []
    for _ in range(12):
        seen.append(turn(sticky, [0, 1, 2]))
        sticky.sent(50, filled=False)
    assert seen[0::2] == seen[1::2]  # two records of 50 bytes each
    assert Counter(seen) == {0: 4, 1: 4, 2: 4}


def test_sticky_moves_on_when_a_batch_is_full() -> None:
    sticky = Sticky(1000, random.Random(1))
    first = turn(sticky, [0, 1])
    sticky.sent(10, filled=True)
    assert sticky.current is None
    assert turn(sticky, [0, 1]) != first


def test_turns_skip_what_is_not_available() -> None:
    sticky = Sticky(1, random.Random(1))
    assert {sticky.choose([0, 2, 5], [0, 0, 0]) for _ in range(3)} == {0, 2, 5}


def test_longer_queues_are_chosen_less_often() -> None:
    sticky = Sticky(1, random.Random(7))
    chosen = Counter(sticky.choose([0, 1, 2], [9, 0, 4]) for _ in range(2000))
    assert chosen[1] > chosen[2] > chosen[0] > 0
