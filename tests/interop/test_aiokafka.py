"""aiokafka: the oldest request versions still in wide use (Produce <= 8, Fetch 4-11, Metadata <= 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from tests.support.patience import until_async
from tests.support.rdkafka import RECENT_MS

MakeTopic = Callable[..., str]

RECORDS: list[tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]] = [
    (b"k", b"v", ()),
    (None, b"only a value", ()),
    (b"only a key", None, ()),
    (b"", b"", ()),
    (b"\x00\xff", bytes(range(256)), (("a", b"1"), ("b", b""), ("a", b"2"))),
]


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 100))


async def read(bootstrap: str, topic: str, offset: int = 0, **settings: Any) -> list[Any]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, **settings) as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, offset)
        got: list[Any] = []
        while await consumer.position(partition) < end:
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                got += batch
    return got


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
def test_records_come_back_as_they_went_in(
    bootstrap: str, make_topic: MakeTopic, codec: str | None, idempotent: bool
) -> None:
    topic = make_topic()

    async def scenario() -> None:
        settings = {"compression_type": codec, "enable_idempotence": idempotent, "linger_ms": 20}
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, **settings) as producer:
            sends = [
                await producer.send(topic, key=k, value=v, headers=list(h), timestamp_ms=RECENT_MS + i)
                for i, (k, v, h) in enumerate(RECORDS)
            ]
            sends += [await producer.send(topic, b"line %d " % i * 20) for i in range(1000)]
            assert [(await sent).offset for sent in sends] == list(range(1000 + len(RECORDS)))
        got = await read(bootstrap, topic)
        first = got[: len(RECORDS)]
        assert [(r.key, r.value, tuple(r.headers)) for r in first] == RECORDS
        assert [r.timestamp for r in first] == [RECENT_MS + i for i in range(len(RECORDS))]
        assert [r.value for r in got[len(RECORDS) :]] == [b"line %d " % i * 20 for i in range(1000)]

    run(scenario())


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(bootstrap: str, make_topic: MakeTopic, acks: int | str) -> None:
    topic = make_topic()

    async def came(values: list[bytes]) -> bool:
        return [r.value for r in await read(bootstrap, topic)] == values

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks=acks) as producer:
            for i in range(20):
                await producer.send_and_wait(topic, b"%d" % i)
        arrived = [b"%d" % i for i in range(20)]
        await until_async(lambda: came(arrived), "all 20 arrived")

    run(scenario())


def test_from_the_middle_and_by_time(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic()
    t0 = RECENT_MS

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=100, compression_type="gzip") as producer:
            sends = [await producer.send(topic, b"%d" % i, timestamp_ms=t0 + 10 * i) for i in range(300)]
            await asyncio.gather(*sends)
        for offset in (0, 1, 150, 299):
            assert [r.offset for r in await read(bootstrap, topic, offset)] == list(range(offset, 300))
        partition = TopicPartition(topic, 0)
        async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
            found = await consumer.offsets_for_times({partition: t0 + 1001})
            assert (found[partition].offset, found[partition].timestamp) == (101, t0 + 1010)
            assert (await consumer.offsets_for_times({partition: t0 + 3000}))[partition] is None
            assert await consumer.beginning_offsets([partition]) == {partition: 0}

    run(scenario())


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
def test_isolation_levels(bootstrap: str, make_topic: MakeTopic, isolation: str) -> None:
    topic = make_topic()

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
            await asyncio.gather(*[await producer.send(topic, b"%d" % i) for i in range(500)])
        got = await read(bootstrap, topic, isolation_level=isolation)
        assert [r.value for r in got] == [b"%d" % i for i in range(500)]

    run(scenario())


def test_big_and_too_big(bootstrap: str, make_topic: MakeTopic) -> None:
    topic = make_topic(**{"max.message.bytes": "3000000"})
    big = b"b" * 2_900_000

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=20_000_000) as producer:
            await producer.send_and_wait(topic, big)
            with pytest.raises(MessageSizeTooLargeError):
                await producer.send_and_wait(topic, big * 2)
        assert [r.value for r in await read(bootstrap, topic, max_partition_fetch_bytes=100_000)] == [big]

    run(scenario())


def test_administration(bootstrap: str, name: str) -> None:
    async def partitions(admin: AIOKafkaAdminClient, count: int) -> bool:
        return len((await admin.describe_topics([name]))[0]["partitions"]) == count

    async def absent(admin: AIOKafkaAdminClient) -> bool:
        return name not in await admin.list_topics()

    async def scenario() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            made = await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1000000"})])
            assert [error for _, error, *_ in made.topic_errors] == [0]
            again = await admin.create_topics([NewTopic(name, 2, 1)])
            assert [error for _, error, *_ in again.topic_errors] == [36]
            await admin.create_partitions({name: NewPartitions(3)})
            await until_async(lambda: partitions(admin, 3), "there are 3 partitions")
            resource = ConfigResource(ConfigResourceType.TOPIC, name)
            [answer] = await admin.describe_configs([resource])
            values = {entry[0]: entry[1] for entry in answer.resources[0][4]}
            assert values["retention.ms"] == "1000000"
            assert values["cleanup.policy"] == "delete"
            async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
                for i in range(10):
                    await producer.send_and_wait(name, b"%d" % i, partition=0)
            await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=4)})
            assert [r.offset for r in await read(bootstrap, name, 4)] == [4, 5, 6, 7, 8, 9]
            assert (await admin.describe_cluster())["brokers"]
            gone = await admin.delete_topics([name])
            assert [error for _, error in gone.topic_error_codes] == [0]
            await until_async(lambda: absent(admin), "the topic is gone")
        finally:
            await admin.close()

    run(scenario())
