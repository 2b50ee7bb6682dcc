"""Log stores on a real disk, for tests: opened, started, filled and read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.engine.store import LoadReport, LogStore
from kq.record.batch import Record, decode_records, encode_batch, iter_batches, parse_header

CLUSTER = "0gOTsVVCTvKp3NVsNyh_Gw"
A, B, C = (bytes([n]) * 16 for n in (1, 2, 3))
SETTINGS = LogSettings()


def opened(path: Path) -> LogStore:
    return LogStore.open(OsDisk(), str(path), node_id=1, cluster_id=CLUSTER)


def started(path: Path, topic_ids: Mapping[str, bytes], now_ms: int = 1000) -> tuple[LogStore, LoadReport]:
    store = opened(path)
    return store, store.load(lambda _: SETTINGS, topic_ids, now_ms=now_ms)


def append(log: Log, *values: bytes, producer_id: int = -1, sequence: int = -1) -> None:
    for value in values:
        batch = encode_batch(
            [Record(0, 1000, None, value, ())],
            producer_id=producer_id,
            producer_epoch=0 if producer_id >= 0 else -1,
            base_sequence=sequence,
        )
        log.append(memoryview(batch), parse_header(batch), leader_epoch=0, now_ms=1000)


def values(log: Log) -> list[bytes | None]:
    found: list[bytes | None] = []
    offset = log.log_start_offset
    while region := log.read(offset, 1 << 20, end_offset=log.log_end_offset):
        data = region.read()
        for position, header in iter_batches(data):
            batch = data[position : position + header.size]
            found += [record.value for record in decode_records(batch, limit=1 << 20)]
            offset = header.next_offset
    return found


def must(log: Log | None) -> Log:
    assert log is not None
    return log


def filled(path: Path, topics: Mapping[str, bytes], *, partitions: int = 1) -> None:
    """A directory with these topics, one record `<topic>-<p>` in each partition, closed cleanly."""
    store, _ = started(path, {})
    for topic, topic_id in topics.items():
        for partition in range(partitions):
            append(store.create(topic, partition, topic_id, SETTINGS), f"{topic}-{partition}".encode())
    store.close()


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}
