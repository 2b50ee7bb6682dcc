"""Apache Kafka itself reads what we pack: every codec, every way of packing, control batches (kafka-dump-log)."""

from __future__ import annotations

from pathlib import Path

import pytest

from kq.record import compression
from kq.record.batch import Record, encode_batch, parse_header, set_offset_and_epoch
from kq.record.control import EndOfTransaction, Marker, encode_marker
from kq.record.packing import Producer, pack_columns, pack_values
from kq.record.validate import recompressed, with_log_append_time
from tests.support import dumplog, peers

pytestmark = pytest.mark.java

COUNT = 9000  # three widths of offset delta, and sections of several hundred kilobytes
VALUES = [b"value %d, " % index * 6 for index in range(COUNT)]
KEYS = [b"key %d" % index if index % 3 else None for index in range(COUNT)]
HEADERS = [((), (("trace", b"\0\1"), ("null", None)))[index % 2] for index in range(COUNT)]
TIMES = [1_000_000 + index * 7 % 1000 for index in range(COUNT)]
FEW = [Record(index, TIMES[index], KEYS[index], VALUES[index], HEADERS[index]) for index in range(20)]


def batches() -> list[bytearray]:
    packed: list[bytearray] = []
    for codec in range(len(compression.NAMES)):
        packed.append(pack_values(VALUES, 1_000_000, codec=codec, producer=Producer(77, 0, COUNT * codec)))
        packed.append(pack_columns(KEYS, VALUES, HEADERS, TIMES, codec=codec))
        packed.append(encode_batch(FEW, codec=codec))
        packed.append(recompressed(packed[1], parse_header(packed[1]), codec, None, 1 << 24))
    with_log_append_time(packed[-1], 2_000_000)
    packed.append(encode_marker(EndOfTransaction(Marker.COMMIT, 3), producer_id=77, producer_epoch=0, timestamp_ms=5))
    return packed


def test_apache_kafka_reads_every_batch(tmp_path: Path) -> None:
    peers.tool()
    directory = tmp_path / "t-0"
    directory.mkdir()
    offset, log = 0, bytearray()
    packed = batches()
    for batch in packed:
        set_offset_and_epoch(batch, 0, offset, 0)
        offset = parse_header(batch).next_offset
        log += batch
    (directory / f"{0:020}.log").write_bytes(log)
    seen = dumplog.dump(directory)
    assert seen.faults == []
    assert seen.records == offset
    headers = [parse_header(batch) for batch in packed]
    assert [(b.base_offset, b.count, b.size, b.codec, b.max_timestamp) for b in seen.all_batches] == [
        (h.base_offset, h.record_count, h.size, compression.NAMES[h.codec], h.max_timestamp) for h in headers
    ]
