"""The log cleaner inside a running broker: what it does unasked, what it gives up, and what clients see of it."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from kq.broker import cleaning
from kq.broker.broker import Broker
from kq.broker.cleaning import GivenUp, Pace
from kq.broker.partition import Partition
from kq.broker.topic_plans import plan_topic
from kq.engine import names
from kq.record.batch import Record, encode_batch, parse_header
from kq.testing import Broker as OwnBroker
from tests.support import brokers
from tests.support.compacting import committed, folded
from tests.support.patience import until, until_async
from tests.support.status import status

EAGER = {"log.cleaner.backoff.ms": "50", "log.flush.scheduler.interval.ms": "50"}
SMALL = {"cleanup.policy": "compact", "internal.segment.bytes": "4000", "file.delete.delay.ms": "0"}


def run(tmp_path: Path, story: Callable[[Broker, Partition], Awaitable[None]], **more: str) -> None:
    """The story of a broker with a compacted topic `t` of one partition."""

    async def whole() -> None:
        eager = {name.replace(".", "_"): text for name, text in EAGER.items()} | more
        async with brokers.running(tmp_path, **eager) as broker:
            await broker.topics.create([plan_topic(broker, "t", num_partitions=1, settings=SMALL)])
            await story(broker, partition_of(broker))

    asyncio.run(whole())


def partition_of(broker: Broker) -> Partition:
    partition = broker.partitions.of_topic("t")[0]
    assert partition is not None
    return partition


def append(broker: Broker, partition: Partition, key: bytes | None, value: bytes | None) -> None:
    batch = encode_batch([Record(0, broker.now_ms(), key, value)])
    partition.append(memoryview(batch), parse_header(batch), broker.now_ms())


def fill(broker: Broker, partition: Partition, count: int = 400) -> dict[bytes, bytes]:
    for number in range(count):
        append(broker, partition, b"key-%d" % (number % 10), b"value %d " % number * 5)
    return folded(committed(partition.log, max_bytes=1 << 20))


async def idle(broker: Broker, partition: Partition) -> bool:
    """All but the active segment is compacted."""
    return partition.log.compaction.clean_offset == partition.log.segments[-1].base_offset > 0


def test_a_compacted_topic_is_compacted_unasked(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        log = partition.log
        table = fill(broker, partition)
        region = log.read(0, 2000, end_offset=log.log_end_offset)
        assert region is not None
        held = region.read()
        before = log.size_bytes
        await until_async(lambda: idle(broker, partition), "the log is compacted")
        assert log.size_bytes < before / 3
        assert folded(committed(log, max_bytes=1 << 20)) == table
        assert region.read() == held, "a read under way keeps its file"
        assert broker.cleaning.passes >= 1
        assert 0 < broker.cleaning.kept_bytes < broker.cleaning.copied_bytes <= broker.cleaning.read_bytes
        await until_async(lambda: names_gone(log.directory), "what was replaced is deleted")

    async def names_gone(directory: str) -> bool:
        return not [name for name in os.listdir(directory) if name.endswith((names.DELETED, names.CLEANED, names.SWAP))]

    run(tmp_path, story)
    offsets = (tmp_path / "cleaner-offset-checkpoint").read_text().split()
    assert offsets[:4] == ["0", "1", "t", "0"]
    assert int(offsets[4]) > 300


def test_what_was_compacted_is_not_looked_at_again_after_a_restart(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        fill(broker, partition)
        await until_async(lambda: idle(broker, partition), "the log is compacted")

    run(tmp_path, story)

    async def again() -> None:
        async with brokers.running(tmp_path, log_cleaner_backoff_ms="1") as broker:
            assert await idle(broker, partition_of(broker))
            assert await broker.cleaning._dirtiest() is None

    asyncio.run(again())


def test_the_policy_is_changed_while_the_broker_runs(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        await broker.topics.alter_settings("t", lambda now: {**now.settings, "cleanup.policy": "delete"})
        for number in range(300):
            append(broker, partition, b"k" if number % 2 else None, b"v" * 50)
        await broker.cleaning.clean()
        assert broker.cleaning.passes == 0
        await broker.topics.alter_settings("t", lambda now: {**now.settings, "cleanup.policy": "compact,delete"})
        await until_async(lambda: idle(broker, partition), "the log is compacted")
        clean = [record for record in committed(partition.log) if record.offset < partition.log.compaction.clean_offset]
        assert [record.key for record in clean] == [b"k"], "what has no key has no business in a compacted log"

    run(tmp_path, story)


def test_switched_off_it_stays_off(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        assert "clean" not in {task.get_name() for task in broker.upkeep._tasks}
        fill(broker, partition)

    run(tmp_path, story, log_cleaner_enable="false")


def test_a_topic_that_is_deleted_meanwhile_ends_its_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        fill(broker, partition)
        await until_async(lambda: flushed(partition), "the segments are flushed")
        found = broker.cleaning._look_at(partition, broker.now_ms())
        assert found is not None
        began = asyncio.Event()
        loop = asyncio.get_running_loop()
        deleted = asyncio.Event()

        def pace(*_: object) -> Callable[[int], None]:
            def breathe(moved_bytes: int) -> None:
                loop.call_soon_threadsafe(began.set)
                asyncio.run_coroutine_threadsafe(deleted.wait(), loop).result(30)

            return breathe

        monkeypatch.setattr(cleaning, "Pace", pace)
        cleaned = asyncio.create_task(broker.cleaning._clean(partition, found))
        await began.wait()
        await broker.topics.delete(["t"])
        await broker.topics.create([plan_topic(broker, "t", num_partitions=1, settings=SMALL)])
        deleted.set()
        await cleaned
        assert broker.cleaning.passes == 0
        assert broker.cleaning.uncleanable == {}
        assert partition_of(broker).log.log_end_offset == 0

    run(tmp_path, story, log_cleaner_backoff_ms="3600000")


async def flushed(partition: Partition) -> bool:
    return partition.log.recovery_point >= partition.log.segments[-1].base_offset > 0


def test_segments_that_go_meanwhile_end_the_pass(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        table = fill(broker, partition)
        await until_async(lambda: flushed(partition), "the segments are flushed")
        found = broker.cleaning._look_at(partition, broker.now_ms())
        assert found is not None
        real = broker.turn.take

        async def take(change: object, *args: object) -> object:
            partition.trim(partition.log.segments[1].base_offset)
            retirement = partition.log.begin_retention(broker.now_ms(), partition.high_watermark, most=9)
            assert retirement is not None
            retirement.run()
            partition.log.finish_retention(retirement)
            return await real(change, *args)  # type: ignore[arg-type]

        broker.turn.take = take  # type: ignore[assignment,method-assign]
        await broker.cleaning._clean(partition, found)
        broker.turn.take = real  # type: ignore[method-assign]
        assert broker.cleaning.passes == 0
        assert partition.log.compaction.clean_offset == 0
        assert not [name for name in os.listdir(partition.log.directory) if name.endswith(names.CLEANED)]
        await broker.cleaning.clean()
        assert broker.cleaning.passes == 1
        assert folded(committed(partition.log, max_bytes=1 << 20)) == table

    run(tmp_path, story, log_cleaner_backoff_ms="3600000")


def test_a_damaged_log_is_left_alone_and_says_so(tmp_path: Path) -> None:
    async def story(broker: Broker, partition: Partition) -> None:
        fill(broker, partition)
        await until_async(lambda: flushed(partition), "the segments are flushed")
        path = Path(partition.log.directory) / names.file_name(0, names.LOG)
        with path.open("r+b") as file:
            file.seek(200)
            file.write(b"\xff\xff")
        before = partition.log.segments
        await broker.cleaning.clean()
        assert list(broker.cleaning.uncleanable) == [partition.log]
        assert "checksum" in broker.cleaning.uncleanable[partition.log]
        assert partition.log.segments == before
        await broker.topics.delete(["t"])
        await broker.cleaning.clean()
        assert not broker.cleaning.uncleanable

    run(tmp_path, story, log_cleaner_backoff_ms="3600000")


def test_the_pace_ends_a_pass_and_keeps_to_the_rate() -> None:
    over: list[bool] = []
    pace = Pace(1e6, lambda: bool(over))
    for _ in range(10):
        pace(4000)
    over.append(True)
    with pytest.raises(GivenUp):
        pace(4000)


def test_clients_read_over_the_gaps() -> None:
    with OwnBroker(settings=EAGER) as broker:
        topic = f"compacted-{uuid.uuid4().hex[:8]}"
        broker.create_topic(topic, 1, SMALL)
        producer = Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 0})
        for number in range(600):
            producer.produce(topic, b"value %d" % number * 4, b"key-%d" % (number % 20), partition=0)
            if number % 3 == 0:
                producer.flush()
        producer.produce(topic, None, b"key-3", partition=0)
        producer.flush()
        until(lambda: status(broker)["cleaner"]["passes"] > 0, "a log is compacted")
        until(lambda: clean_offset(broker, topic) == last_base(broker, topic) > 0, "it is clean")
        ours = [(one.offset, one.key, one.value) for one in broker.records(topic)]
        assert len(ours) < 300
        theirs = read(broker.bootstrap, topic)
        assert theirs == ours
        assert folded(Record(o, 0, k, v) for o, k, v in ours) == {
            b"key-%d" % n: b"value %d" % (580 + n) * 4 for n in range(20) if n != 3
        }
        producer.produce(topic, b"the next in sequence", b"key-0", partition=0)
        assert producer.flush(30) == 0
        before = clean_offset(broker, topic)
        broker.kill()
        broker.start()
        assert [(one.offset, one.key, one.value) for one in broker.records(topic)][: len(ours)] == ours
        assert clean_offset(broker, topic) <= before


def partition_status(broker: OwnBroker, topic: str) -> dict[str, object]:
    return next(one for one in status(broker)["topics"] if one["topic"] == topic)["partitions"][0]  # type: ignore[no-any-return]


def clean_offset(broker: OwnBroker, topic: str) -> int:
    return int(str(partition_status(broker, topic)["clean_offset"]))


def last_base(broker: OwnBroker, topic: str) -> int:
    segments = partition_status(broker, topic)["segments"]
    assert isinstance(segments, list)
    return int(segments[-1]["base_offset"])


def read(bootstrap: str, topic: str) -> list[tuple[int, bytes | None, bytes | None]]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "g", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[tuple[int, bytes | None, bytes | None]] = []
    try:
        while (message := consumer.poll(30)) is not None:
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                break
            found.append((message.offset(), message.key(), message.value()))  # type: ignore[arg-type]
    finally:
        consumer.close()
    return found
