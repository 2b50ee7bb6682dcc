"""Record batches for tests of the engine, and a log to put them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kq.engine.disk import Disk
from kq.engine.log import Appended, Log
from kq.engine.retention import Retired
from kq.engine.settings import LogSettings
from kq.errors import Err, KafkaError
from kq.record.batch import BatchHeader, Record, assemble, encode_batch, iter_batches, parse_header
from kq.record.compression import NONE

DIRECTORY = "/data/t-0"
NOW = 1_700_000_000_000
SMALL = LogSettings(segment_bytes=1200, index_interval_bytes=200, retention_ms=-1)
"""Ten batches of `fill` to a segment."""


def make(
    count: int = 1,
    *,
    timestamp: int = NOW,
    step: int = 0,
    size: int = 40,
    codec: int = NONE,
    producer_id: int = -1,
    epoch: int = -1,
    sequence: int = -1,
    transactional: bool = False,
) -> memoryview:
    """A batch as a producer sends it: `count` records, `step` ms apart."""
    records = [Record(n, timestamp + n * step, None, bytes([65 + n % 26]) * size) for n in range(count)]
    return memoryview(
        encode_batch(
            records,
            codec=codec,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=sequence,
            transactional=transactional,
        )
    )


def hollow(first: int, last: int, *, timestamp: int = NOW, producer_id: int = -1, sequence: int = -1) -> memoryview:
    """A batch of these offsets that compaction has left without records."""
    header = BatchHeader(
        base_offset=first,
        leader_epoch=0,
        last_offset_delta=last - first,
        base_timestamp=timestamp,
        max_timestamp=timestamp,
        producer_id=producer_id,
        producer_epoch=0 if producer_id >= 0 else -1,
        base_sequence=sequence,
    )
    return memoryview(assemble(header, []))


def marker(*, commit: bool, producer_id: int, epoch: int = 0, timestamp: int = NOW) -> memoryview:
    key = bytes((0, 0, 0, int(commit)))
    value = bytes((0, 0, 0, 0, 0, 7))
    record = Record(0, timestamp, key, value)
    return memoryview(
        encode_batch([record], producer_id=producer_id, producer_epoch=epoch, transactional=True, control=True)
    )


def open_log(disk: Disk, settings: LogSettings | None = None, *, clean: bool = False, **known: int) -> Log:
    """The log in DIRECTORY, which is made durable if it is not there."""
    disk.make_directory(DIRECTORY)
    disk.sync_directory("/")
    disk.sync_directory("/data")
    return Log.open(disk, DIRECTORY, "t", 0, settings or LogSettings(), now_ms=NOW, clean=clean, **known)


def append(log: Log, batch: memoryview, *, leader_epoch: int = 0, now_ms: int = NOW) -> Appended:
    return log.append(batch, parse_header(batch), leader_epoch=leader_epoch, now_ms=now_ms)


def flush(log: Log) -> None:
    under_way = log.begin_flush()
    if under_way is not None:
        under_way.run()
        log.finish_flush(under_way)


def retain(log: Log, now_ms: int, end_offset: int) -> list[Retired]:
    """Retention to its end; what went."""
    under_way = log.begin_retention(now_ms, end_offset, most=1000)
    if under_way is None:
        return []
    under_way.run()
    log.finish_retention(under_way)
    return under_way.retired


def read_all(log: Log, *, offset: int | None = None, max_bytes: int = 1 << 20) -> Iterator[tuple[BatchHeader, bytes]]:
    """Every batch from `offset` to the end, by as many reads as it takes."""
    offset = log.log_start_offset if offset is None else offset
    while (region := log.read(offset, max_bytes, end_offset=log.log_end_offset)) is not None:
        data = region.read()
        end = offset
        for position, header in iter_batches(data):
            yield header, data[position : position + header.size]
            end = header.next_offset
        assert end > offset, "a read that does not go on"
        offset = end


def fill(log: Log, count: int, **more: int) -> list[bytes]:
    """So many batches of one record and 118 bytes, as they are stored."""
    return [bytes(batch) for batch in (make(size=50, **more) for _ in range(count)) if append(log, batch)]


def bases(log: Log) -> list[int]:
    return [segment.base_offset for segment in log.segments]


def fails(code: Err, deed: Callable[..., object], *arguments: object, **more: object) -> str:
    """The deed raises this error; its sentence."""
    with pytest.raises(KafkaError) as failure:
        deed(*arguments, **more)
    assert failure.value.code is code
    return str(failure.value)
