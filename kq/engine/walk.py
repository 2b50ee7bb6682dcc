"""Every batch of a segment read and checked, as after a crash: how much of the file can be believed?

Up to the first batch that is not what it should be. A crash leaves the tail of a file in any state: a header or a batch
that is cut short, zeros where blocks were never written, old bytes where they were never replaced. All of these end the
walk; so does a flipped bit anywhere, whether a crash did it or not, and only the recovery point can tell (recovery.py).
"""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from typing import Final, NamedTuple

from kq.engine.disk import File
from kq.engine.entries import Entries
from kq.engine.segment import MAX_RELATIVE_OFFSET
from kq.record.batch import CRC_START, HEADER_SIZE, LOG_OVERHEAD, MAGIC
from kq.record.crc import crc32c

READ: Final = 1 << 20

# base offset, length, leader epoch, magic, crc, last offset delta, max timestamp, producer id
_HEADER: Final = struct.Struct(">qiibI2xi8xqq")
_OLD_HEADER: Final = struct.Struct(">qiIb")  # offset, length, CRC-32 of what follows it, magic 0 or 1


class Fault(Enum):
    """Why a walk ended before the file did."""

    TORN_HEADER = "the file ends inside a batch header"
    TORN_BATCH = "the file ends inside a batch"
    ZEROS = "zeros where a batch should begin"
    NO_HEADER = "bytes that are no batch header"
    BAD_CRC = "a batch whose checksum is wrong"
    BAD_OFFSET = "a batch whose offset cannot follow"
    OLD_FORMAT = "messages of a Kafka before 0.11"


class Walk(NamedTuple):
    """What can be believed of one segment."""

    good_size: int  # bytes, from the start of the file, of batches that are right
    next_offset: int  # after the last of them
    fault: Fault | None = None  # what comes after them; None: nothing
    has_gaps: bool = False  # some offsets between them are missing: the log was compacted
    has_producers: bool = True  # there may be batches of idempotent producers among them
    epochs: tuple[tuple[int, int], ...] = ()  # each leader epoch above those before it, and where it begins


def walk(file: File, size: int, base_offset: int, entries: Entries) -> Walk:
    """All batches of a segment with `size` bytes; `entries` takes those that are right. One loop, for this is what a
    start after a crash waits for."""
    position, next_offset, has_gaps, has_producers = 0, base_offset, False, False
    epochs: list[tuple[int, int]] = []
    newest, highest = -1, base_offset + MAX_RELATIVE_OFFSET
    unpack, add = _HEADER.unpack_from, entries.add
    fault: Fault | None = None
    while position < size and fault is None:
        chunk = memoryview(file.read(position, min(READ, size - position)))
        inside, last = 0, len(chunk) - HEADER_SIZE
        while inside <= last:
            base, length, epoch, magic, crc, delta, timestamp, producer_id = unpack(chunk, inside)
            end = inside + length + LOG_OVERHEAD
            if magic != MAGIC or length < HEADER_SIZE - LOG_OVERHEAD or delta < 0 or base < 0:
                fault = _no_header(chunk[inside:], position + inside)
                break
            if position + end > size:
                fault = Fault.TORN_BATCH
                break
            if end <= len(chunk):
                actual = crc32c(chunk[inside + CRC_START : end])
            elif inside:
                break  # read on from the start of this batch
            else:
                actual = _crc_in_file(file, position + CRC_START, position + end)
            if actual != crc:
                fault = Fault.BAD_CRC
                break
            if base < next_offset or base + delta > highest:
                fault = Fault.BAD_OFFSET
                break
            add(position + inside, base + delta, timestamp)
            if epoch > newest:
                newest = epoch
                epochs.append((epoch, base))
            has_gaps = has_gaps or base > next_offset
            has_producers = has_producers or producer_id >= 0
            next_offset = base + delta + 1
            inside = end
        position += inside
        if fault is None and last < 0:
            fault = Fault.TORN_HEADER if any(chunk) else Fault.ZEROS
    return Walk(position, next_offset, fault, has_gaps, has_producers, tuple(epochs))


def _no_header(buffer: memoryview, position: int) -> Fault:
    if not any(buffer[:HEADER_SIZE]):
        return Fault.ZEROS
    return Fault.OLD_FORMAT if position == 0 and _is_old_format(buffer) else Fault.NO_HEADER


def _is_old_format(buffer: memoryview) -> bool:
    """Proven by its checksum: such a file must be refused, not cut to nothing."""
    _, length, crc, magic = _OLD_HEADER.unpack_from(buffer)
    end = LOG_OVERHEAD + length
    return magic in (0, 1) and 16 < end <= len(buffer) and zlib.crc32(buffer[16:end]) == crc


def _crc_in_file(file: File, position: int, end: int) -> int:
    """Of a batch too big to be held: a length that lies must not cost its size in memory."""
    crc = 0
    while position < end and (piece := file.read(position, min(READ, end - position))):
        crc = crc32c(piece, crc)
        position += len(piece)
    return crc
