"""A shard whose log cannot be written, is not loaded yet, or holds what it must not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from kq.broker.broker import HANDLERS, Broker
from kq.broker.flusher import Flusher
from kq.broker.groups import groups as module
from kq.broker.groups.codec import encode
from kq.broker.groups.loading import load
from kq.broker.groups.topic import OFFSETS_TOPIC
from kq.broker.partition import Partition
from kq.broker.router import Call
from kq.broker.session import Session
from kq.broker.topic_plans import plan_topic
from kq.errors import Err, KafkaError
from kq.machines.group.facts import OffsetCommitKey, OffsetCommitValue
from kq.record.batch import Record, encode_batch, parse_header
from kq.record.control import EndOfTransaction, Marker, encode_marker
from kq.wire.api import Api
from kq.wire.apis.commits import OFFSET_COMMIT, OFFSET_FETCH
from kq.wire.apis.groups import FIND_COORDINATOR, JOIN_GROUP, LIST_GROUPS
from tests.support import brokers
from tests.support.groups import join_request
from tests.support.patience import until_async

ONE_SHARD = {"offsets_topic_num_partitions": "1", "group_initial_rebalance_delay_ms": "0"}


async def ask(broker: Broker, api: Api, version: int, body: Any) -> Any:
    answered = HANDLERS[api](broker, Call(Session("127.0.0.1:1"), api, version, body))
    return await answered if hasattr(answered, "__await__") else answered


async def commit(broker: Broker, offset: int) -> Err:
    make = OFFSET_COMMIT.Request
    partition = make.Partition(index=0, committed_offset=offset, committed_metadata="")
    body = make(group_id="g", topics=[make.Topic(name="t", partitions=[partition])])
    return Err.of((await ask(broker, OFFSET_COMMIT, 8, body)).topics[0].partitions[0].error_code)


async def committed(broker: Broker) -> int | Err:
    make = OFFSET_FETCH.Request
    body = make(group_id="g", topics=[make.Topic(name="t", partitions=[0])])
    answer = await ask(broker, OFFSET_FETCH, 7, body)
    return Err.of(answer.error_code) or int(answer.topics[0].partitions[0].committed_offset)


async def when_loaded(broker: Broker) -> int | Err:
    async def is_loaded() -> bool:
        return await committed(broker) is not Err.COORDINATOR_LOAD_IN_PROGRESS

    await until_async(is_loaded, "the shard is loaded")
    return await committed(broker)


async def prepared(broker: Broker) -> Partition:
    await broker.topics.create([plan_topic(broker, "t")])
    found = await ask(broker, FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key="g"))
    assert found.error_code == Err.NONE
    return broker.partitions.resolve(OFFSETS_TOPIC, 0)


def story(tmp_path: Path, tell: Callable[[Broker, Partition], Awaitable[None]], **settings: str) -> None:
    async def run() -> None:
        async with brokers.running(tmp_path, **ONE_SHARD, **settings) as broker:
            await tell(broker, await prepared(broker))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("failure", "answered"),
    [
        (Err.NOT_ENOUGH_REPLICAS, Err.COORDINATOR_NOT_AVAILABLE),
        (Err.UNKNOWN_TOPIC_OR_PARTITION, Err.COORDINATOR_NOT_AVAILABLE),
        (Err.KAFKA_STORAGE_ERROR, Err.NOT_COORDINATOR),
        (Err.NOT_LEADER_OR_FOLLOWER, Err.NOT_COORDINATOR),
        (Err.RECORD_LIST_TOO_LARGE, Err.UNKNOWN_SERVER_ERROR),
    ],
    ids=lambda code: code.name,
)
def test_what_cannot_be_written_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Err, answered: Err
) -> None:
    async def tell(broker: Broker, partition: Partition) -> None:
        assert await commit(broker, 5) is Err.NONE

        def refuse(*_: Any) -> None:
            raise KafkaError(failure)

        with monkeypatch.context() as broken:
            broken.setattr(Partition, "append", refuse)
            assert await commit(broker, 6) is answered
            joined = await ask(broker, JOIN_GROUP, 3, join_request("g2"))
            assert (joined.error_code, joined.generation_id) == (answered, -1)
        assert await committed(broker) == 5
        assert [group.group_id for group in (await ask(broker, LIST_GROUPS, 5, LIST_GROUPS.Request())).groups] == ["g"]
        assert await commit(broker, 7) is Err.NONE
        assert await committed(broker) == 7

    story(tmp_path, tell)


def test_an_answer_waits_for_the_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell(broker: Broker, partition: Partition) -> None:
        go_on = asyncio.Event()
        sync = Flusher.sync

        async def slowly(self: Flusher, which: Partition, offset: int) -> None:
            await go_on.wait()
            await sync(self, which, offset)

        monkeypatch.setattr(Flusher, "sync", slowly)
        waiting = asyncio.create_task(commit(broker, 5))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        assert partition.log.log_end_offset == 1
        reading = asyncio.create_task(committed(broker))
        await asyncio.sleep(0.05)
        assert not reading.done()
        go_on.set()
        assert await reading == 5
        assert await waiting is Err.NONE
        assert partition.high_watermark == 1

    story(tmp_path, tell, kq_log_fsync_before_ack="true")


def test_a_failed_sync_closes_the_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell(broker: Broker, partition: Partition) -> None:
        async def refuse(*_: Any) -> None:
            raise KafkaError(Err.KAFKA_STORAGE_ERROR)

        monkeypatch.setattr(Flusher, "sync", refuse)
        assert await commit(broker, 5) is Err.NOT_COORDINATOR
        assert await commit(broker, 5) is Err.NOT_COORDINATOR
        assert await committed(broker) is Err.NOT_COORDINATOR
        assert (await ask(broker, LIST_GROUPS, 5, LIST_GROUPS.Request())).groups == []
        monkeypatch.undo()

    story(tmp_path, tell, kq_log_fsync_before_ack="true")


def test_while_the_log_is_read_clients_are_told_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            await prepared(broker)
            assert await commit(broker, 5) is Err.NONE
        go_on = asyncio.Event()

        async def slowly(*args: Any) -> int:
            await go_on.wait()
            return await load(*args)

        monkeypatch.setattr(module, "load", slowly)
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            assert await commit(broker, 6) is Err.COORDINATOR_LOAD_IN_PROGRESS
            assert await committed(broker) is Err.COORDINATOR_LOAD_IN_PROGRESS
            joined = await ask(broker, JOIN_GROUP, 9, join_request("g"))
            assert joined.error_code == Err.COORDINATOR_LOAD_IN_PROGRESS
            listed = await ask(broker, LIST_GROUPS, 5, LIST_GROUPS.Request())
            assert listed.error_code == Err.COORDINATOR_LOAD_IN_PROGRESS
            go_on.set()
            assert await when_loaded(broker) == 5

    asyncio.run(run())


def append(partition: Partition, *records: tuple[bytes, bytes | None], **fields: Any) -> None:
    batch = encode_batch([Record(i, 1, key, value) for i, (key, value) in enumerate(records)], **fields)
    partition.append(memoryview(batch), parse_header(batch), 1)


def offset(number: int) -> tuple[bytes, bytes | None]:
    return encode((OffsetCommitKey("g", "t", 0), OffsetCommitValue(number)))


def ended(partition: Partition, marker: Marker, producer_id: int) -> None:
    batch = encode_marker(EndOfTransaction(marker, 0), producer_id=producer_id, producer_epoch=0, timestamp_ms=1)
    partition.append(memoryview(batch), parse_header(batch), 1)


def test_what_a_log_may_hold(tmp_path: Path) -> None:
    """Records of other kinds of groups, compressed ones, and what transactions committed, aborted and left open."""
    transactional = {"producer_epoch": 0, "base_sequence": 0, "transactional": True}

    async def run() -> None:
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            partition = await prepared(broker)
            append(partition, (b"\0\x0b\0\1g", b"\0\0"), (b"\x7f\0", b"?"), offset(1), codec=4)
            append(partition, offset(2), producer_id=1, **transactional)
            append(partition, offset(3), producer_id=2, **transactional)
            append(partition, offset(9), producer_id=3, **transactional)
            ended(partition, Marker.COMMIT, 1)
            ended(partition, Marker.ABORT, 2)
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            assert await when_loaded(broker) == 2

    asyncio.run(run())


def test_a_record_that_cannot_be_read_closes_the_shard(tmp_path: Path) -> None:
    """Rather than to go on without a commit that somebody was promised."""

    async def run() -> None:
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            partition = await prepared(broker)
            append(partition, offset(1), (offset(1)[0], b"\0\4\0"))
        async with brokers.running(tmp_path, **ONE_SHARD) as broker:
            assert await when_loaded(broker) is Err.NOT_COORDINATOR

    asyncio.run(run())


def test_a_topic_that_is_deleted_takes_its_offsets_along(tmp_path: Path) -> None:
    async def tell(broker: Broker, partition: Partition) -> None:
        assert await commit(broker, 5) is Err.NONE
        await broker.topics.delete(["t"])
        assert await committed(broker) == -1
        assert partition.log.log_end_offset == 2

    story(tmp_path, tell)


def test_the_shards_go_with_their_topic(tmp_path: Path) -> None:
    async def tell(broker: Broker, partition: Partition) -> None:
        assert await commit(broker, 5) is Err.NONE
        await broker.topics.delete([OFFSETS_TOPIC])
        assert await commit(broker, 6) is Err.NOT_COORDINATOR
        await prepared_again(broker)
        assert await committed(broker) == -1

    async def prepared_again(broker: Broker) -> None:
        await ask(broker, FIND_COORDINATOR, 3, FIND_COORDINATOR.Request(key="g"))

    story(tmp_path, tell)
