"""The bytes of `<base offset>.txnindex`: aborted transactions, in the segment that holds the marker.

Entries of 34 bytes, big endian, in order of their markers (Kafka's AbortedTxn, TransactionIndex):

    int16 version = 0 | int64 producer id | int64 first offset | int64 last offset (the marker) |
    int64 last stable offset

The file appears with the first abort. A torn entry at its end is ignored: recovery writes the file anew from the log.

A fetch of [from, end) needs every entry that overlaps it, also those in later segments, for the marker comes after the
data. The search may stop at the first entry whose last stable offset is at or above `end`: when that marker was written
everything below its last stable offset was decided, so each later entry began at or above it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

ENTRY_SIZE: Final = 34
_ENTRY: Final = struct.Struct(">hqqqq")


class CorruptTransactionIndex(Exception):
    """The file does not hold what it should: it is written anew from the log."""


class AbortedTransaction(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


def encode(entry: AbortedTransaction) -> bytes:
    return _ENTRY.pack(0, *entry)


def decode(data: bytes | memoryview, base_offset: int = 0) -> list[AbortedTransaction]:
    """All whole entries; raises CorruptTransactionIndex when one cannot be in the segment of `base_offset`."""
    entries: list[AbortedTransaction] = []
    previous = base_offset - 1
    for version, producer_id, first, last, stable in _ENTRY.iter_unpack(data[: len(data) - len(data) % ENTRY_SIZE]):
        if version != 0:
            raise CorruptTransactionIndex(f"entry {len(entries)} has version {version}, known is 0")
        if producer_id < 0 or not 0 <= first <= last or last <= previous:
            raise CorruptTransactionIndex(
                f"entry {len(entries)} cannot be: producer {producer_id}, offsets {first} to {last} after {previous}"
            )
        entries.append(AbortedTransaction(producer_id, first, last, stable))
        previous = last
    return entries


def overlapping(
    entries: Iterable[AbortedTransaction], offset: int, end_offset: int
) -> tuple[list[AbortedTransaction], bool]:
    """Those that touch [offset, end_offset) and whether the search is complete (else go on in the next segment)."""
    found: list[AbortedTransaction] = []
    for entry in entries:
        if entry.last_offset >= offset and entry.first_offset < end_offset:
            found.append(entry)
        if entry.last_stable_offset >= end_offset:
            return found, True
    return found, False


def size_below(entries: Iterable[AbortedTransaction], end_offset: int) -> int:
    """Bytes of the file that stay when the log is cut at `end_offset`: the markers below it."""
    return ENTRY_SIZE * sum(entry.last_offset < end_offset for entry in entries)
