"""The producer against Apache Kafka and kq; what it wrote is read back by the consumer, or by a Java tool."""

from __future__ import annotations

import random

import pytest

from kq.client import Cluster, Consumer, Err, KafkaError, Producer, RecordTooLarge, connect
from kq.client.settings import CODECS
from kq.record.batch import Record
from kq.record.murmur2 import partition_for
from tests.client.support import asynchronous, make_topic, settings, until
from tests.support import peers


async def read(cluster: Cluster, name: str, partitions: int = 1) -> list[list[Record]]:
    """Every record of each partition, up to its end as of now: what was acknowledged is before that."""
    places = {(name, index): 0 for index in range(partitions)}
    async with Consumer(cluster) as consumer:
        ends = await consumer.end_offsets(places)
    found: list[list[Record]] = [[] for _ in range(partitions)]
    async with Consumer(cluster) as consumer:
        consumer.assign(places, ends)
        while not consumer.finished:
            for fetched in await consumer.fetch():
                assert fetched.error is None
                found[fetched.partition] += fetched.records()
    return found


@asynchronous
async def test_everything_a_record_can_hold(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer:
            sent = [
                producer.send(name, b"value", b"key", [("h", b"1"), ("h", None), ("ü", b"")], timestamp_ms=5000),
                producer.send(name, None, b"tombstone", timestamp_ms=6000),
                producer.send(name, b"", b"", timestamp_ms=4000),
                producer.send(name, bytes(range(256)), timestamp_ms=0),
            ]
            places = [await one for one in sent]
        assert [place.offset for place in places] == [0, 1, 2, 3]
        assert [place.timestamp_ms for place in places] == [5000, 6000, 4000, 0]
        (records,) = await read(cluster, name)
        assert records == [
            Record(0, 5000, b"key", b"value", (("h", b"1"), ("h", None), ("ü", b""))),
            Record(1, 6000, b"tombstone", None, ()),
            Record(2, 4000, b"", b"", ()),
            Record(3, 0, None, bytes(range(256)), ()),
        ]


@pytest.mark.parametrize("codec", CODECS)
@asynchronous
async def test_every_codec(bootstrap: str, name: str, codec: str) -> None:
    values = [b"%06d" % number * 20 for number in range(3000)]
    async with connect(settings(bootstrap, compression_type=codec, batch_size=50_000)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer:
            await producer.send_values(name, values)
        assert producer.first_error is None
        (records,) = await read(cluster, name)
        assert [record.value for record in records] == values


def test_on_uvloop(bootstrap: str, name: str) -> None:
    uvloop = pytest.importorskip("uvloop")
    values = [b"%06d" % number * 50 for number in range(20_000)]

    async def write_and_read() -> None:
        async with connect(settings(bootstrap, batch_size=300_000)) as cluster:
            await make_topic(cluster, name, 2)
            async with Producer(cluster) as producer:
                await producer.send_values(name, values, partition=1)
            assert producer.first_error is None
            assert [record.value for record in (await read(cluster, name, 2))[1]] == values

    uvloop.run(write_and_read())


@asynchronous
async def test_what_was_sent_before_an_exception_is_delivered(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, linger_ms=1000)) as cluster:
        await make_topic(cluster, name)

        async def fail() -> None:
            async with Producer(cluster) as producer:
                producer.send(name, b"v")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert [record.value for record in (await read(cluster, name))[0]] == [b"v"]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
@asynchronous
async def test_every_acks(bootstrap: str, name: str, acks: str) -> None:
    async with connect(settings(bootstrap, acks=acks)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer:
            assert (await producer.send(name, b"a")).offset == (-1 if acks == "0" else 0)
            await producer.send_values(name, [b"b", b"c"])

        async def written() -> bool:  # with acks=0 nobody says when
            return [record.value for record in (await read(cluster, name))[0]] == [b"a", b"b", b"c"]

        assert acks == "0" or await written()
        await until(written, "all three are there")


@asynchronous
async def test_keys_go_where_java_puts_them_and_keep_their_order(bootstrap: str, name: str) -> None:
    rng = random.Random(1)
    keys: list[bytes | None] = [b"key-%d" % rng.randrange(300) for _ in range(3000)]
    values: list[bytes | None] = [b"%d" % number for number in range(3000)]
    async with connect(settings(bootstrap, batch_size=5000)) as cluster:
        await make_topic(cluster, name, 7)
        async with Producer(cluster) as producer:
            accepted = await producer.send_columns(name, values[:2000], keys[:2000])
            for key, value in zip(keys[2000:], values[2000:], strict=True):
                producer.send(name, value, key)
        assert producer.first_error is None
        assert sorted(row for part in accepted.slices for row in part.rows) == list(range(2000))
        for partition, records in enumerate(await read(cluster, name, 7)):
            expected = [(k, v) for k, v in zip(keys, values, strict=True) if k and partition_for(k, 7) == partition]
            assert [(record.key, record.value) for record in records] == expected


@asynchronous
async def test_records_with_and_without_key_of_one_call_keep_their_order(bootstrap: str, name: str) -> None:
    keys = [None if number % 3 else b"%d" % (number % 11) for number in range(300)]
    values: list[bytes | None] = [b"%d" % number for number in range(300)]
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, 3)
        async with Producer(cluster) as producer:
            assert not (await producer.send_columns(name, values, keys)).rejected
        found = await read(cluster, name, 3)
    for partition, records in enumerate(found):
        numbers = [int(record.value or b"") for record in records]
        assert numbers == sorted(numbers)
        assert all(record.key is None or partition_for(record.key, 3) == partition for record in records)
    assert sum(any(record.key is None for record in records) for records in found) == 1
    assert sum(map(len, found)) == 300


@asynchronous
async def test_columns_with_and_without_keys_headers_and_times(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, 2)
        async with Producer(cluster) as producer:
            accepted = await producer.send_columns(
                name,
                [b"a", None, b"c"],
                [None, b"k", b"k"],
                [[], [("h", b"v")], []],
                timestamps_ms=[10, 20, 30],
                partition=1,
            )
            (part,) = accepted.slices
            places = await part.each()
            assert [(one.offset, one.timestamp_ms) for one in places if not isinstance(one, KafkaError)] == [
                (0, 10),
                (1, 20),
                (2, 30),
            ]
        assert await read(cluster, name, 2) == [
            [],
            [
                Record(0, 10, None, b"a", ()),
                Record(1, 20, b"k", None, (("h", b"v"),)),
                Record(2, 30, b"k", b"c", ()),
            ],
        ]


@asynchronous
async def test_records_without_key_are_spread_evenly_over_batches(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, batch_size=2000)) as cluster:
        await make_topic(cluster, name, 4)
        async with Producer(cluster) as producer:
            for first in range(0, 8000, 500):
                await producer.send_values(name, [b"%06d" % number for number in range(first, first + 500)])
        assert producer.first_error is None
        found = await read(cluster, name, 4)
        assert sorted(int(record.value or 0) for records in found for record in records) == list(range(8000))
        assert all(1000 < len(records) < 3000 for records in found), [len(records) for records in found]


