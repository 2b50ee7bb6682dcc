"""Where each record of a batch lies, its key, and whether it is a tombstone: what compaction asks of a batch.

`outline` reads what has to be read and steps over the rest. `thinned` makes a batch of some of its records, which stay
as they are, byte for byte: offset deltas count from the base offset, and that is kept. `rebased` moves the base
timestamp, for compaction writes its delete horizon there (KIP-534), and the deltas with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kq.record import compression, varint
from kq.record.batch import CODEC_MASK, DELETE_HORIZON, BatchHeader, assemble
from kq.record.faults import CorruptRecord


class Outline(NamedTuple):
    """Lists of equal length, one entry a record."""

    bodies: list[int]  # position in the section of what comes after the record's length
    ends: list[int]  # position after the record, where the next one begins
    deltas: list[int]  # offset - base offset
    keys: list[bytes | None]
    tombstones: list[bool]  # its value is null


def outline(section: bytes, record_count: int) -> Outline:
    """Of a records section, decompressed. Raises CorruptRecord."""
    bodies: list[int] = []
    ends: list[int] = []
    deltas: list[int] = []
    keys: list[bytes | None] = []
    tombstones: list[bool] = []
    read = varint.read
    pos, size = 0, len(section)
    try:
        while pos < size:
            # Five numbers a record, nearly all of one byte: a call for each would cost more than all the rest.
            number = section[pos]
            if number > 0x7F:
                length, pos = read(section, pos)
            else:
                length, pos = (number >> 1) ^ -(number & 1), pos + 1
            end = pos + length
            if length < 1 or end > size:
                raise CorruptRecord(f"A record of {length} bytes does not fit ({size - pos} are left).")
            bodies.append(pos)
            pos += 1  # attributes, which have no meaning yet
            while section[pos] > 0x7F:
                pos += 1
            pos += 1  # timestamp delta
            number = section[pos]
            if number > 0x7F:
                delta, pos = read(section, pos)
            else:
                delta, pos = (number >> 1) ^ -(number & 1), pos + 1
            deltas.append(delta)
            number = section[pos]
            if number > 0x7F:
                length, pos = read(section, pos)
            else:
                length, pos = (number >> 1) ^ -(number & 1), pos + 1
            if length < 0:
                keys.append(None)
            else:
                keys.append(section[pos : pos + length])
                pos += length
            number = section[pos]
            tombstones.append(number & 1 == 1 if number < 0x80 else read(section, pos)[0] < 0)
            if pos >= end:
                raise CorruptRecord(f"The key of a record goes {pos - end + 1} bytes past its end.")
            ends.append(end)
            pos = end
    except IndexError:
        raise CorruptRecord("The last record of a batch is cut short.") from None
    if len(ends) != record_count:
        raise CorruptRecord(f"A batch says it has {record_count} records; {len(ends)} are there.")
    return Outline(bodies, ends, deltas, keys, tombstones)


def thinned(header: BatchHeader, section: bytes, found: Outline, kept: Sequence[int]) -> bytearray:
    """The batch with the records of these numbers only, at least one; offsets, sequences and base timestamp stay."""
    begins = [0, *found.ends]
    pieces: list[bytes] = []
    first = last = kept[0]
    for number in kept[1:]:  # neighbours go as one piece
        if number != last + 1:
            pieces.append(section[begins[first] : begins[last + 1]])
            first = number
        last = number
    pieces.append(section[begins[first] : begins[last + 1]])
    return _packed(header, pieces, _timestamps(header, section, found, kept))


def rebased(
    header: BatchHeader, section: bytes, found: Outline, kept: Sequence[int], delete_horizon_ms: int
) -> bytearray:
    """The same with a delete horizon, from which the timestamps of the records are counted then."""
    moved = header._replace(attributes=header.attributes | DELETE_HORIZON, base_timestamp=delete_horizon_ms)
    timestamps = _timestamps(header, section, found, kept)
    pieces: list[bytes] = []
    for number, timestamp in zip(kept, timestamps, strict=True):
        body = found.bodies[number]
        _, after = varint.read(section, body + 1)
        delta = varint.write(timestamp - delete_horizon_ms)
        rest = section[after : found.ends[number]]
        pieces += (varint.write(1 + len(delta) + len(rest)), section[body : body + 1], delta, rest)
    return _packed(moved, pieces, timestamps)


def hollow(header: BatchHeader) -> bytearray:
    """The batch without its records: who wrote it, and which offsets and sequences it had. As Kafka leaves one
    (`DefaultRecordBatch.writeEmptyHeader`), it keeps neither codec nor delete horizon."""
    attributes = header.attributes & ~(CODEC_MASK | DELETE_HORIZON)
    return assemble(header._replace(attributes=attributes, base_timestamp=-1, record_count=0), [])


def _timestamps(header: BatchHeader, section: bytes, found: Outline, kept: Iterable[int]) -> list[int]:
    """As the batch stores them, whatever LogAppendTime says."""
    bodies, base = found.bodies, header.base_timestamp
    return [base + varint.read(section, bodies[number] + 1)[0] for number in kept]


def _packed(header: BatchHeader, pieces: list[bytes], timestamps: list[int]) -> bytearray:
    latest = header.max_timestamp if header.is_log_append_time else max(timestamps)
    codec = header.codec
    stored = pieces if codec == compression.NONE else [compression.compress(codec, b"".join(pieces))]
    return assemble(header._replace(max_timestamp=latest, record_count=len(timestamps)), stored)
