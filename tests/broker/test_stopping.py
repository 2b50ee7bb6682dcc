"""A broker stops in the midst of requests: what it acknowledged is there after the restart, what it had begun with a
topic is whole, and nobody who waits holds it up."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kq.errors import Err
from kq.testing import Broker
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.topics import CREATE_TOPICS, DELETE_TOPICS
from tests.support import asking, fetching, topics
from tests.support.patience import until
from tests.support.status import status
from tests.support.wire import Closed, Wire


def produce(wire: Wire, topic: str, value: bytes) -> Any:
    return asking.produce(wire, topic, asking.batch(value))


def fetch_request(topic: str, offset: int, *, wait_ms: int) -> Any:
    wanted = fetching.of(topic, fetching.part(offset=offset))
    return FETCH.Request(max_wait_ms=wait_ms, min_bytes=1, max_bytes=1 << 20, topics=[wanted])


def creation_request(name: str, partitions: int) -> Any:
    topic = CREATE_TOPICS.Request.Topic(name=name, num_partitions=partitions, replication_factor=1)
    return CREATE_TOPICS.Request(topics=[topic])


def created(wire: Wire, name: str, partitions: int) -> Err:
    return Err.of(wire.call(CREATE_TOPICS, 7, creation_request(name, partitions)).topics[0].error_code)


class Writer(threading.Thread):
    """Sends one record after the other until the broker hangs up; notes those acknowledged, by offset."""

    def __init__(self, broker: Broker, number: int) -> None:
        super().__init__()
        self.acknowledged: dict[int, bytes] = {}
        self._wire = Wire(broker.bootstrap)
        self._number = number

    def run(self) -> None:
        try:
            for serial in range(1_000_000):
                value = b"%d-%d" % (self._number, serial)
                answer = produce(self._wire, "t", value)
                assert answer.error_code == Err.NONE
                self.acknowledged[answer.base_offset] = value
        except Closed:
            pass


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("fsync", ["false", "true"])
def test_acknowledged_writes_are_there_after_the_restart(end: str, fsync: str) -> None:
    with Broker({"kq.log.fsync.before.ack": fsync}) as broker:
        topics.create(broker.bootstrap, "t")
        writers = [Writer(broker, number) for number in range(4)]
        for writer in writers:
            writer.start()
        until(lambda: all(len(writer.acknowledged) > 30 for writer in writers), "everybody has written")
        getattr(broker, end)()
        for writer in writers:
            writer.join()
        broker.start()
        there = {record.offset: record.value for record in broker.records("t")}
    for writer in writers:
        assert writer.acknowledged.items() <= there.items()


def test_parked_fetches_do_not_hold_up_the_stop() -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "t")
        waiting = [Wire(broker.bootstrap) for _ in range(10)]
        for wire in waiting:
            wire.send(FETCH, 12, fetch_request("t", 0, wait_ms=2**31 - 1))
        until(lambda: status(broker)["fetches_waiting"] == 10, "all of them are parked")
        broker.stop()
        assert (broker.data_dir / ".kafka_cleanshutdown").exists()
        assert all(wire.is_closed() for wire in waiting)


@pytest.mark.parametrize("end", ["hang up", "stop", "kill"])
def test_a_topic_is_created_wholly_or_not_at_all(end: str) -> None:
    with Broker() as broker:
        wire = Wire(broker.bootstrap)
        wire.send(CREATE_TOPICS, 7, creation_request("large", 300))
        time.sleep(0.02)  # in the midst of it, more often than not; whatever moment it is must do
        wire.socket.close()
        if end != "hang up":
            getattr(broker, end)()
            broker.start()
        with Wire(broker.bootstrap, timeout_s=30) as wire:
            again = created(wire, "large", 300)
            assert again in (Err.NONE, Err.TOPIC_ALREADY_EXISTS)
            described = wire.call(METADATA, 12, METADATA.Request(topics=[METADATA.Request.Topic(name="large")]))
            assert len(described.topics[0].partitions) == 300
            assert produce(wire, "large", b"x").error_code == 0
        assert len(list(broker.data_dir.glob("large-*"))) == 300


def test_a_fetch_parked_on_a_topic_that_is_deleted_and_made_again_learns_it_at_once() -> None:
    with Broker() as broker:
        topics.create(broker.bootstrap, "t")
        with Wire(broker.bootstrap) as reader, Wire(broker.bootstrap) as other:
            for value in (b"old 0", b"old 1"):
                produce(other, "t", value)
            reader.send(FETCH, 11, fetch_request("t", 2, wait_ms=60_000))
            until(lambda: status(broker)["fetches_waiting"] == 1, "it is parked")
            other.call(DELETE_TOPICS, 5, DELETE_TOPICS.Request(topic_names=["t"]))
            assert created(other, "t", 1) == Err.NONE
            (partition,) = reader.receive().topics[0].partitions
            assert partition.error_code in (Err.UNKNOWN_TOPIC_OR_PARTITION, Err.OFFSET_OUT_OF_RANGE)
            produce(other, "t", b"new")
        assert [record.value for record in broker.records("t")] == [b"new"]


def test_with_fsync_before_ack_a_restart_after_a_kill_shows_all_that_was_shown() -> None:
    """The recovery point on disk is a minute old; what lies above it is synced before anybody reads."""
    with Broker({"kq.log.fsync.before.ack": "true"}) as broker:
        topics.create(broker.bootstrap, "t")
        with Wire(broker.bootstrap) as wire:
            for number in range(5):
                produce(wire, "t", b"%d" % number)
        broker.kill()
        broker.start()
        with Wire(broker.bootstrap) as wire:
            answer = wire.call(FETCH, 11, fetch_request("t", 0, wait_ms=0)).topics[0].partitions[0]
            assert answer.high_watermark == 5
            assert len(answer.records) > 0


START_THAT_RECOVERS_ONE_LOG_AND_NO_OTHER = """
import sys, time
from kq.broker.__main__ import main
from kq.engine.store import LogStore

open_log, opened = LogStore._open_log, []

def open_first(self, *arguments, **more):
    if opened:
        print("one is open", flush=True)
        time.sleep(600)
    opened.append(open_log(self, *arguments, **more))
    return opened[0]

LogStore._open_log = open_first
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_recovery_ends_the_start_at_once_and_harms_nothing(
    number: signal.Signals, tmp_path: Path
) -> None:
    with Broker(data_dir=tmp_path) as broker:
        broker.create_topic("t", partitions=3)
        stored = [record for index in range(3) for record in broker.produce("t", "a", "b", partition=index)]
        broker.kill()
    for file in tmp_path.glob("t-*/*.log"):
        with file.open("ab") as log:
            log.write(b"half a batch")
    arguments = ["--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "-s", "num.recovery.threads.per.data.dir=1"]
    start = subprocess.Popen(
        [sys.executable, "-c", START_THAT_RECOVERS_ONE_LOG_AND_NO_OTHER, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert start.stdout is not None
    assert start.stdout.readline() == "one is open\n"
    start.send_signal(number)
    _, told = start.communicate(timeout=20)
    assert start.returncode == 130
    assert "stopped before the port answered" in told
    assert not (tmp_path / ".kafka_cleanshutdown").exists(), "the next start must recover"
    with Broker(data_dir=tmp_path) as broker:
        assert broker.records("t") == stored
        assert [record.offset for record in broker.produce("t", "c", partition=0)] == [2]
