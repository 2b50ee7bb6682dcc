"""Transaction index bytes, and which aborted transactions a fetch must be told of."""

from __future__ import annotations

import random

import pytest

from kq.engine.txnindex import (
    ENTRY_SIZE,
    AbortedTransaction,
    CorruptTransactionIndex,
    decode,
    encode,
    overlapping,
    size_below,
)

# Written by Apache Kafka 4.3.1: producer 0 aborted 4-7, producer 1 aborted 8-11, producer 0 aborted 17-18 while
# producer 1 had a transaction open from 16 on.
KAFKAS = bytes.fromhex(
    "0000 0000000000000000 0000000000000004 0000000000000007 0000000000000008"
    "0000 0000000000000001 0000000000000008 000000000000000b 000000000000000c"
    "0000 0000000000000000 0000000000000011 0000000000000012 0000000000000010"
)
ENTRIES = [AbortedTransaction(0, 4, 7, 8), AbortedTransaction(1, 8, 11, 12), AbortedTransaction(0, 17, 18, 16)]


def test_the_bytes_are_kafkas() -> None:
    assert decode(KAFKAS) == ENTRIES
    assert b"".join(map(encode, ENTRIES)) == KAFKAS
    assert len(KAFKAS) == 3 * ENTRY_SIZE


@pytest.mark.parametrize("size", range(3 * ENTRY_SIZE + 1))
def test_a_torn_tail_is_ignored(size: int) -> None:
    assert decode(memoryview(KAFKAS)[:size]) == ENTRIES[: size // ENTRY_SIZE]


@pytest.mark.parametrize(
    ("entries", "base_offset"),
    [
        ([AbortedTransaction(-1, 4, 7, 8)], 0),
        ([AbortedTransaction(1, -4, 7, 8)], 0),
        ([AbortedTransaction(1, 8, 7, 8)], 0),
        ([ENTRIES[1], ENTRIES[0]], 0),
        ([ENTRIES[0], ENTRIES[0]], 0),
        ([ENTRIES[0]], 8),  # the marker is not in this segment
    ],
)
def test_impossible_entries_are_refused(entries: list[AbortedTransaction], base_offset: int) -> None:
    with pytest.raises(CorruptTransactionIndex):
        decode(b"".join(map(encode, entries)), base_offset)


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(CorruptTransactionIndex, match="version 1"):
        decode(b"\0\1" + KAFKAS[2:])


def test_a_transaction_begun_in_an_earlier_segment_is_fine() -> None:
    assert decode(encode(ENTRIES[0]), base_offset=7) == [ENTRIES[0]]


@pytest.mark.parametrize(
    ("end_offset", "kept"), [(0, 0), (7, 0), (8, 1), (11, 1), (12, 2), (18, 2), (19, 3), (1 << 50, 3)]
)
def test_a_cut_log_keeps_the_markers_below_the_cut(end_offset: int, kept: int) -> None:
    assert decode(KAFKAS[: size_below(ENTRIES, end_offset)]) == ENTRIES[:kept]


def test_the_early_end_of_the_search_never_misses_one() -> None:
    """Random stories of overlapping transactions, each abort told to the index as the log would."""
    for seed in range(300):
        rng = random.Random(seed)
        opened: dict[int, int] = {}
        entries: list[AbortedTransaction] = []
        for offset in range(60):
            producer = rng.randint(0, 4)
            if producer not in opened:
                opened[producer] = offset
            elif rng.random() < 0.5:
                first = opened.pop(producer)
                if rng.random() < 0.7:
                    entries.append(
                        AbortedTransaction(producer, first, offset, min(opened.values(), default=offset + 1))
                    )
        last_stable = min(opened.values(), default=60)
        split = rng.randint(0, len(entries))
        for _ in range(20):
            start = rng.randint(0, last_stable)
            end = rng.randint(start, last_stable)
            found, complete = overlapping(entries[:split], start, end)
            if not complete:
                more, _ = overlapping(entries[split:], start, end)
                found += more
            assert found == [e for e in entries if e.first_offset < end and e.last_offset >= start]
