"""Log stores on the disk in memory, for tests that crash and break it."""

from __future__ import annotations

from collections.abc import Iterator

from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.engine.store import LoadReport, LogStore
from kq.record.batch import Record, decode_records, encode_batch, iter_batches, parse_header
from tests.support.memory_disk import MemoryDisk

CLUSTER = "0gOTsVVCTvKp3NVsNyh_Gw"
DATA = "/data"
A, B, B2 = (bytes([n]) * 16 for n in (1, 2, 3))
SETTINGS = LogSettings()


def opened(disk: MemoryDisk) -> LogStore:
    return LogStore.open(disk, DATA, node_id=1, cluster_id=CLUSTER)


def started(disk: MemoryDisk, topic_ids: dict[str, bytes]) -> tuple[LogStore, LoadReport]:
    store = opened(disk)
    return store, store.load(lambda _: SETTINGS, topic_ids, now_ms=1)


def append(log: Log, value: bytes) -> None:
    batch = encode_batch([Record(0, 1000, None, value, ())])
    log.append(memoryview(batch), parse_header(batch), leader_epoch=0, now_ms=1)


def flush(log: Log) -> None:
    begun = log.begin_flush()
    assert begun is not None
    begun.run()
    log.finish_flush(begun)


def values(log: Log) -> Iterator[tuple[int, bytes]]:
    offset = log.log_start_offset
    while region := log.read(offset, 1 << 20, end_offset=log.log_end_offset):
        data = region.read()
        for position, header in iter_batches(data):
            for record in decode_records(data[position : position + header.size], limit=1 << 20):
                assert record.value is not None
                yield record.offset, record.value
            offset = header.next_offset


def fresh(topics: dict[str, bytes]) -> tuple[MemoryDisk, LogStore]:
    disk = MemoryDisk()
    store, _ = started(disk, {})
    for topic, topic_id in topics.items():
        store.create(topic, 0, topic_id, SETTINGS)
    return disk, store
