"""Control records: the markers that end a transaction in each partition it wrote to.

A control batch has the control and the transactional bit and one record. Its key says what it is (int16 version 0,
int16 type), its value, for an end of transaction, which coordinator wrote it (int16 version 0, int32 epoch). Types that
only Kafka's metadata log holds (2 to 6) are left to their number. Source: `ControlRecordType`, `EndTransactionMarker`.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

from kq.record.batch import Record, encode_batch, iter_records
from kq.record.crc import Readable
from kq.record.faults import CorruptRecord

_KEY = struct.Struct(">hh")
_VALUE = struct.Struct(">hi")
_VERSION = 0
_LIMIT = 1 << 20  # bytes a control batch may unfold to; its record has some 20, and nobody compresses it


class Marker(IntEnum):
    """How a transaction ended."""

    ABORT = 0
    COMMIT = 1


class EndOfTransaction(NamedTuple):
    marker: Marker
    coordinator_epoch: int


def read_marker(batch: Readable) -> EndOfTransaction | None:
    """What a whole control batch says; None where it is no end of a transaction, or compaction has taken its record.
    Raises CorruptRecord."""
    record = next(iter_records(batch, limit=_LIMIT), None)
    return None if record is None else decode_marker(record)


def control_type(key: Readable | None) -> int:
    """The type in a control record's key. Later versions may be longer, not different."""
    if key is None or len(key) < _KEY.size or (parts := _KEY.unpack_from(key))[0] < 0:
        raise CorruptRecord("The key of a control record is damaged.")
    return int(parts[1])


def decode_marker(record: Record) -> EndOfTransaction | None:
    """What the one record of a control batch says; None where it is no end of a transaction."""
    kind = control_type(record.key)
    if kind not in (Marker.ABORT, Marker.COMMIT):
        return None
    if record.value is None or len(record.value) < _VALUE.size:
        raise CorruptRecord("The value of a transaction marker is damaged.")
    return EndOfTransaction(Marker(kind), _VALUE.unpack_from(record.value)[1])


def encode_marker(end: EndOfTransaction, *, producer_id: int, producer_epoch: int, timestamp_ms: int) -> bytearray:
    """The control batch that a partition's leader appends; its offset and leader epoch are set there."""
    key = _KEY.pack(_VERSION, end.marker)
    value = _VALUE.pack(_VERSION, end.coordinator_epoch)
    return encode_batch(
        [Record(0, timestamp_ms, key, value)],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=True,
        control=True,
    )
