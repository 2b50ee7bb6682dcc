"""A consumer and a leader that changes its mind: sessions, epochs, truncation, near replicas, damage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from kq.client import Consumer, Err, KafkaError, connect
from kq.client.fetcher import Fetcher
from kq.client.reading import Reader
from kq.record.batch import Record, encode_batch
from kq.wire.apis.fetch import FETCH
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.offsets import LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH
from tests.client.model import ModelBroker
from tests.client.support import asynchronous, settings, until


def batch(offset: int, values: list[bytes], epoch: int) -> bytes:
    records = [Record(offset + n, 1000, None, value) for n, value in enumerate(values)]
    return bytes(encode_batch(records, base_offset=offset, leader_epoch=epoch))


class Leader:
    """Serves partition t:0 from a list of (epoch, value), with sessions, and refuses what a leader must refuse."""

    def __init__(self, broker: ModelBroker, values: int = 10) -> None:
        self.broker = broker
        self.log = [(0, b"%d" % number) for number in range(values)]
        self.epoch = 0
        self.session_id, self.session_epoch = 7, 0
        self.place: int | None = None  # what the session knows of the partition
        self.said_epoch = -1
        self.refusals: list[Err] = []  # of the partition, one a request
        self.session_refusals: list[Err] = []
        self.touch: Callable[[Any], None] = lambda partition: None
        self.asked: list[tuple[int, int]] = []  # session epoch and place of every request
        self.racks: list[str] = []
        broker.handlers[FETCH.key] = self.fetch
        broker.handlers[LIST_OFFSETS.key] = self.offsets
        broker.handlers[OFFSET_FOR_LEADER_EPOCH.key] = self.epoch_end
        original = broker.handlers[METADATA.key]

        def metadata(version: int, body: Any) -> Any:
            answer = original(version, body)
            for topic in answer.topics:
                for partition in topic.partitions:
                    partition.leader_epoch = self.epoch
            return answer

        broker.handlers[METADATA.key] = metadata

    def fetch(self, version: int, body: Any) -> Any:
        response = FETCH.Response
        self.racks.append(body.rack_id)
        if self.session_refusals:
            return response(error_code=self.session_refusals.pop(0))
        if body.session_epoch == 0:
            self.session_epoch, self.place = 0, None
        elif (body.session_id, body.session_epoch) != (self.session_id, self.session_epoch):
            return response(error_code=Err.INVALID_FETCH_SESSION_EPOCH)
        self.session_epoch += 1
        for topic in body.topics:
            for partition in topic.partitions:
                self.place, self.said_epoch = partition.fetch_offset, partition.current_leader_epoch
        assert self.place is not None
        self.asked.append((body.session_epoch, self.place))
        part = response.Partition(
            index=0, high_watermark=len(self.log), last_stable_offset=len(self.log), log_start_offset=0
        )
        self.read(part, self.place)
        topics = [response.Topic(name="t", topic_id=self.broker.topic_id, partitions=[part])]
        return response(session_id=self.session_id, topics=topics)

    def read(self, part: Any, place: int) -> None:
        if self.refusals:
            part.error_code = self.refusals.pop(0)
        elif self.said_epoch < self.epoch:
            part.error_code = Err.FENCED_LEADER_EPOCH
        elif place > len(self.log):
            part.error_code = Err.OFFSET_OUT_OF_RANGE
        elif place < len(self.log):
            epoch = self.log[place][0]
            values = [value for at, value in self.log[place : place + 3] if at == epoch]
            part.records = batch(place, values, epoch)
        self.touch(part)

    def offsets(self, version: int, body: Any) -> Any:
        response = LIST_OFFSETS.Response
        asked = body.topics[0].partitions[0]
        offset = {-1: len(self.log), -2: 0}[asked.timestamp]
        return response(topics=[response.Topic(name="t", partitions=[response.Partition(index=0, offset=offset)])])

    def epoch_end(self, version: int, body: Any) -> Any:
        response = OFFSET_FOR_LEADER_EPOCH.Response
        epoch = body.topics[0].partitions[0].leader_epoch
        known = [at for at, _ in self.log if at <= epoch]
        part = response.Partition(index=0, leader_epoch=max(known, default=-1), end_offset=len(known))
        return response(topics=[response.Topic(name="t", partitions=[part])])


@asynccontextmanager
async def reading(**named: object) -> AsyncIterator[tuple[Consumer, Leader, ModelBroker]]:
    async with ModelBroker() as broker:
        leader = Leader(broker)
        async with connect(settings(broker.bootstrap, **named)) as cluster, Consumer(cluster) as consumer:
            yield consumer, leader, broker


async def read(consumer: Consumer) -> list[bytes | None]:
    values: list[bytes | None] = []
    while not consumer.finished:
        for fetched in await consumer.fetch():
            assert fetched.error is None, fetched.error
            values += fetched.values()
    return values


def numbers(first: int, end: int) -> list[bytes]:
    return [b"%d" % number for number in range(first, end)]


@asynchronous
async def test_a_session_says_only_what_changed() -> None:
    async with reading() as (consumer, leader, _):
        consumer.assign({("t", 0): 0}, {("t", 0): 10})
        assert await read(consumer) == numbers(0, 10)
        assert leader.asked == [(0, 0), (1, 3), (2, 6), (3, 9)]


@pytest.mark.parametrize("refusal", [Err.FETCH_SESSION_ID_NOT_FOUND, Err.INVALID_FETCH_SESSION_EPOCH])
@asynchronous
async def test_a_lost_session_is_opened_anew(refusal: Err) -> None:
    async with reading() as (consumer, leader, _):
        leader.session_refusals = [refusal]
        consumer.assign({("t", 0): 0}, {("t", 0): 10})
        assert await read(consumer) == numbers(0, 10)
        assert leader.asked[0] == (0, 0)


@pytest.mark.parametrize(
    "refusal",
    [
        Err.NOT_LEADER_OR_FOLLOWER,
        Err.UNKNOWN_LEADER_EPOCH,
        Err.UNKNOWN_TOPIC_ID,
        Err.OFFSET_NOT_AVAILABLE,
        Err.KAFKA_STORAGE_ERROR,
        Err.CORRUPT_MESSAGE,
    ],
)
@asynchronous
async def test_refusals_of_a_partition_that_pass(refusal: Err) -> None:
    async with reading() as (consumer, leader, _):
        leader.refusals = [refusal, refusal]
        consumer.assign({("t", 0): 2}, {("t", 0): 10})
        assert await read(consumer) == numbers(2, 10)


@pytest.mark.parametrize("refusal", [Err.TOPIC_AUTHORIZATION_FAILED, Err.UNKNOWN_SERVER_ERROR])
@asynchronous
async def test_refusals_that_do_not_pass_end_the_partition_until_seek(refusal: Err) -> None:
    async with reading() as (consumer, leader, _):
        leader.refusals = [refusal]
        consumer.assign({("t", 0): 0}, {("t", 0): 10})
        (fetched,) = await consumer.fetch()
        assert fetched.error is not None
        assert fetched.error.code is refusal
        assert consumer.finished
        consumer.seek(("t", 0), 8)
        assert not consumer.finished
        assert await read(consumer) == numbers(8, 10)


@asynchronous
async def test_damage_ends_the_partition_at_the_damaged_batch() -> None:
    def damage(partition: Any) -> None:
        if partition.records and partition.records[7] >= 3:  # the batch at offset 3
            partition.records = partition.records[:-1] + b"?"

    async with reading() as (consumer, leader, _):
        leader.touch = damage
        consumer.assign({("t", 0): 0})
        (good,) = await consumer.fetch()
        assert good.values() == numbers(0, 3)
        (bad,) = await consumer.fetch()
        assert bad.error is not None
        assert bad.error.code is Err.CORRUPT_MESSAGE
        assert "offset 3" in str(bad.error)
        assert consumer.position(("t", 0)) == 3


@asynchronous
async def test_a_new_leader_that_has_everything() -> None:
    async with reading() as (consumer, leader, broker):
        consumer.assign({("t", 0): 0}, {("t", 0): 15})
        got: list[bytes | None] = []
        while len(got) < 10:
            got += [value for fetched in await consumer.fetch() for value in fetched.values()]
        leader.epoch = 3
        leader.log += [(3, b"%d" % number) for number in range(10, 15)]
        assert got + await read(consumer) == numbers(0, 15)
        assert broker.count("OffsetForLeaderEpoch") >= 1


async def read_ten_and_cut_back(consumer: Consumer, leader: Leader) -> None:
    """Four of the ten records that were read are lost in an unclean election, six others come."""
    consumer.assign({("t", 0): 0})
    got = 0
    while got < 10:
        got += sum(len(fetched.values()) for fetched in await consumer.fetch())
    leader.log = leader.log[:6] + [(1, b"new-%d" % number) for number in range(6, 12)]
    leader.epoch = 1


@asynchronous
async def test_a_leader_that_lost_records_is_read_from_where_both_agree() -> None:
    async with reading() as (consumer, leader, _):
        await read_ten_and_cut_back(consumer, leader)
        got: list[bytes | None] = []
        while len(got) < 6:
            got += [value for fetched in await consumer.fetch() for value in fetched.values()]
        assert got == [b"new-%d" % number for number in range(6, 12)]


@asynchronous
async def test_a_leader_that_lost_records_is_an_error_where_nothing_is_told() -> None:
    async with reading(auto_offset_reset="none") as (consumer, leader, _):
        await read_ten_and_cut_back(consumer, leader)
        (fetched,) = await consumer.fetch()
        assert fetched.error is not None
        assert "t:0 was cut back to 6: records up to 10 had been read and are gone" in str(fetched.error)


async def read_ahead(consumer: Consumer, leader: Leader) -> None:
    """Of the six records there are, three are handed out and three are read ahead."""
    del leader.log[6:]
    consumer.assign({("t", 0): 0})
    (first,) = await consumer.fetch()
    assert first.values() == numbers(0, 3)

    async def done() -> bool:
        return consumer._readers["t", 0].place == 6

    await until(done, "the rest is read ahead")


@asynchronous
async def test_what_was_read_ahead_and_not_cut_off_is_not_lost() -> None:
    async with reading() as (consumer, leader, _):
        await read_ahead(consumer, leader)
        leader.log = leader.log[:5] + [(1, b"new-%d" % number) for number in range(5, 8)]
        leader.epoch = 1

        async def moved() -> bool:
            return consumer._readers["t", 0].epoch_checked == 1

        await until(moved, "the new leader is asked")
        got: list[bytes | None] = []
        while len(got) < 5:
            got += [value for fetched in await consumer.fetch() for value in fetched.values()]
        assert got == [b"3", b"4", b"new-5", b"new-6", b"new-7"]


@asynchronous
async def test_what_was_read_ahead_is_not_lost_when_the_place_behind_it_is_gone() -> None:
    async with reading(auto_offset_reset="latest") as (consumer, leader, _):
        await read_ahead(consumer, leader)
        leader.refusals = [Err.OFFSET_OUT_OF_RANGE]

        async def refused() -> bool:
            return not leader.refusals

        await until(refused, "the place is refused")
        (fetched,) = await consumer.fetch()
        assert fetched.values() == numbers(3, 6)


@asynchronous
async def test_a_leader_that_the_cluster_does_not_know_yet_is_waited_for() -> None:
    async with reading() as (consumer, _, broker):
        original = broker.handlers[METADATA.key]
        asked = 0

        def metadata(version: int, body: Any) -> Any:
            nonlocal asked
            asked += 1
            answer = original(version, body)
            for topic in answer.topics if asked < 6 else ():
                topic.partitions[0].leader_id = 2
            return answer

        broker.handlers[METADATA.key] = metadata
        consumer.assign({("t", 0): 0}, {("t", 0): 10})
        assert await read(consumer) == numbers(0, 10)


@asynchronous
async def test_a_partition_assigned_again_and_again_is_read_each_time() -> None:
    """Whichever of its two readers, the old and the new, is looked at first."""
    async with reading() as (consumer, _, _):
        for first in (0, 7, 3, 9, 1, 5, 2, 8, 4, 6):
            consumer.assign({("t", 0): first}, {("t", 0): 10})
            assert await read(consumer) == numbers(first, 10)
            consumer.assign({("t", 0): 9})
            (fetched,) = await consumer.fetch()
            assert fetched.values() == numbers(9, 10)


@asynchronous
async def test_pause_and_resume_do_not_forget_an_error() -> None:
    async with reading() as (consumer, leader, _):
        leader.refusals = [Err.TOPIC_AUTHORIZATION_FAILED]
        consumer.assign({("t", 0): 0})
        (fetched,) = await consumer.fetch()
        assert fetched.error is not None
        consumer.pause([("t", 0)])
        consumer.resume([("t", 0)])
        assert consumer.finished


@asynchronous
async def test_what_is_no_offset_to_stop_at_is_refused() -> None:
    async with reading() as (consumer, _, _):
        consumer.assign({("t", 0): 0})
        with pytest.raises(KafkaError, match="-1 is not an offset to stop at"):
            consumer.assign({("t", 0): 5}, {("t", 0): -1})
        assert consumer.position(("t", 0)) == 0


@asynchronous
async def test_an_answer_costs_what_came_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many partitions are read: one record comes at a time, in one of 500 partitions."""
    count = 500
    looked = 0
    original = Fetcher._readable

    def counting(self: Fetcher, reader: Reader, now_s: float) -> bool:
        nonlocal looked
        looked += 1
        return original(self, reader, now_s)

    def fetch(version: int, body: Any) -> Any:
        response = FETCH.Response
        if body.session_epoch == 0:
            return response(session_id=7)
        index = body.session_epoch - 1
        part = response.Partition(index=index, high_watermark=1, last_stable_offset=1, records=batch(0, [b"v"], 0))
        named = [p.index for topic in body.topics for p in topic.partitions]
        assert named == ([index - 1] if index else [])  # and is told of the one that moved
        return response(session_id=7, topics=[response.Topic(name="t", topic_id=broker.topic_id, partitions=[part])])

    monkeypatch.setattr(Fetcher, "_readable", counting)
    async with ModelBroker(partitions=count) as broker:
        broker.handlers[FETCH.key] = fetch
        async with connect(settings(broker.bootstrap)) as cluster, Consumer(cluster) as consumer:
            consumer.assign({("t", index): 0 for index in range(count)})
            await consumer.fetch()
            before, seen = looked, 1
            while seen < 300:
                seen += len(await consumer.fetch())
            assert looked - before < 3 * seen


