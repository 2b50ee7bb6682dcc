"""Compacted segments before Kafka's own judge, and handed from Kafka's cleaner to kq's and back."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from kq.engine.disk import OsDisk
from kq.engine.log import Log
from kq.engine.settings import LogSettings
from kq.record import compression
from kq.record.batch import Record, encode_batch, parse_header
from kq.testing import Broker
from tests.support import peers, topics
from tests.support.batches import NOW, append, flush, marker, read_all
from tests.support.compacting import committed, compact, folded
from tests.support.dumplog import dump
from tests.support.patience import until
from tests.support.rdkafka import client, produce, read

pytestmark = [pytest.mark.java, pytest.mark.timeout(400)]

SETTINGS = LogSettings(segment_bytes=30_000, index_interval_bytes=300, compact=True, delete=False, retention_ms=-1)
CODECS = range(5)
Table = dict[bytes, bytes]


def fill(log: Log, count: int, rng: Random) -> None:
    """Batches of every codec, tombstones, clocks that go back, transactions of both ends."""
    for number in range(count):
        producer_id = rng.choice((-1, 1, 2))
        known = log.producers.entries.get(producer_id)
        clock = NOW + number * 10 - rng.choice((0, 0, 5000))
        rows = [
            Record(
                n, clock + n, b"key-%d" % rng.randrange(60), None if rng.random() < 0.1 else b"v" * rng.randrange(90)
            )
            for n in range(rng.randrange(1, 10))
        ]
        batch = encode_batch(
            rows,
            codec=rng.choice(CODECS),
            producer_id=producer_id,
            producer_epoch=0 if producer_id >= 0 else -1,
            base_sequence=-1 if producer_id < 0 else known.last_sequence + 1 if known else 0,
            transactional=producer_id == 2,
            log_append_time=clock if rng.random() < 0.1 else None,
        )
        append(log, memoryview(batch), leader_epoch=number // 200)
        if number % 17 == 0 and 2 in log.producers.entries:
            end = marker(commit=rng.random() < 0.5, producer_id=2, timestamp=clock)
            append(log, end, leader_epoch=number // 200)
    append(log, marker(commit=True, producer_id=2), leader_epoch=count // 200)


def test_the_judge_finds_no_fault_in_what_compaction_leaves(tmp_path: Path) -> None:
    directory, rng = tmp_path / "judged-0", Random(5)
    directory.mkdir()
    log = Log.open(OsDisk(), str(directory), "judged", 0, SETTINGS, now_ms=NOW)
    for turn in range(3):
        fill(log, 900, rng)
        flush(log)
        table = folded(committed(log, max_bytes=1 << 20))
        assert compact(log, now_ms=NOW + turn * 2 * SETTINGS.delete_retention_ms) is not None
        assert folded(committed(log, max_bytes=1 << 20)) == table
    log.collect_deleted(NOW * 2)
    headers = [header for header, _ in read_all(log)]
    log.close()
    seen = dump(directory)
    assert seen.faults == []
    assert [(one.base_offset, one.last_offset, one.count, one.size) for one in seen.all_batches] == [
        (one.base_offset, one.last_offset, one.record_count, one.size) for one in headers
    ]
    assert any(header.has_delete_horizon for header in headers)
    assert any(header.record_count == 0 for header in headers)
    assert any(0 < header.record_count <= header.last_offset_delta for header in headers)
    assert {compression.NAMES[header.codec] for header in headers if header.record_count > 0} == set(compression.NAMES)


def put(bootstrap: str, topic: str, turn: int) -> None:
    """Keys that come again and again, tombstones, a committed and an aborted transaction."""
    for codec in ("none", "zstd", "lz4"):
        rows = [
            {"key": b"key-%d" % (n % 50), "value": b"%s %d of turn %d " % (codec.encode(), n, turn) * 3}
            for n in range(400)
        ]
        rows += [{"key": b"gone-%d" % turn, "value": b"soon"}, {"key": b"gone-%d" % turn, "value": None}]
        produce(bootstrap, topic, rows, compression_type=codec, enable_idempotence=True, batch_size=4000)
    for commit in (False, True):
        producer = Producer(client(bootstrap, transactional_id=f"{topic}-{turn}-{commit}", batch_size=4000))
        producer.init_transactions(60)
        producer.begin_transaction()
        for n in range(60):
            producer.produce(topic, b"in transaction, %s" % str(commit).encode(), b"txn-%d" % (n % 5))
        producer.commit_transaction(60) if commit else producer.abort_transaction(60)
    produce(bootstrap, topic, [{"key": b"filler-%d" % n, "value": b"f" * 500} for n in range(90)], batch_size=4000)


def table(bootstrap: str, topic: str) -> tuple[Table, int]:
    """What a read_committed consumer ends with, and how many records it took."""
    found = read(bootstrap, topic, check_crcs=True, isolation_level="read_committed")
    return folded(Record(m.offset(), 0, m.key(), m.value()) for m in found), len(found)


def bring(source: Path, receiver: Path) -> None:
    """The segments alone: the receiver's partition.metadata stays."""
    for path in receiver.iterdir():
        if path.suffix in {".log", ".index", ".timeindex", ".txnindex", ".snapshot"}:
            path.unlink()
    for path in source.iterdir():
        if path.suffix in {".log", ".index", ".timeindex", ".txnindex"}:
            shutil.copy(path, receiver)


