"""A million mixed records, rolls, retention, a SIGKILL under load and a restart: kafka-dump-log finds no fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from kq.testing import Broker
from tests.support import topics
from tests.support.dumplog import dump
from tests.support.patience import until
from tests.support.rdkafka import RECENT_MS, client, consumer

pytestmark = [pytest.mark.java, pytest.mark.slow, pytest.mark.timeout(600)]

RECORDS = 1_000_000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
TOPIC = "million"


def ends(bootstrap: str) -> tuple[int, int]:
    reader = consumer(bootstrap)
    low, high = reader.get_watermark_offsets(TopicPartition(TOPIC, 0), 20)
    reader.close()
    return low, high


def send(producer: Producer, first: int, last: int) -> None:
    for i in range(first, last):
        value = None if i % 97 == 0 else (b"record %d " % i) * (1 + i % 13)
        key = None if i % 5 else b"key %d" % (i % 1000)
        headers = [("n", b"%d" % i), ("empty", b"")] if i % 11 == 0 else None
        while True:
            try:
                producer.produce(TOPIC, value, key, 0, timestamp=RECENT_MS + i // 3 - i % 17, headers=headers)
                break
            except BufferError:
                producer.poll(0.1)
        if i % 1000 == 0:
            producer.poll(0)


def test_dump_log_finds_no_fault(tmp_path: Path) -> None:
    settings = {"log.retention.check.interval.ms": "500", "log.segment.delete.delay.ms": "1000"}
    with Broker(settings, data_dir=tmp_path / "data") as broker:
        topics.create(
            broker.bootstrap,
            TOPIC,
            1,
            {"internal.segment.bytes": "2000000", "retention.ms": "-1", "max.message.bytes": "300000"},
        )
        share = RECORDS // len(CODECS)
        for turn, codec in enumerate(CODECS):
            producer = Producer(
                client(
                    broker.bootstrap,
                    compression_type=codec,
                    enable_idempotence=turn % 2 == 0,
                    acks="all",
                    linger_ms=5,
                    message_max_bytes=250_000,
                    batch_size=(1000, 16_000, 60_000, 200_000, 3000)[turn],
                    queue_buffering_max_messages=50_000,
                )
            )
            send(producer, turn * share, turn * share + share // 2)
            if turn == 3:
                broker.kill()  # with a full queue behind it
                broker.start()
            send(producer, turn * share + share // 2, (turn + 1) * share)
            assert producer.flush(120) == 0
        low, high = ends(broker.bootstrap)
        assert low == 0
        assert high >= RECORDS  # the producer without idempotence may repeat itself over the kill
        found = dump(broker.data_dir / f"{TOPIC}-0")  # under a running broker
        assert found.faults == []
        assert found.records == high
        assert len(found.batches) > 10  # it rolled
        topics.delete_records(broker.bootstrap, TOPIC, 123_457)
        segments = broker.data_dir / f"{TOPIC}-0"
        until(
            lambda: "00000000000000000000.log" not in {p.name for p in segments.iterdir()}, "retention took a segment"
        )
        broker.restart()
        assert ends(broker.bootstrap) == (123_457, high)
        broker.kill()
        broker.start()
        assert ends(broker.bootstrap) == (123_457, high)
    found = dump(tmp_path / "data" / f"{TOPIC}-0")
    assert found.faults == []
    assert found.all_batches[-1].last_offset == high - 1
    assert sum(batch.count for batch in found.all_batches) == found.records
