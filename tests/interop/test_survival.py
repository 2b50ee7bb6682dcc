"""The broker dies under foreign clients and comes back: what was acknowledged is there, once and in order."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from kq.testing import Broker
from tests.support import peers, topics
from tests.support.patience import until
from tests.support.rdkafka import client, consumer, read


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_librdkafkas_idempotent_producer(end: str) -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "survivor")
        errors: list[object] = []
        producer = Producer(client(broker.bootstrap, enable_idempotence=True, linger_ms=1))
        for i in range(3000):
            producer.produce("survivor", b"%d" % i, on_delivery=lambda error, _: error and errors.append(error))
            producer.poll(0)
            if i in (700, 1900):
                broker.kill() if end == "killed" else broker.stop()
                broker.start()
        assert producer.flush(60) == 0
        assert errors == []
        assert [m.value() for m in read(broker.bootstrap, "survivor")] == [b"%d" % i for i in range(3000)]


@pytest.mark.java
def test_javas_idempotent_producer(tmp_path: Path) -> None:
    count = 4000
    with Broker() as broker:
        topics.create(broker.bootstrap, "survivor", 2)
        load = peers.idempotent_producer(broker.bootstrap, "survivor", count, tmp_path)
        command = [peers.tool(), "kafka-verifiable-producer", *load, "--throughput", "800"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tool:
            assert tool.stdout is not None
            events = []
            for line in tool.stdout:
                if line.startswith("{"):
                    events.append(json.loads(line))
                if len(events) in (500, 2000):
                    broker.kill()
                    broker.start()
        sent = {e["value"]: (e["partition"], e["offset"]) for e in events if e["name"] == "producer_send_success"}
        assert len(sent) == count
        stored = read(broker.bootstrap, "survivor", 2)
        assert {(m.value() or b"").decode(): (m.partition(), m.offset()) for m in stored} == sent
        assert len(stored) == count


def test_a_consumer_goes_on_where_it_was() -> None:
    got: list[bytes | None] = []
    stop = threading.Event()

    def follow(bootstrap: str) -> None:
        reader = consumer(bootstrap, isolation_level="read_committed")
        reader.assign([TopicPartition("followed", 0, 0)])
        while not stop.is_set():
            message = reader.poll(0.2)
            if message is not None and message.error() is None:
                got.append(message.value())
        reader.close()

    with Broker() as broker:
        topics.create(broker.bootstrap, "followed")
        follower = threading.Thread(target=follow, args=[broker.bootstrap])
        follower.start()
        try:
            ends: list[Callable[[], None]] = [broker.restart, broker.kill, broker.restart]
            for turn, end in enumerate(ends):
                broker.produce("followed", *(f"{turn}:{i}" for i in range(100)))
                until(lambda turn=turn: len(got) == 100 * (turn + 1), "the follower has seen all")
                end()
                broker.start()
            broker.produce("followed", "last")
            until(lambda: got and got[-1] == b"last", "the follower has seen the last")
        finally:
            stop.set()
            follower.join()
    assert got == [b"%d:%d" % (turn, i) for turn in range(3) for i in range(100)] + [b"last"]