@asynchronous
async def test_a_record_that_is_too_large_is_refused_and_the_rest_is_sent(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name)
        async with Producer(cluster) as producer:
            accepted = await producer.send_values(name, [b"a", b"x" * 2_000_000, b"b"])
            ((row, error),) = accepted.rejected
            assert row == 1
            assert isinstance(error, RecordTooLarge)
            assert "over max.request.size 1,048,576" in str(error)
            with pytest.raises(RecordTooLarge):
                producer.send(name, b"x" * 2_000_000)
        assert [record.value for record in (await read(cluster, name))[0]] == [b"a", b"b"]


@asynchronous
async def test_batches_over_the_topics_limit_are_split(bootstrap: str, name: str) -> None:
    values = [b"%04d" % number * 100 for number in range(200)]
    values[77] = b"x" * 20_000
    async with connect(settings(bootstrap, batch_size=100_000)) as cluster:
        await make_topic(cluster, name, max_message_bytes="10000")
        async with Producer(cluster) as producer:
            accepted = await producer.send_values(name, values)
            results = [one for part in accepted.slices for one in await part.each()]
        failed = [row for row, one in enumerate(results) if isinstance(one, KafkaError)]
        assert failed == [77]
        assert isinstance(results[77], KafkaError)
        assert results[77].code is Err.MESSAGE_TOO_LARGE
        records = (await read(cluster, name))[0]
        assert [record.value for record in records] == values[:77] + values[78:]


@asynchronous
async def test_the_brokers_clock_where_the_topic_says_so(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, message_timestamp_type="LogAppendTime")
        async with Producer(cluster) as producer:
            place = await producer.send(name, b"v", timestamp_ms=1000)
        assert place.timestamp_ms > 1_000_000_000_000
        assert (await read(cluster, name))[0][0].timestamp == place.timestamp_ms


@asynchronous
async def test_a_broker_that_refuses_a_record_says_why(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, cleanup_policy="compact")
        async with Producer(cluster) as producer:
            with pytest.raises(KafkaError) as caught:
                await producer.send(name, b"no key")
            assert caught.value.code is Err.INVALID_RECORD
            assert (await producer.send(name, b"v", b"k")).offset == 0


@asynchronous
async def test_no_topic_is_made_by_sending_to_it(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster, Producer(cluster) as producer:
        with pytest.raises(KafkaError, match=f"no topic '{name}'"):
            await producer.send(name, b"v")
        with pytest.raises(KafkaError, match=f"no topic '{name}'"):
            await producer.send_values(name, [b"v"])
        assert name not in (await cluster.metadata()).topics


@asynchronous
async def test_a_topic_is_made_by_sending_to_it_where_that_is_wanted(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap, allow_auto_create_topics=True)) as cluster, Producer(cluster) as producer:
        assert (await producer.send(name, b"v")).offset == 0


@pytest.mark.java
def test_java_reads_what_kq_wrote(kafka: peers.Kafka, name: str) -> None:
    @asynchronous
    async def write() -> None:
        async with connect(settings(kafka.bootstrap, compression_type="lz4")) as cluster:
            await make_topic(cluster, name)
            async with Producer(cluster) as producer:
                await producer.send_columns(name, [b"one", None, b"three"], [b"a", b"b", None], timestamps_ms=[1, 2, 3])

    write()
    done = peers.run(
        "kafka-console-consumer", "--bootstrap-server", kafka.bootstrap, "--topic", name, "--partition", "0",
        "--offset", "0", "--max-messages", "3", "--formatter-property", "print.key=true",
        "--formatter-property", "print.timestamp=true",
    )  # fmt: skip
    assert done.stdout.splitlines() == ["CreateTime:1\ta\tone", "CreateTime:2\tb\tnull", "CreateTime:3\tnull\tthree"]
