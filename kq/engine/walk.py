"""Every batch of a segment read and checked, as after a crash: how much of the file can be believed?

Up to the first batch that is not what it should be. A crash leaves the tail of a file in any state: a header or a batch
that is cut short, zeros where blocks were never written, old bytes where they were never replaced. All of these end the
walk; so does a flipped bit anywhere, whether a crash did it or not, and only the recovery point can tell (recovery.py).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from kq.engine.disk import File
from kq.engine.segment import MAX_RELATIVE_OFFSET
from kq.record.batch import CRC_START, HEADER_SIZE, LOG_OVERHEAD, MAGIC, BatchHeader, crc_ok, parse_header
from kq.record.crc import crc32c

READ: Final = 1 << 20

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


Visitor = Callable[[int, BatchHeader, memoryview], None]
"""Called with the position of a batch that is right, its header, and its bytes (of a very big one the first ones)."""


def walk(file: File, size: int, base_offset: int, visit: Visitor) -> Walk:
    """All batches of a segment with `size` bytes."""
    position, next_offset, has_gaps = 0, base_offset, False
    for position, header, batch in _batches(file, size):
        if isinstance(header, Fault):
            return Walk(position, next_offset, header, has_gaps)
        if header.base_offset < next_offset or header.last_offset - base_offset > MAX_RELATIVE_OFFSET:
            return Walk(position, next_offset, Fault.BAD_OFFSET, has_gaps)
        has_gaps = has_gaps or header.base_offset > next_offset
        visit(position, header, batch)
        next_offset = header.next_offset
    return Walk(size, next_offset, None, has_gaps)


def _batches(file: File, size: int) -> Iterator[tuple[int, BatchHeader | Fault, memoryview]]:
    """Position, header and bytes of each batch; the first that is not right comes as its fault and ends it."""
    position = 0
    while position < size:
        chunk = memoryview(file.read(position, min(READ, size - position)))
        inside = 0
        while inside < len(chunk):
            at, left = position + inside, len(chunk) - inside
            if left < HEADER_SIZE and left < size - at:
                break  # read on from the start of this header
            header = _look(chunk[inside:], size - at, at)
            if isinstance(header, Fault):
                yield at, header, chunk[inside:]
                return
            is_whole = header.size <= left
            if not is_whole and inside > 0:
                break  # read on from the start of this batch
            if not (crc_ok(chunk, inside, header.size) if is_whole else _crc_ok_in_file(file, at, header)):
                yield at, Fault.BAD_CRC, chunk[inside:]
                return
            yield at, header, chunk[inside : inside + header.size]
            inside += header.size
        position += inside


def _look(buffer: memoryview, left: int, position: int) -> BatchHeader | Fault:
    """The header at the start of `buffer`, where `left` bytes of the file are left, or what is wrong there."""
    if len(buffer) < HEADER_SIZE:
        return Fault.TORN_HEADER if any(buffer) else Fault.ZEROS
    header = parse_header(buffer)
    if header.magic != MAGIC or header.size <= HEADER_SIZE or header.last_offset_delta < 0 or header.base_offset < 0:
        if not any(buffer[:HEADER_SIZE]):
            return Fault.ZEROS
        return Fault.OLD_FORMAT if position == 0 and _is_old_format(buffer) else Fault.NO_HEADER
    return Fault.TORN_BATCH if header.size > left else header


def _is_old_format(buffer: memoryview) -> bool:
    """Proven by its checksum: such a file must be refused, not cut to nothing."""
    _, length, crc, magic = _OLD_HEADER.unpack_from(buffer)
    end = LOG_OVERHEAD + length
    return magic in (0, 1) and 16 < end <= len(buffer) and zlib.crc32(buffer[16:end]) == crc


def _crc_ok_in_file(file: File, position: int, header: BatchHeader) -> bool:
    """For a batch too big to be held: a length that lies must not cost its size in memory."""
    crc = 0
    end = position + header.size
    at = position + CRC_START
    while at < end:
        piece = file.read(at, min(READ, end - at))
        if not piece:
            return False
        crc = crc32c(piece, crc)
        at += len(piece)
    return crc == header.crc
