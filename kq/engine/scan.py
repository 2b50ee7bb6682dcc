"""From header to header through the file of a segment, without reading what lies between.

A batch says how long it is, so a scan touches 61 bytes of each. Small batches come many at a time out of one read,
which grows while that pays. Nothing is trusted: a length or a magic that cannot be ends the scan with `DamagedBatch`,
a batch that is cut short by the end of the file with `TornBatch`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from kq.engine.disk import File
from kq.record.batch import HEADER_SIZE, LOG_OVERHEAD, MAGIC, BatchHeader, parse_header

FIRST_READ: Final = 4096  # about what lies between two index entries
LARGEST_READ: Final = 256 * 1024

_PLACE: Final = struct.Struct(">qi4xb6xi")  # base offset, length, magic, last offset delta


class DamagedBatch(Exception):
    """At `position` there is no batch; `reason` says what is there instead."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"{reason} at byte {position}")
        self.position = position
        self.reason = reason


class TornBatch(DamagedBatch):
    """The file ends inside the batch at `position`."""


class Place(NamedTuple):
    """Where a batch is, and which offsets it has."""

    position: int
    size: int
    base_offset: int
    last_offset: int

    @property
    def end(self) -> int:
        """The position after the batch."""
        return self.position + self.size


def places(file: File, position: int, end: int) -> Iterator[Place]:
    """The batches from `position`, which must be the start of one, up to `end`, the size of the file."""
    unpack = _PLACE.unpack_from
    for at, size, chunk, inside in _walk(file, position, end):
        base_offset, _, _, delta = unpack(chunk, inside)
        yield Place(at, size, base_offset, base_offset + delta)


def headers(file: File, position: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
    """Like `places`, with all that the headers say."""
    for at, _, chunk, inside in _walk(file, position, end):
        yield at, parse_header(chunk, inside)


def _walk(file: File, position: int, end: int) -> Iterator[tuple[int, int, bytes, int]]:
    """Position and size of each batch, and where its header is in memory."""
    unpack = _PLACE.unpack_from
    length = FIRST_READ
    while position < end:
        chunk = file.read(position, min(length, end - position))
        if len(chunk) < HEADER_SIZE:
            raise TornBatch(position, f"a header cut after {len(chunk)} bytes")
        inside, last = 0, len(chunk) - HEADER_SIZE
        while inside <= last:
            base_offset, batch_length, magic, delta = unpack(chunk, inside)
            size = batch_length + LOG_OVERHEAD
            at = position + inside
            if magic != MAGIC or size <= HEADER_SIZE or delta < 0 or base_offset < 0:
                raise DamagedBatch(at, f"no batch header (length {batch_length}, magic {magic})")
            if at + size > end:
                raise TornBatch(at, f"a batch of {size} bytes of which {end - at} are there")
            yield at, size, chunk, inside
            inside += size
        length = min(length * 2, LARGEST_READ) if inside <= len(chunk) else FIRST_READ
        position += inside
