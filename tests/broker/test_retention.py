"""Retention beside everything else: the loop waits for no disk, and a deletion waits for its turn."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from kq.broker.broker import Broker
from kq.broker.maintenance import SEGMENTS_A_TURN, Jobs
from kq.broker.partition import Partition
from kq.broker.topic_plans import plan_topic
from kq.engine.disk import OsDisk
from kq.errors import KafkaError
from kq.record.batch import Record, encode_batch, parse_header
from tests.support import brokers
from tests.support.patience import until_async

SETTINGS = {"segment.bytes": "1048576", "retention.bytes": "0"}
SEGMENT = bytes(1_000_000)  # one batch fills a segment


def append(broker: Broker, partition: Partition, value: bytes = SEGMENT) -> None:
    batch = encode_batch([Record(0, broker.now_ms(), None, value)])
    partition.append(memoryview(batch), parse_header(batch), broker.now_ms())


async def filled(broker: Broker, segments: int) -> Partition:
    await broker.topics.create([plan_topic(broker, "t", settings=SETTINGS)])
    partition = broker.partitions.resolve("t", 0)
    for _ in range(segments):
        append(broker, partition)
    return partition


class Gate:
    """The next syncs of partition directories wait here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = threading.Event()
        self._open = threading.Event()
        real = OsDisk.sync_directory

        def sync_directory(disk: OsDisk, path: str) -> None:
            if path.endswith("t-0"):
                self.waiting.set()
                assert self._open.wait(20)
            real(disk, path)

        monkeypatch.setattr(OsDisk, "sync_directory", sync_directory)

    async def has_caught_one(self) -> None:
        async def is_waiting() -> bool:
            return self.waiting.is_set()

        await until_async(is_waiting, "a sync has begun")

    def open(self) -> None:
        self._open.set()


def test_the_loop_serves_while_the_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            partition = await filled(broker, 3)
            gate = Gate(monkeypatch)
            job = asyncio.create_task(Jobs(broker).apply_retention())
            await gate.has_caught_one()
            assert partition.log.log_start_offset == 3, "nobody reads what goes"
            append(broker, partition, b"meanwhile")
            region = partition.read(3, 1 << 20, 0, at_least_one=True)
            assert region is not None
            assert b"meanwhile" in region.read()
            assert not job.done()
            gate.open()
            await job
            assert [segment.base_offset for segment in partition.log.segments] == [3]
            assert len(list((tmp_path / "t-0").glob("*.log.deleted"))) == 3

    asyncio.run(story())
    assert (tmp_path / ".kafka_cleanshutdown").exists()


@pytest.mark.parametrize("deed", ["delete", "stop"])
def test_a_deletion_and_a_stop_wait_for_the_segment_that_goes(
    deed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        broker = brokers.made(tmp_path)
        await broker.start()
        await filled(broker, 3)
        gate = Gate(monkeypatch)
        job = asyncio.create_task(Jobs(broker).apply_retention())
        await gate.has_caught_one()
        later: asyncio.Task[Any] = asyncio.create_task(
            broker.topics.delete(["t"]) if deed == "delete" else broker.stop()
        )
        if deed == "stop":
            job.cancel()  # as upkeep does with its own
        _, waiting = await asyncio.wait([later], timeout=0.05)
        assert waiting
        gate.open()
        await later
        await asyncio.gather(job, return_exceptions=True)
        if deed == "delete":
            await broker.stop()

    asyncio.run(story())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert (tmp_path / ".kafka_cleanshutdown").exists()


def test_many_segments_go_in_several_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a producer id or a topic need not wait for all of them."""

    async def story() -> None:
        async with brokers.running(tmp_path) as broker:
            partition = await filled(broker, 2 * SEGMENTS_A_TURN + 5)
            turns = []
            take = broker.turn.take

            async def counted(*arguments: Any) -> Any:
                turns.append(arguments)
                return await take(*arguments)

            monkeypatch.setattr(broker.turn, "take", counted)
            await Jobs(broker).apply_retention()
            assert len(turns) == 3
            assert [segment.size_bytes for segment in partition.log.segments] == [0]

    asyncio.run(story())


def test_a_disk_that_refuses_ends_the_retention_of_one_partition_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        broker = brokers.made(tmp_path)
        await broker.start()
        hurt = await filled(broker, 3)
        await broker.topics.create([plan_topic(broker, "u", settings=SETTINGS)])
        well = broker.partitions.resolve("u", 0)
        for _ in range(2):
            append(broker, well)
        real = OsDisk.sync_directory

        def sync_directory(disk: OsDisk, path: str) -> None:
            if path.endswith("t-0"):
                raise OSError(5, "Input/output error")
            real(disk, path)

        monkeypatch.setattr(OsDisk, "sync_directory", sync_directory)
        await Jobs(broker).apply_retention()
        assert hurt.log.failed is not None
        assert well.log.failed is None
        assert well.log.log_start_offset == 2
        with pytest.raises(KafkaError):
            await broker.stop()

    asyncio.run(story())
    assert "retention of t:0" in caplog.text
