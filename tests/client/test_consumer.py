"""The consumer against Apache Kafka and kq."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from kq.client import (
    EARLIEST,
    LATEST,
    Admin,
    Cluster,
    Consumer,
    Err,
    KafkaError,
    Producer,
    TopicPartition,
    connect,
)
from tests.client.support import asynchronous, make_topic, settings
from tests.support import peers


def numbered(first: int, end: int) -> list[bytes]:
    return [b"%06d" % number for number in range(first, end)]


async def make(cluster: Cluster, name: str, *sizes: int, **configs: str) -> None:
    """A topic whose partitions hold so many numbered records each."""
    await make_topic(cluster, name, len(sizes), **configs)
    async with Producer(cluster) as producer:
        for partition, size in enumerate(sizes):
            await producer.send_values(name, numbered(0, size), partition=partition)


async def drain(consumer: Consumer) -> dict[TopicPartition, list[bytes | None]]:
    """Values by partition until all stops are reached; positions must follow one another."""
    found: dict[TopicPartition, list[bytes | None]] = {}
    while not consumer.finished:
        for fetched in await consumer.fetch():
            assert fetched.error is None, fetched.error
            assert fetched.first_offset < fetched.next_offset
            found.setdefault((fetched.topic, fetched.partition), []).extend(fetched.values())
            assert consumer.position((fetched.topic, fetched.partition)) is not None
    return found


@asynchronous
async def test_places_and_stops(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 1000, 500, 10)
        async with Consumer(cluster) as consumer:
            assert await consumer.end_offsets([(name, 0), (name, 2)]) == {(name, 0): 1000, (name, 2): 10}
            consumer.assign(
                {(name, 0): EARLIEST, (name, 1): 123, (name, 2): 3}, {(name, 0): 700, (name, 1): 500, (name, 2): 3}
            )
            found = await drain(consumer)
            assert found == {(name, 0): numbered(0, 700), (name, 1): numbered(123, 500)}
            assert consumer.position((name, 0)) == 700
            assert consumer.watermarks((name, 0)) == (0, 1000, 1000)


@asynchronous
async def test_a_partition_that_begins_at_its_stop_is_finished_at_once(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 0)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): EARLIEST}, {(name, 0): 0})
            assert await asyncio.wait_for(consumer.fetch(), 30) == []
            assert consumer.finished


@asynchronous
async def test_many_small_fetches_lose_nothing(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, max_partition_fetch_bytes=3000, batch_size=700)) as cluster:
        await make(cluster, name, *[400] * 6)
        async with Consumer(cluster) as consumer:
            places = {(name, partition): 0 for partition in range(6)}
            consumer.assign(places, dict.fromkeys(places, 400))
            assert await drain(consumer) == dict.fromkeys(places, numbered(0, 400))


@asynchronous
async def test_a_batch_larger_than_the_fetch_still_comes(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, max_partition_fetch_bytes=100, fetch_max_bytes=100)) as cluster:
        await make(cluster, name, 0)
        async with Producer(cluster) as producer:
            await producer.send(name, b"x" * 50_000)
            await producer.send(name, b"y" * 50_000)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0}, {(name, 0): 2})
            assert await drain(consumer) == {(name, 0): [b"x" * 50_000, b"y" * 50_000]}


@asynchronous
async def test_following_what_is_written(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 5)
        async with Consumer(cluster) as consumer, Producer(cluster) as producer:
            consumer.assign({(name, 0): LATEST})
            assert await consumer.fetch(timeout_ms=100) == []
            assert consumer.position((name, 0)) == 5
            assert not consumer.finished
            for number in range(3):
                await producer.send(name, b"%d" % number)
                (fetched,) = await consumer.fetch()
                assert fetched.values() == [b"%d" % number]


@asynchronous
async def test_one_fetch_waits_while_another_is_worked_on(bootstrap: str, name: str) -> None:
    """Reading ahead: after the first answer was taken the next is there without anybody asking."""
    async with connect(settings(bootstrap, max_partition_fetch_bytes=2000, batch_size=500)) as cluster:
        await make(cluster, name, 2000)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0})
            await consumer.fetch()
            for _ in range(200):
                if consumer._fetcher._portions:
                    break
                await asyncio.sleep(0.02)
            assert 1 <= len(consumer._fetcher._portions) <= 2
            await asyncio.sleep(0.2)
            assert len(consumer._fetcher._portions) <= 2  # and no more than that


@asynchronous
async def test_seek_drops_what_was_read_ahead(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, max_partition_fetch_bytes=2000, batch_size=500)) as cluster:
        await make(cluster, name, 1000)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0}, {(name, 0): 900})
            await consumer.fetch()
            await asyncio.sleep(0.1)
            consumer.seek((name, 0), 500)
            assert await drain(consumer) == {(name, 0): numbered(500, 900)}


@asynchronous
async def test_pause_and_resume_lose_nothing(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, max_partition_fetch_bytes=2000, batch_size=500)) as cluster:
        await make(cluster, name, 500, 500)
        async with Consumer(cluster) as consumer:
            one, two = (name, 0), (name, 1)
            consumer.assign({one: 0, two: 0}, {one: 500, two: 500})
            values: dict[TopicPartition, list[bytes | None]] = {one: [], two: []}
            for turn in itertools.count():
                if consumer.finished:
                    break
                paused, other = (one, two) if turn % 2 else (two, one)
                consumer.resume([other])
                consumer.pause([paused])
                for fetched in await consumer.fetch(timeout_ms=100):
                    assert fetched.partition != paused[1]
                    values[name, fetched.partition] += fetched.values()
            assert values == {one: numbered(0, 500), two: numbered(0, 500)}


@asynchronous
async def test_a_new_assignment_forgets_the_old(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 100, 100)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0, (name, 1): 0})
            await consumer.fetch()
            consumer.assign({(name, 1): 50}, {(name, 1): 60})
            assert await drain(consumer) == {(name, 1): numbered(50, 60)}
            assert consumer.assigned == [(name, 1)]
            with pytest.raises(KafkaError, match=f"{name}:0 is not assigned"):
                consumer.seek((name, 0), 0)


@asynchronous
async def test_nothing_assigned_is_nothing_to_wait_for(bootstrap: str) -> None:
    async with connect(settings(bootstrap)) as cluster, Consumer(cluster) as consumer:
        assert await consumer.fetch() == []
        assert consumer.finished


@pytest.mark.parametrize(("reset", "first"), [("earliest", 40), ("latest", 100)])
@asynchronous
async def test_an_offset_that_is_gone_moves_as_told(bootstrap: str, name: str, reset: str, first: int) -> None:
    async with connect(settings(bootstrap, auto_offset_reset=reset)) as cluster:
        await make(cluster, name, 100)
        await Admin(cluster).delete_records({(name, 0): 40})
        async with Consumer(cluster) as consumer, Producer(cluster) as producer:
            consumer.assign({(name, 0): 7})
            if reset == "latest":
                while consumer.position((name, 0)) != 100:
                    await consumer.fetch(timeout_ms=20)
                await producer.send(name, b"%06d" % 100)
            (fetched,) = await consumer.fetch()
            assert fetched.values()[0] == b"%06d" % first
            assert fetched.first_offset == first


@asynchronous
async def test_an_offset_that_is_gone_is_an_error_where_nothing_is_told(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, auto_offset_reset="none")) as cluster:
        await make(cluster, name, 10, 10)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 500, (name, 1): 0}, {(name, 1): 10})
            seen = [fetched for _ in range(2) for fetched in await consumer.fetch()]
            (bad,) = [fetched for fetched in seen if fetched.error]
            assert bad.error is not None
            assert (bad.partition, bad.error.code) == (0, Err.OFFSET_OUT_OF_RANGE)
            assert f"{name}:0 has no offset 500" in str(bad.error)
            assert consumer.finished  # the other one was read to its stop
            consumer.seek((name, 0), 8)
            (good,) = await consumer.fetch()
            assert good.values() == numbered(8, 10)


@asynchronous
async def test_a_topic_that_is_not_there_is_an_error_after_a_while(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster, Consumer(cluster) as consumer:
        consumer.assign({(name, 0): 0})
        (fetched,) = await consumer.fetch()
        assert fetched.error is not None
        assert fetched.error.code is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert f"no partition {name}:0" in str(fetched.error)


@asynchronous
async def test_a_topic_made_later_is_read(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster, Consumer(cluster) as consumer:
        consumer.assign({(name, 0): EARLIEST})
        assert await consumer.fetch(timeout_ms=50) == []
        await make(cluster, name, 5)
        (fetched,) = await consumer.fetch()
        assert fetched.values() == numbered(0, 5)


@pytest.mark.parametrize("version", [4, 6, 7, 11, 12, 13, 16])
@asynchronous
async def test_older_versions_of_fetch(bootstrap: str, name: str, version: int) -> None:
    """As from brokers that know no sessions (before 7) or no topic ids (before 13)."""
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 300, 300)
        async with Consumer(cluster) as consumer:
            connection = await cluster.connection(1, consumer._fetcher._lane)
            connection.versions[1] = connection.versions[1]._replace(highest=version)
            consumer.assign({(name, 0): 0, (name, 1): 100}, {(name, 0): 300, (name, 1): 300})
            assert await drain(consumer) == {(name, 0): numbered(0, 300), (name, 1): numbered(100, 300)}


@asynchronous
async def test_a_reader_that_closes_early_leaves_nothing_behind(bootstrap: str, name: str) -> None:
    before = asyncio.all_tasks()
    async with connect(settings(bootstrap)) as cluster:
        await make(cluster, name, 1000)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0})
            await consumer.fetch()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


@pytest.mark.java
def test_transactions(kafka: peers.Kafka, name: str) -> None:
    """Aborted and open transactions of a real coordinator: hidden from the one, shown to the other."""
    from confluent_kafka import Producer as Transactional

    from tests.support import topics

    topics.create(kafka.bootstrap, name)
    writers = {
        writer: Transactional({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{name}-{writer}"})
        for writer in "ab"
    }
    for writer in writers.values():
        writer.init_transactions(30)
    committed, every = [], []
    for number in range(6):
        writer = writers["ab"[number % 2]]
        writer.begin_transaction()
        value = b"%d" % number
        for _ in range(3):
            writer.produce(name, value, partition=0)
        writer.flush(30)
        every += [value] * 3
        if number % 3:
            writer.commit_transaction(30)
            committed += [value] * 3
        else:
            writer.abort_transaction(30)
    writers["a"].begin_transaction()
    writers["a"].produce(name, b"open", partition=0)
    writers["a"].flush(30)

    @asynchronous
    async def read() -> None:
        async with connect(settings(kafka.bootstrap, isolation_level="read_committed")) as cluster:
            ends = await Admin(cluster).list_offsets({(name, 0): LATEST})
            stable = ends[name, 0].offset
            async with Consumer(cluster) as consumer:
                consumer.assign({(name, 0): 0}, {(name, 0): stable})
                assert await drain(consumer) == {(name, 0): committed}
                marks = consumer.watermarks((name, 0))
                assert marks.stable == stable < marks.high
                consumer.assign({(name, 0): 0})
                values = [value for fetched in await consumer.fetch() for value in fetched.values()]
                assert values == committed
                assert await consumer.fetch(timeout_ms=300) == []  # held by the open one
                assert consumer.position((name, 0)) == stable
        async with connect(settings(kafka.bootstrap)) as cluster, Consumer(cluster) as consumer:
            high = (await Admin(cluster).list_offsets({(name, 0): LATEST}))[name, 0].offset
            consumer.assign({(name, 0): 0}, {(name, 0): high})
            assert await drain(consumer) == {(name, 0): [*every, b"open"]}

    read()
    writers["a"].abort_transaction(30)