def configure(bootstrap: str, topic: str, config: dict[str, str]) -> None:
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.incremental_alter_configs([resource])[resource].result(30)


@pytest.mark.slow
def test_a_compacted_log_goes_from_kafka_to_kq_and_back(tmp_path: Path) -> None:
    topic, eager = "compacted", "log.cleaner.backoff.ms"
    config = {
        "cleanup.policy": "compact",
        "internal.segment.bytes": "40000",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "100",
        "file.delete.delay.ms": "100",
    }
    with peers.running(tmp_path / "kafka", f"{eager}=300") as kafka:
        theirs = kafka.data_dir / f"{topic}-0"
        topics.create(kafka.bootstrap, topic, 1, config)
        put(kafka.bootstrap, topic, 0)
        before, _ = table(kafka.bootstrap, topic)
        until(lambda: table(kafka.bootstrap, topic)[1] < 3 * len(before), "Kafka has compacted it", 20)
        assert table(kafka.bootstrap, topic)[0] == before
        kafka.stop()

        data = tmp_path / "kq"
        shutil.copytree(theirs, data / theirs.name)
        shutil.copy(kafka.data_dir / "cleaner-offset-checkpoint", data)
        with Broker({eager: "200", "log.flush.scheduler.interval.ms": "100"}, data_dir=data) as broker:
            assert table(broker.bootstrap, topic)[0] == before
            configure(broker.bootstrap, topic, config)
            rows = [{"key": b"key-%d" % (n % 40), "value": b"by kq" * 20} for n in range(1500)]
            produce(broker.bootstrap, topic, rows, batch_size=4000)
            after, _ = table(broker.bootstrap, topic)
            until(lambda: table(broker.bootstrap, topic)[1] < 3 * len(after), "kq has compacted it", 20)
            assert table(broker.bootstrap, topic)[0] == after
            assert after.keys() == before.keys()
            broker.stop()
            assert dump(data / theirs.name).faults == []
            bring(data / theirs.name, theirs)
        (kafka.data_dir / "cleaner-offset-checkpoint").write_text("0\n0\n")
        kafka.start(f"{eager}=300")
        until(lambda: table(kafka.bootstrap, topic)[0] == after, "Kafka serves what kq has compacted", 60)
        put(kafka.bootstrap, topic, 1)
        whole, _ = table(kafka.bootstrap, topic)
        until(lambda: table(kafka.bootstrap, topic)[1] < 3 * len(whole), "Kafka has compacted it again", 20)
        assert table(kafka.bootstrap, topic)[0] == whole
        kafka.stop()
        assert dump(theirs).faults == []


def test_the_judge_sees_that_a_compacted_batch_is_damaged(tmp_path: Path) -> None:
    directory = tmp_path / "hurt-0"
    directory.mkdir()
    log = Log.open(OsDisk(), str(directory), "hurt", 0, SETTINGS, now_ms=NOW)
    fill(log, 400, Random(1))
    flush(log)
    compact(log)
    log.collect_deleted(NOW * 2)
    position = sum(header.size for header, _ in list(read_all(log))[:3])
    header = next(h for h, _ in read_all(log))
    log.close()
    path = directory / f"{header.base_offset:020d}.log"
    first = path if path.exists() else min(directory.glob("*.log"))
    content = bytearray(first.read_bytes())
    content[position - 3] ^= 0x40
    first.write_bytes(content)
    assert parse_header(bytes(content)).base_offset == header.base_offset
    assert dump(directory).faults
