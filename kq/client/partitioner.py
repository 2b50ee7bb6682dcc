"""Which partition a record goes to: by its key's hash as in Java, or to the one that is filled at the moment.

Keys: murmur2 of the bytes, its sign bit cleared, modulo the number of partitions (Kafka's `BuiltInPartitioner`), so
that equal keys of all clients meet. Records without key fill one partition for a batch, then the next (KIP-480,
KIP-794): small batches to many partitions would cost every side more.

`kq.record.murmur2` hashes one key. Here it is done for thousands: those of one length are laid side by side in one huge
integer, a 64-bit lane each, so that one multiplication, shift or xor of the interpreter serves all of them.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

from kq.record.murmur2 import murmur2

__all__ = ["Sticky", "murmur2_many", "partitions_of"]

SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995
POSITIVE = 0x7FFFFFFF

LANES = 4096  # keys hashed at once: 32 KB a value, so that all of them stay in the processor's cache
FEW = 8  # below this the plain form is as fast


def murmur2_many(keys: Sequence[bytes]) -> list[int]:
    """`murmur2` of each key, in order."""
    lengths = set(map(len, keys))
    if len(lengths) == 1:
        return _hash_equal(keys, lengths.pop())
    rows_of: dict[int, list[int]] = {}
    for row, length in enumerate(map(len, keys)):
        rows_of.setdefault(length, []).append(row)
    hashes = [0] * len(keys)
    for length, rows in rows_of.items():
        for row, value in zip(rows, _hash_equal([keys[row] for row in rows], length), strict=True):
            hashes[row] = value
    return hashes


def _hash_equal(keys: Sequence[bytes], length: int) -> list[int]:
    """The hashes of keys that all have this length."""
    if len(keys) < FEW:
        return [murmur2(key) for key in keys]
    hashes: list[int] = []
    for first in range(0, len(keys), LANES):
        hashes += _hash_lanes(keys[first : first + LANES], length)
    return hashes


def _hash_lanes(keys: Sequence[bytes], length: int) -> tuple[int, ...]:
    count = len(keys)
    data = b"".join(keys)
    low = int.from_bytes(b"\xff\xff\xff\xff\0\0\0\0" * count, "little")  # the low half of every lane
    ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
    h = ones * (SEED ^ length)
    # A lane never overflows: its value has 32 bits and so has the multiplier. A shift moves bits of the next lane
    # into the high half, where the mask takes them away.
    for at in range(0, length - 3, 4):
        k = _column(data, at, 4, length, count) * MULTIPLIER & low
        k = (k ^ (k >> 24 & low)) * MULTIPLIER & low
        h = (h * MULTIPLIER & low) ^ k
    if rest := length & 3:
        h = (h ^ _column(data, length - rest, rest, length, count)) * MULTIPLIER & low
    h = (h ^ (h >> 13 & low)) * MULTIPLIER & low
    h ^= h >> 15 & low
    return struct.unpack(f"<{count}Q", h.to_bytes(8 * count, "little"))


def _column(data: bytes, at: int, width: int, length: int, count: int) -> int:
    """Bytes at..at+width of every key of `length`, little-endian, one lane each."""
    lanes = bytearray(8 * count)
    for byte in range(width):
        lanes[byte::8] = data[at + byte :: length]
    return int.from_bytes(lanes, "little")


def partitions_of(keys: Sequence[bytes], partitions: int) -> list[int]:
    """Where Java's producer sends a record with each of these keys, in order."""
    return [(value & POSITIVE) % partitions for value in murmur2_many(keys)]


class Sticky:
    """The partition of one topic that takes records without a key now.

    It changes when a batch's worth of bytes has gone there. While all queues are equally long the partitions take
    turns; otherwise the next one is drawn, those with longer queues less often (KIP-794's adaptive partitioning).
    """

    def __init__(self, batch_bytes: int, rng: random.Random) -> None:
        self._batch_bytes = batch_bytes
        self._rng = rng
        self._current = -1
        self._bytes = 0

    @property
    def current(self) -> int | None:
        """The partition whose turn it still is; None when another one has to be chosen."""
        return self._current if self._current >= 0 and self._bytes < self._batch_bytes else None

    def choose(self, available: Sequence[int], queued: Sequence[int] | None) -> int:
        """Another partition. `queued`: waiting batches of each available one; None: do not look at them."""
        self._current = self._next(available, queued)
        self._bytes = 0
        return self._current

    def sent(self, size: int, *, filled: bool) -> None:
        """So many bytes went to the chosen partition; `filled` when they completed its batch."""
        self._bytes = self._batch_bytes if filled else self._bytes + size

    def _next(self, available: Sequence[int], queued: Sequence[int] | None) -> int:
        if queued is not None and len(set(queued)) > 1:
            longest = max(queued)
            return self._rng.choices(available, [longest + 1 - length for length in queued])[0]
        if self._current < 0:
            return self._rng.choice(available)
        return next((index for index in available if index > self._current), available[0])