@asynchronous
async def test_a_near_replica_is_read_from_and_the_leader_again_when_it_fails() -> None:
    async with ModelBroker() as broker, ModelBroker() as near:
        leader, follower = Leader(broker), Leader(near)
        original = broker.handlers[METADATA.key]

        def metadata(version: int, body: Any) -> Any:
            answer = original(version, body)
            answer.brokers.append(METADATA.Response.Broker(node_id=2, host="127.0.0.1", port=near.port))
            return answer

        def send_away(partition: Any) -> None:
            if not follower.refusals and len(leader.asked) < 3:
                partition.preferred_read_replica, partition.records = 2, None

        broker.handlers[METADATA.key] = metadata
        leader.touch = send_away
        follower.log = leader.log[:6]
        given = settings(broker.bootstrap, client_rack="here")
        async with connect(given) as cluster, Consumer(cluster) as consumer:
            consumer.assign({("t", 0): 0}, {("t", 0): 10})
            got: list[bytes | None] = []
            while len(got) < 6:
                got += [value for fetched in await consumer.fetch() for value in fetched.values()]
            assert follower.asked[0] == (0, 0)
            follower.refusals = [Err.OFFSET_OUT_OF_RANGE] * 100  # behind: not for a follower to say
            assert got + await read(consumer) == numbers(0, 10)
        assert set(leader.racks) == {"here"}
