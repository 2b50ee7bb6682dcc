"""Control batches, as far as a log needs to understand them: which transaction ended, and how.

A control batch has one record. Key: int16 version, int16 type (0 abort, 1 commit, others are not about transactions);
value: int16 version, int32 coordinator epoch.
"""

from __future__ import annotations

import struct
from typing import Final

from kq.engine.producers import Marker
from kq.record.batch import BatchHeader, decode_records
from kq.record.faults import CorruptRecord

_KEY: Final = struct.Struct(">hh")
_VALUE: Final = struct.Struct(">hi")
_ABORT: Final = 0
_COMMIT: Final = 1
_LIMIT: Final = 1 << 16  # a marker has some 80 bytes


def marker_of(batch: bytes | memoryview, header: BatchHeader) -> Marker | None:
    """The marker in a whole control batch; None when it is of another kind, or compaction has taken it."""
    if not header.record_count:
        return None
    try:
        record = decode_records(batch, limit=_LIMIT)[0]
        _, kind = _KEY.unpack_from(record.key or b"")
        _, coordinator_epoch = _VALUE.unpack_from(record.value or b"")
    except (CorruptRecord, struct.error, IndexError):
        return None
    return Marker(kind == _ABORT, coordinator_epoch) if kind in (_ABORT, _COMMIT) else None
