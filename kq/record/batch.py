"""The record batch, version 2: one header of 61 bytes, then the records, compressed together or not.

     0  base offset       i64    21  attributes         i16    43  producer id     i64
     8  length            i32    23  last offset delta  i32    51  producer epoch  i16
    12  leader epoch      i32    27  base timestamp     i64    53  base sequence   i32
    16  magic             i8     35  max timestamp      i64    57  record count    i32
    17  crc               u32                                  61  records

`length` counts the bytes after itself. The CRC-32C covers byte 21 to the end: base offset and leader epoch are the
broker's to write, in place, without touching the rest. A record, all numbers zigzag varints:

    length, attributes (one byte, 0), timestamp delta, offset delta, key length (-1: null), key,
    value length (-1: null), value, header count, and for each header: key length, key, value length, value

Source: Kafka's `DefaultRecordBatch` and `DefaultRecord`. This module is the plain form of the format;
`columns` and `packing` do the same work by the thousand, and are tested against it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kq.record import compression, varint
from kq.record.crc import Readable, crc32c
from kq.record.faults import CorruptRecord

Writable = bytearray | memoryview

HEADER_SIZE = 61
MAGIC = 2
LOG_OVERHEAD = 12  # base offset and length: what `length` does not count
CRC_START = 21
MAX_SEQUENCE = 2**31 - 1

# attribute bits
CODEC_MASK = 0b111
LOG_APPEND_TIME = 1 << 3
TRANSACTIONAL = 1 << 4
CONTROL = 1 << 5
DELETE_HORIZON = 1 << 6  # base timestamp is when tombstones may go (KIP-534), written by compaction alone

NO_TIMESTAMP = -1
NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
NO_LEADER_EPOCH = -1

_HEADER = struct.Struct(">qiibIhiqqqhii")
_INT64 = struct.Struct(">q")
_INT32 = struct.Struct(">i")
_INT16 = struct.Struct(">h")
_CRC = struct.Struct(">I")


class BatchHeader(NamedTuple):
    """The 61 bytes, field by field; the defaults are those of a batch without a producer id that is not yet placed."""

    base_offset: int = 0
    length: int = 0
    leader_epoch: int = NO_LEADER_EPOCH
    magic: int = MAGIC
    crc: int = 0
    attributes: int = 0
    last_offset_delta: int = -1
    base_timestamp: int = NO_TIMESTAMP
    max_timestamp: int = NO_TIMESTAMP
    producer_id: int = NO_PRODUCER_ID
    producer_epoch: int = NO_PRODUCER_EPOCH
    base_sequence: int = NO_SEQUENCE
    record_count: int = 0

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        return self.attributes & LOG_APPEND_TIME != 0

    @property
    def is_transactional(self) -> bool:
        return self.attributes & TRANSACTIONAL != 0

    @property
    def is_control(self) -> bool:
        return self.attributes & CONTROL != 0

    @property
    def has_delete_horizon(self) -> bool:
        return self.attributes & DELETE_HORIZON != 0

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; sequences wrap from 2^31-1 to 0, also inside a batch."""
        if self.base_sequence == NO_SEQUENCE:
            return NO_SEQUENCE
        return (self.base_sequence + self.last_offset_delta) & MAX_SEQUENCE


Headers = tuple[tuple[str, bytes | None], ...]


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def parse_header(buf: Readable, pos: int = 0) -> BatchHeader:
    """The header at `pos`. Only its 61 bytes must be there; nothing about them is checked."""
    if len(buf) - pos < HEADER_SIZE:
        raise CorruptRecord(f"A batch header needs {HEADER_SIZE} bytes; {len(buf) - pos} are left.")
    return BatchHeader._make(_HEADER.unpack_from(buf, pos))


