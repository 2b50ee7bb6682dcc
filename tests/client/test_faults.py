"""Producer, consumer and admin while kq's broker refuses, delays, dies, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from kq.client import Admin, Cluster, Consumer, Delivered, Err, KafkaError, Producer, connect
from kq.testing import Broker
from tests.client.support import asynchronous, make_topic, settings


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker


def numbered(first: int, end: int) -> list[bytes]:
    return [b"%06d" % number for number in range(first, end)]


async def values(cluster: Cluster, name: str) -> list[bytes | None]:
    found: list[bytes | None] = []
    async with Consumer(cluster) as consumer:
        consumer.assign({(name, 0): 0}, await consumer.end_offsets([(name, 0)]))
        while not consumer.finished:
            for fetched in await consumer.fetch():
                found += fetched.values()
    return found


@pytest.mark.parametrize(
    "error", ["NOT_LEADER_OR_FOLLOWER", "NOT_ENOUGH_REPLICAS", "KAFKA_STORAGE_ERROR", "REQUEST_TIMED_OUT"]
)
@asynchronous
async def test_refusals_that_pass(broker: Broker, name: str, error: str) -> None:
    async with connect(settings(broker.bootstrap, batch_size=300)) as cluster:
        await make_topic(cluster, name)
        broker.inject("Produce", error=error, times=4)
        async with Producer(cluster) as producer:
            await producer.send_values(name, numbered(0, 100))
        assert await values(cluster, name) == numbered(0, 100)
        assert producer.records_failed == 0


@pytest.mark.parametrize("api", ["Metadata", "InitProducerId", "Produce", "ListOffsets", "Fetch"])
@asynchronous
async def test_requests_without_an_answer(broker: Broker, name: str, api: str) -> None:
    async with connect(settings(broker.bootstrap, request_timeout_ms=300, fetch_max_wait_ms=50)) as cluster:
        await make_topic(cluster, name)
        broker.inject(api, drop=True, times=2)
        async with Producer(cluster) as producer:
            await producer.send_values(name, numbered(0, 100))
        assert await values(cluster, name) == numbered(0, 100)


@pytest.mark.parametrize(
    "error", ["NOT_LEADER_OR_FOLLOWER", "FENCED_LEADER_EPOCH", "UNKNOWN_TOPIC_OR_PARTITION", "KAFKA_STORAGE_ERROR"]
)
@asynchronous
async def test_reading_goes_on_after_refusals(broker: Broker, name: str, error: str) -> None:
    async with connect(settings(broker.bootstrap)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer:
            await producer.send_values(name, numbered(0, 50))
        broker.inject("Fetch", error=error, times=3)
        assert await values(cluster, name) == numbered(0, 50)


@asynchronous
async def test_an_error_that_concerns_everything_is_raised(broker: Broker, name: str) -> None:
    async with connect(settings(broker.bootstrap)) as cluster, Consumer(cluster) as consumer:
        await make_topic(cluster, name)
        broker.inject("Fetch", error="CLUSTER_AUTHORIZATION_FAILED")
        consumer.assign({(name, 0): 0})
        with pytest.raises(KafkaError) as caught:
            await consumer.fetch()
        assert caught.value.code is Err.CLUSTER_AUTHORIZATION_FAILED


async def _while_it_writes(broker: Broker, name: str, harm: Callable[[], None], **named: object) -> None:
    """Writes 3000 records while `harm` is done in the middle, and reads them all along."""
    async with connect(settings(broker.bootstrap, batch_size=500, request_timeout_ms=2000, **named)) as cluster:
        await make_topic(cluster, name)
        got: list[bytes | None] = []

        async def read(consumer: Consumer) -> None:
            consumer.assign({(name, 0): 0}, {(name, 0): 3000})
            while not consumer.finished:
                for fetched in await consumer.fetch():
                    assert fetched.error is None
                    got.extend(fetched.values())

        async with Consumer(cluster) as consumer:
            reading = asyncio.ensure_future(read(consumer))
            async with Producer(cluster) as producer:
                places: list[Delivered] = []
                for first in range(0, 3000, 100):
                    if first == 1500:
                        await asyncio.get_running_loop().run_in_executor(None, harm)
                    accepted = await producer.send_values(name, numbered(first, first + 100))
                    places += [await accepted.slices[-1]]
            await reading
        assert got == numbered(0, 3000)
        assert [place.offset for place in places] == sorted(place.offset for place in places)


@asynchronous
async def test_a_restart_in_the_middle(broker: Broker, name: str) -> None:
    await _while_it_writes(broker, name, broker.restart)


@asynchronous
async def test_a_sigkill_in_the_middle(broker: Broker, name: str) -> None:
    def kill_and_start() -> None:
        broker.kill()
        broker.start()

    await _while_it_writes(broker, name, kill_and_start)


@asynchronous
async def test_a_broker_that_hangs_for_longer_than_a_request_may(broker: Broker, name: str) -> None:
    def hang() -> None:
        import threading

        broker.pause()
        threading.Timer(2.5, broker.resume).start()

    await _while_it_writes(broker, name, hang, fetch_max_wait_ms=100)


@asynchronous
async def test_a_reader_tells_its_trouble_and_goes_on(broker: Broker, name: str) -> None:
    async with connect(settings(broker.bootstrap)) as cluster:
        await make_topic(cluster, name)
        async with Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0})
            assert await consumer.fetch(timeout_ms=50) == []
            assert consumer.trouble is None
            broker.kill()
            while consumer.trouble is None:
                assert await consumer.fetch(timeout_ms=50) == []
            assert broker.bootstrap in str(consumer.trouble)
            broker.start()
            async with Producer(cluster) as producer:
                await producer.send(name, b"back")
            (fetched,) = await consumer.fetch()
            assert fetched.values() == [b"back"]
            assert consumer.trouble is None


@pytest.mark.parametrize("reset", ["earliest", "latest"])
@asynchronous
async def test_a_topic_deleted_and_made_anew_is_read_from_its_start(broker: Broker, name: str, reset: str) -> None:
    """Also where it is longer than what had been read: old offsets mean nothing in it."""
    async with connect(settings(broker.bootstrap, auto_offset_reset=reset)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer, Consumer(cluster) as consumer:
            consumer.assign({(name, 0): 0})
            await producer.send_values(name, numbered(0, 50))
            (fetched,) = await consumer.fetch()
            assert len(fetched.values()) == 50
            await Admin(cluster).delete_topics([name])
            await make_topic(cluster, name)
            await producer.send_values(name, numbered(100, 300))
            await producer.flush()
            assert producer.first_error is None
            got: list[bytes | None] = []
            while len(got) < 200:
                got += [value for fetched in await consumer.fetch() for value in fetched.values()]
            assert got == numbered(100, 300)


@asynchronous
async def test_a_topic_made_anew_is_an_error_where_nothing_is_told(broker: Broker, name: str) -> None:
    async with connect(settings(broker.bootstrap, auto_offset_reset="none")) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer, Consumer(cluster) as consumer:
            await producer.send_values(name, numbered(0, 5))
            consumer.assign({(name, 0): 0})
            await consumer.fetch()
            await Admin(cluster).delete_topics([name])
            await make_topic(cluster, name)
            (fetched,) = await consumer.fetch()
            assert fetched.error is not None
            assert "was deleted and made anew" in str(fetched.error)
