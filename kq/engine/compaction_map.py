"""The last offset of each key in the part of a log that was not compacted yet, in bounded memory.

When there is no more room the walk over that part stops, and the log is compacted up to there: the rest is for the next
pass (Kafka's OffsetMap and log.cleaner.dedupe.buffer.size). A batch is taken as a whole, and the first one always, so
that every pass gets on; the room may be exceeded by what one batch holds.

A key is its own proof: nothing is hashed but what is longer than 64 bytes, and then by BLAKE2b to 64.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

LONG: Final = 64  # bytes; a longer key is stood in for by its digest and a byte, so that it is no short key

ENTRY_BYTES: Final = 168
"""Of an entry, but for its key: two objects (33 + 32 bytes, rounded up to 16) and at worst 90 of the table that finds
them, the old and the new one while it grows."""


def shortened(key: bytes) -> bytes:
    return key if len(key) <= LONG else blake2b(key, digest_size=64).digest() + b"+"


class LatestOffsets:
    __slots__ = ("_held_bytes", "_room_bytes", "latest")

    def __init__(self, room_bytes: int) -> None:
        self.latest: dict[bytes, int] = {}  # keys are `shortened`
        self._room_bytes = room_bytes
        self._held_bytes = 0

    @property
    def is_full(self) -> bool:
        return self._held_bytes >= self._room_bytes

    @property
    def held_bytes(self) -> int:
        """At most; keys of one batch are all taken for as long as the longest."""
        return self._held_bytes

    def add(self, base_offset: int, start_offset: int, keys: Iterable[bytes | None], deltas: Iterable[int]) -> None:
        """The records of one batch, those below `start_offset` left out."""
        latest = self.latest
        known, longest = len(latest), 0
        for key, delta in zip(keys, deltas, strict=True):
            offset = base_offset + delta
            if key is None or offset < start_offset:
                continue
            if len(key) > longest:
                longest = len(key)
            latest[key if len(key) <= LONG else shortened(key)] = offset
        self._held_bytes += (len(latest) - known) * (ENTRY_BYTES + min(longest, LONG + 1))