def iter_batches(buf: Readable) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each whole batch, in order. A batch that is cut short ends the walk without complaint:
    a fetch answer may end so. A length too small for a header, or another magic, is damage."""
    pos, end = 0, len(buf)
    while end - pos >= HEADER_SIZE:
        header = BatchHeader._make(_HEADER.unpack_from(buf, pos))
        size = header.length + LOG_OVERHEAD
        if size < HEADER_SIZE or header.magic != MAGIC:
            raise CorruptRecord(f"No record batch at byte {pos}: length {header.length}, magic {header.magic}.")
        if size > end - pos:
            return
        yield pos, header
        pos += size


def crc_ok(buf: Readable, pos: int, size: int) -> bool:
    """Whether the `size` bytes at `pos` carry the checksum of what they hold."""
    stored: int = _CRC.unpack_from(buf, pos + 17)[0]
    return crc32c(memoryview(buf)[pos + CRC_START : pos + size]) == stored


def set_offset_and_epoch(buf: Writable, pos: int, base_offset: int, leader_epoch: int) -> None:
    """Gives the batch at `pos` its place in a log, in place. The CRC covers neither field."""
    _INT64.pack_into(buf, pos, base_offset)
    _INT32.pack_into(buf, pos + 12, leader_epoch)


def records_section(batch: Readable, header: BatchHeader, *, limit: int) -> bytes:
    """The records of one whole batch, decompressed; at most `limit` bytes of them."""
    if header.magic != MAGIC:
        raise CorruptRecord(f"A batch of magic {header.magic} is not read.")
    if not HEADER_SIZE <= header.size <= len(batch):
        raise CorruptRecord(f"A batch says it has {header.size} bytes; {len(batch)} are there.")
    section = memoryview(batch)[HEADER_SIZE : header.size]
    return compression.decompress(header.codec, section, limit)


def decode_records(batch: Readable, *, limit: int) -> list[Record]:
    """Every record of one whole batch (header included; bytes after it are ignored). The CRC is not looked at."""
    return list(iter_records(batch, limit=limit))


def iter_records(batch: Readable, *, limit: int) -> Iterator[Record]:
    """The same one by one: what may be many needs no more memory than the records section. That the count in the header
    was wrong shows at the end."""
    header = parse_header(batch)
    section = records_section(batch, header, limit=limit)
    pos = count = 0
    while pos < len(section):
        record, pos = decode_record(section, pos, header)
        count += 1
        yield record
    if count != header.record_count:
        raise CorruptRecord(f"A batch says it has {header.record_count} records; {count} are there.")


def decode_record(section: bytes, pos: int, header: BatchHeader) -> tuple[Record, int]:
    """The record at `pos` of the records section, and the position after it."""
    length, pos = varint.read(section, pos)
    end = pos + length
    if length < 1 or end > len(section):
        raise CorruptRecord(f"A record of {length} bytes does not fit ({len(section) - pos} are left).")
    timestamp_delta, pos = varint.read(section, pos + 1)  # after the attributes byte, which has no meaning yet
    offset_delta, pos = varint.read(section, pos)
    key, pos = _decode_bytes(section, pos, end)
    value, pos = _decode_bytes(section, pos, end)
    headers = decode_headers(section, pos, end)
    timestamp = header.max_timestamp if header.is_log_append_time else header.base_timestamp + timestamp_delta
    return Record(header.base_offset + offset_delta, timestamp, key, value, headers), end


def decode_headers(section: bytes, pos: int, end: int) -> Headers:
    """The header fields of a record, from their count to the record's end. Names that are no UTF-8 are mended."""
    count, pos = varint.read(section, pos)
    if not 0 <= count <= end - pos:
        raise CorruptRecord(f"A record says it has {count} headers in {end - pos} bytes.")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, pos = _decode_bytes(section, pos, end)
        if name is None:
            raise CorruptRecord("A record header has no name.")
        content, pos = _decode_bytes(section, pos, end)
        headers.append((name.decode(errors="replace"), content))
    if pos != end:
        raise CorruptRecord(f"The fields of a record end {end - pos} bytes before the record.")
    return tuple(headers)


def _decode_bytes(section: bytes, pos: int, end: int) -> tuple[bytes | None, int]:
    length, pos = varint.read(section, pos)
    if length == -1:
        return None, pos
    if not 0 <= length <= end - pos:
        raise CorruptRecord(f"A field of {length} bytes does not fit into its record ({end - pos} are left).")
    return section[pos : pos + length], pos + length


def encode_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    codec: int = compression.NONE,
    level: int | None = None,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
    leader_epoch: int = NO_LEADER_EPOCH,
    log_append_time: int | None = None,
) -> bytearray:
    """One batch of at least one record, offsets ascending from `base_offset` on (gaps are fine)."""
    rows = list(records)
    base_timestamp = rows[0].timestamp
    section = bytearray()
    for row in rows:
        body = _encode_record(row, base_offset, base_timestamp)
        section += varint.write(len(body))
        section += body
    max_timestamp = max(row.timestamp for row in rows)
    attributes = codec | transactional * TRANSACTIONAL | control * CONTROL
    if log_append_time is not None:
        max_timestamp = log_append_time
        attributes |= LOG_APPEND_TIME
    header = BatchHeader(
        base_offset=base_offset,
        leader_epoch=leader_epoch,
        attributes=attributes,
        last_offset_delta=rows[-1].offset - base_offset,
        base_timestamp=base_timestamp,
        max_timestamp=max_timestamp,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=base_sequence,
        record_count=len(rows),
    )
    return assemble(header, [compression.compress(codec, section, level)])


def _encode_record(row: Record, base_offset: int, base_timestamp: int) -> bytes:
    parts = [
        b"\0",  # attributes
        varint.write(row.timestamp - base_timestamp),
        varint.write(row.offset - base_offset),
        _encode_bytes(row.key),
        _encode_bytes(row.value),
        varint.write(len(row.headers)),
    ]
    for name, content in row.headers:
        parts += (_encode_bytes(name.encode()), _encode_bytes(content))
    return b"".join(parts)


def _encode_bytes(data: bytes | None) -> bytes:
    return varint.write(-1) if data is None else varint.write(len(data)) + data


def assemble(header: BatchHeader, section: Iterable[Readable]) -> bytearray:
    """One batch: this header, its length and CRC filled in, and the records as they are to be stored, in pieces."""
    batch = bytearray().join([bytes(HEADER_SIZE), *section])
    _HEADER.pack_into(batch, 0, *header._replace(length=len(batch) - LOG_OVERHEAD, magic=MAGIC, crc=0))
    seal(batch)
    return batch


def restamp(batch: Writable, attributes: int, max_timestamp: int) -> BatchHeader:
    """Changes these two fields of one whole batch in place, with a new CRC."""
    _INT16.pack_into(batch, CRC_START, attributes)
    _INT64.pack_into(batch, 35, max_timestamp)
    seal(batch)
    return parse_header(batch)


def seal(batch: Writable) -> None:
    """Writes the checksum of one whole batch into it."""
    _CRC.pack_into(batch, 17, crc32c(memoryview(batch)[CRC_START:]))
