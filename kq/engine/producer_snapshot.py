"""The bytes of `<offset>.snapshot`: what a partition knew of its producers before that offset.

Of each producer its newest batch only (Kafka's ProducerSnapshot.json), big endian:

    int16 version = 1 | uint32 CRC-32C of what follows | int32 count | count entries of 46 bytes:
    int64 producer id | int16 epoch | int32 last sequence | int64 last offset (-1: no batch) |
    int32 last offset - first offset | int64 last timestamp | int32 coordinator epoch (-1: none yet) |
    int64 first offset of the open transaction (-1: none)
"""

from __future__ import annotations

import struct
from typing import Final

from kq.engine.producers import ProducerEntry, ProducerStates
from kq.record.crc import crc32c

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">hIi")
_ENTRY: Final = struct.Struct(">qhiqiqiq")
_CRC_FROM: Final = 6


class CorruptSnapshot(Exception):
    """A snapshot file that cannot be trusted: the state is then rebuilt from an older one, or from the log."""


def encode(states: ProducerStates) -> bytes:
    out = bytearray(_HEAD.size)
    for producer_id, entry in states.entries.items():
        last_sequence, delta, last_offset, _ = entry.newest_batch()
        out += _ENTRY.pack(
            producer_id,
            entry.epoch,
            last_sequence,
            last_offset,
            delta,
            entry.last_timestamp,
            entry.coordinator_epoch,
            entry.transaction_start,
        )
    _HEAD.pack_into(out, 0, _VERSION, 0, len(states.entries))
    struct.pack_into(">I", out, 2, crc32c(memoryview(out)[_CRC_FROM:]))
    return bytes(out)


def decode(data: bytes) -> ProducerStates:
    """Raises CorruptSnapshot on anything but one whole, unharmed snapshot."""
    if len(data) < _HEAD.size:
        raise CorruptSnapshot(f"it has {len(data)} bytes, too few for a producer snapshot")
    version, crc, count = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise CorruptSnapshot(f"it has version {version}, known is {_VERSION}")
    if crc != crc32c(memoryview(data)[_CRC_FROM:]):
        raise CorruptSnapshot("its CRC does not match")
    if len(data) != _HEAD.size + count * _ENTRY.size:
        raise CorruptSnapshot(f"it announces {count} producers in {len(data)} bytes")
    entries: dict[int, ProducerEntry] = {}
    for fields in _ENTRY.iter_unpack(memoryview(data)[_HEAD.size :]):
        producer_id, epoch, last_sequence, last_offset, delta, timestamp, coordinator_epoch, start = fields
        entry = entries[producer_id] = ProducerEntry(epoch, timestamp, coordinator_epoch, max(start, -1))
        if last_offset >= 0:
            entry.add(last_sequence, delta, last_offset, timestamp)
    return ProducerStates.restored(entries)
