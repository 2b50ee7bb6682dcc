"""A producer and a leader that fails in every way: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import asyncio
import random
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kq.client import Delivered, Err, KafkaError, Producer, connect, pool
from kq.client.cluster import Connecting
from kq.client.outcomes import MAX_EPOCH
from kq.record.batch import BatchHeader, parse_header
from kq.wire.apis.metadata import METADATA
from kq.wire.apis.produce import PRODUCE
from kq.wire.apis.producers import INIT_PRODUCER_ID
from tests.client.model import Fate, ModelBroker, Silence
from tests.client.support import asynchronous, run, settings

SMALL = {"batch_size": 150}  # some three records of ten bytes


def client(broker: ModelBroker, **named: object) -> Connecting:
    return connect(settings(broker.bootstrap, **named))


def numbered(count: int) -> list[bytes]:
    return [b"%010d" % number for number in range(count)]


def fates(*first: Fate) -> tuple[list[BatchHeader], object]:
    """Fate of the batches that come, one after another; then all is well."""
    seen: list[BatchHeader] = []

    def fate(header: BatchHeader, values: list[bytes | None]) -> Fate:
        seen.append(header)
        return first[len(seen) - 1] if len(seen) <= len(first) else Fate.WELL

    return seen, fate


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.WRITTEN_BUT_LATE, Fate.CUT_BEFORE, Fate.CUT_AFTER])
@asynchronous
async def test_sent_again_with_the_same_numbers(fate: Fate) -> None:
    seen, chosen = fates(fate)
    async with ModelBroker(fate=chosen) as broker, client(broker) as cluster, Producer(cluster) as producer:
        delivered = await producer.send("t", b"v")
    assert delivered.offset == 0
    assert broker.logs[0].values == [b"v"]
    assert [(h.producer_id, h.producer_epoch, h.base_sequence) for h in seen] == [(1001, 0, 0)] * 2


@pytest.mark.parametrize(("named", "most"), [({}, 5), ({"max_in_flight": 2}, 2), ({"acks": "1"}, 1)])
@asynchronous
async def test_how_many_requests_are_on_the_way(named: dict[str, object], most: int) -> None:
    """Five by default; one a partition where sending again could change the order."""
    async with ModelBroker() as broker, client(broker, **SMALL, **named) as cluster:
        original = broker.handlers[PRODUCE.key]
        on_the_way: list[int] = []

        async def look(version: int, body: object) -> object:
            await asyncio.sleep(0.02)
            on_the_way.append(sum(producer._sender._in_flight.values()))
            return original(version, body)

        broker.handlers[PRODUCE.key] = look
        async with Producer(cluster) as producer:
            await producer.send_values("t", numbered(40))
        assert max(on_the_way) == most
        assert broker.logs[0].values == numbered(40)


@asynchronous
async def test_a_leader_that_lost_a_batch_gets_the_later_ones_once_under_a_new_epoch() -> None:
    seen, chosen = fates(Fate.WELL, Fate.WELL, Fate.CUT_BACK)
    async with ModelBroker(fate=chosen) as broker, client(broker, **SMALL) as cluster:
        async with Producer(cluster) as producer:
            await producer.send_values("t", numbered(30))
        size = seen[0].record_count
        assert broker.logs[0].values == numbered(30)[:size] + numbered(30)[2 * size :]
        assert max(header.producer_epoch for header in seen) == 1


@asynchronous
async def test_a_batch_nobody_can_write_does_not_hold_those_behind_it() -> None:
    seen, chosen = fates(Fate.WELL, Fate.POISON)
    async with ModelBroker(fate=chosen) as broker, client(broker, **SMALL) as cluster:
        async with Producer(cluster) as producer:
            accepted = await producer.send_values("t", numbered(30))
            await producer.flush()
            failed = [
                row
                for part in accepted.slices
                for row, one in zip(part.rows, await part.each(), strict=True)
                if isinstance(one, KafkaError)
            ]
            assert producer.records_failed == len(failed) == seen[1].record_count
            assert producer.first_error is not None
            assert producer.first_error.code is Err.INVALID_RECORD
        assert broker.logs[0].values == [value for row, value in enumerate(numbered(30)) if row not in failed]
        assert max(header.producer_epoch for header in seen) == 1  # the hole in the sequence cost one epoch


@asynchronous
async def test_too_large_batches_are_halved_until_they_fit_and_single_records_fail() -> None:
    async with ModelBroker() as broker, client(broker, batch_size=100_000) as cluster:
        broker.most_records = 4
        async with Producer(cluster) as producer:
            accepted = await producer.send_values("t", numbered(30))
            places = [one for part in accepted.slices for one in await part.each()]
        assert broker.logs[0].values == numbered(30)
        assert [one.offset for one in places if isinstance(one, Delivered)] == list(range(30))

        broker.most_records = 0
        async with Producer(cluster) as producer:
            with pytest.raises(KafkaError) as caught:
                await producer.send("t", b"x")
            assert caught.value.code is Err.MESSAGE_TOO_LARGE


@asynchronous
async def test_delivery_timeout_ends_it_and_says_why() -> None:
    broker = ModelBroker(fate=lambda header, values: Fate.REFUSED)
    async with broker, client(broker, request_timeout_ms=100, delivery_timeout_ms=200) as cluster:
        producer = Producer(cluster)
        with pytest.raises(KafkaError, match=r"t:0 took no records for 0\.2 s \(This broker is not") as caught:
            await producer.send("t", b"v")
        assert caught.value.code is Err.REQUEST_TIMED_OUT
        await producer.close()


@asynchronous
async def test_what_follows_from_the_first_cause_does_not_hide_it() -> None:
    """Batches behind one that the disk refuses come out of order: that is said of none of them."""
    full = "Could not append to /data/t-0: No space left on device."
    refused: list[Err] = []

    def refuse(version: int, body: Any) -> object:
        (sequence,) = (parse_header(p.records).base_sequence for t in body.topics for p in t.partitions)
        refused.append(Err.KAFKA_STORAGE_ERROR if sequence == 1 else Err.OUT_OF_ORDER_SEQUENCE_NUMBER)
        return produced(body, refused[-1], full if sequence == 1 else f"sent sequence {sequence}, expected 1")

    named: dict[str, Any] = {**SMALL, "request_timeout_ms": 100, "delivery_timeout_ms": 300}
    async with ModelBroker() as broker, client(broker, **named) as cluster:
        producer = Producer(cluster)
        await producer.send("t", b"before")  # the epoch is confirmed: several batches are on the way at a time
        broker.handlers[PRODUCE.key] = refuse
        accepted = await producer.send_values("t", numbered(30))
        await asyncio.sleep(0.1)
        [(topic, partition, trouble)] = producer.troubles
        assert (topic, partition, str(trouble)) == ("t", 0, full.rstrip("."))
        errors = {str(error) for part in accepted.slices for error in await part.each()}
        assert errors == {f"t:0 took no records for 0.3 s ({full.rstrip('.')})"}
        assert set(refused) == {Err.KAFKA_STORAGE_ERROR, Err.OUT_OF_ORDER_SEQUENCE_NUMBER}
        assert producer.troubles == []
        await producer.close()


def produced(body: Any, code: Err, message: str) -> object:
    make = PRODUCE.Response
    return make(
        topics=[
            make.Topic(
                name=t.name,
                topic_id=t.topic_id,
                partitions=[
                    make.Partition(index=p.index, error_code=code, error_message=message, base_offset=-1)
                    for p in t.partitions
                ],
            )
            for t in body.topics
        ]
    )


@asynchronous
async def test_a_silent_broker_is_given_up_and_the_records_go_again() -> None:
    async with ModelBroker() as broker, client(broker, request_timeout_ms=50, delivery_timeout_ms=20_000) as cluster:
        original = broker.handlers[PRODUCE.key]
        asked = 0

        def silent_once(version: int, body: object) -> object:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise Silence
            return original(version, body)

        broker.handlers[PRODUCE.key] = silent_once
        async with Producer(cluster) as producer:
            assert (await producer.send("t", b"v")).offset == 0
        assert asked == 2


@asynchronous
async def test_retries_can_be_limited() -> None:
    seen, chosen = fates(*[Fate.REFUSED] * 9)
    async with ModelBroker(fate=chosen) as broker, client(broker, retries=2) as cluster:
        async with Producer(cluster) as producer:
            with pytest.raises(KafkaError) as caught:
                await producer.send("t", b"v")
        assert caught.value.code is Err.NOT_LEADER_OR_FOLLOWER
        assert len(seen) == 3


@asynchronous
async def test_without_acks_nothing_is_answered_and_nothing_known() -> None:
    async with ModelBroker() as broker, client(broker, acks="0") as cluster:
        async with Producer(cluster) as producer:
            delivered = await producer.send("t", b"v")
            assert delivered.offset == -1
            await producer.send_values("t", numbered(100))
        assert broker.logs[0].values == [b"v", *numbered(100)]  # by the order of answers, for closing asks one more


@asynchronous
async def test_without_acks_closing_waits_for_a_broker_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ModelBroker() as broker, client(broker, **SMALL, acks="0") as cluster:
        original = broker.handlers[PRODUCE.key]

        async def slow(version: int, body: object) -> object:
            await asyncio.sleep(0.01)
            return original(version, body)

        broker.handlers[PRODUCE.key] = slow
        async with Producer(cluster) as producer:
            await producer.send_values("t", numbered(60))
        assert broker.logs[0].values == numbered(60)

        monkeypatch.setattr(pool, "SETTLE_S", 0.05)
        broker.handlers[PRODUCE.key] = never
        async with asyncio.timeout(5), Producer(cluster) as producer:  # but not for ever
            await producer.send_values("t", numbered(10))


async def never(version: int, body: object) -> object:
    await asyncio.sleep(3600)
    raise Silence


@asynchronous
async def test_a_close_that_is_cancelled_still_ends_everything() -> None:
    before = asyncio.all_tasks()
    async with ModelBroker() as broker, client(broker) as cluster:
        broker.handlers[PRODUCE.key] = _silent
        producer = Producer(cluster)
        await producer.send_values("t", numbered(3))
        late = producer.send("nope", b"v")
        closing = asyncio.ensure_future(producer.close())
        await asyncio.sleep(0.02)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert closing.cancelled()
        assert producer.records_failed == 3
        with pytest.raises(KafkaError, match="the producer was closed"):
            await late
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == before


@asynchronous
async def test_a_producer_id_is_asked_for_as_long_as_records_may_wait() -> None:
    async with ModelBroker() as broker, client(broker, default_api_timeout_ms=20) as cluster:
        original = broker.handlers[INIT_PRODUCER_ID.key]
        refusals = 12

        def loading(version: int, body: object) -> object:
            nonlocal refusals
            refusals -= 1
            if refusals >= 0:
                return INIT_PRODUCER_ID.Response(error_code=Err.COORDINATOR_LOAD_IN_PROGRESS)
            return original(version, body)

        broker.handlers[INIT_PRODUCER_ID.key] = loading
        async with Producer(cluster) as producer:
            assert (await producer.send("t", b"v")).offset == 0


@asynchronous
async def test_a_producer_id_that_is_refused_for_good_fails_the_records_and_says_so() -> None:
    async with ModelBroker() as broker, client(broker) as cluster:
        refused = INIT_PRODUCER_ID.Response(error_code=Err.CLUSTER_AUTHORIZATION_FAILED)
        broker.handlers[INIT_PRODUCER_ID.key] = lambda version, body: refused
        async with Producer(cluster) as producer:
            with pytest.raises(KafkaError, match=r"no producer id: .*; enable\.idempotence=false needs none") as caught:
                await producer.send("t", b"v")
        assert caught.value.code is Err.CLUSTER_AUTHORIZATION_FAILED


@asynchronous
async def test_a_leader_that_the_cluster_does_not_know_yet_is_waited_for() -> None:
    async with ModelBroker() as broker, client(broker) as cluster:
        original = broker.handlers[METADATA.key]
        asked = 0

        def metadata(version: int, body: object) -> object:
            nonlocal asked
            asked += 1
            answer = original(version, body)
            for topic in answer.topics if asked < 6 else ():  # type: ignore[union-attr]
                topic.partitions[0].leader_id = 2
            return answer

        broker.handlers[METADATA.key] = metadata
        async with Producer(cluster) as producer:
            assert (await producer.send("t", b"v")).offset == 0


@asynchronous
async def test_memory_is_a_limit_that_sending_waits_for() -> None:
    go = asyncio.Event()
    async with ModelBroker() as broker, client(broker, batch_size=500, buffer_memory=1000) as cluster:
        original = broker.handlers[PRODUCE.key]

        async def slow(version: int, body: object) -> object:
            await go.wait()
            return original(version, body)

        broker.handlers[PRODUCE.key] = slow
        async with Producer(cluster) as producer:
            task = asyncio.ensure_future(producer.send_values("t", numbered(200)))
            await asyncio.sleep(0.05)
            assert not task.done()
            assert producer._accumulator.used_bytes <= 1000 + 500
            go.set()
            await task
        assert broker.logs[0].values == numbered(200)
        assert producer._accumulator.used_bytes == 0


@asynchronous
async def test_memory_that_stays_full_rejects_the_rest() -> None:
    async with ModelBroker() as broker:
        given = {"batch_size": 500, "buffer_memory": 1000, "max_block_ms": 30}
        async with client(broker, **given) as cluster:
            broker.handlers[PRODUCE.key] = _silent
            producer = Producer(cluster)
            accepted = await producer.send_values("t", numbered(200))
            assert accepted.rejected
            assert {error.code for _, error in accepted.rejected} == {Err.REQUEST_TIMED_OUT}
            rows = [row for part in accepted.slices for row in part.rows] + [row for row, _ in accepted.rejected]
            assert rows == list(range(200))
            await producer.close(timeout_s=0)
            assert producer.records_failed == 200 - len(accepted.rejected)


@asynchronous
async def test_single_sends_wait_in_order_for_metadata_and_memory() -> None:
    async with ModelBroker() as broker, client(broker, batch_size=150, buffer_memory=400) as cluster:
        producer = Producer(cluster)
        sent = [producer.send("t", value) for value in numbered(40)]
        delivered = [await one for one in sent]
        assert [one.offset for one in delivered] == list(range(40))
        assert broker.logs[0].values == numbered(40)
        await producer.close()


@asynchronous
async def test_a_missing_topic_and_a_missing_partition() -> None:
    async with ModelBroker(partitions=2) as broker, client(broker) as cluster, Producer(cluster) as producer:
        with pytest.raises(KafkaError, match="no topic 'nope'"):
            await producer.send("nope", b"v")
        await producer.send("t", b"v")
        with pytest.raises(KafkaError, match="2 partitions, numbered from 0; 7 is none"):
            await producer.send("t", b"v", partition=7)
        with pytest.raises(KafkaError, match="7 is none"):
            await producer.send_values("t", [b"v"], partition=7)


@asynchronous
async def test_a_cancelled_sender_does_not_take_others_with_it() -> None:
    go = asyncio.Event()
    async with ModelBroker() as broker, client(broker) as cluster, Producer(cluster) as producer:
        original = broker.handlers[PRODUCE.key]

        async def slow(version: int, body: object) -> object:
            await go.wait()
            return original(version, body)

        broker.handlers[PRODUCE.key] = slow
        await cluster.metadata(["t"])
        one = asyncio.ensure_future(_await(producer.send("t", b"1")))
        two = asyncio.ensure_future(_await(producer.send("t", b"2")))
        await asyncio.sleep(0.02)
        one.cancel()
        go.set()
        assert (await two).offset == 1


@asynchronous
async def test_a_leader_that_moves_is_found_by_asking() -> None:
    async with ModelBroker() as broker, ModelBroker() as other:
        other.logs = broker.logs
        cluster = await client(broker)
        original = broker.handlers[METADATA.key]
        moved = False

        def metadata(version: int, body: object) -> object:
            answer = original(version, body)
            answer.brokers.append(METADATA.Response.Broker(node_id=2, host="127.0.0.1", port=other.port))  # type: ignore[union-attr]
            for topic in answer.topics if moved else ():  # type: ignore[union-attr]
                topic.partitions[0].leader_id = 2
                topic.partitions[0].leader_epoch = 1
            return answer

        broker.handlers[METADATA.key] = metadata
        async with Producer(cluster) as producer:
            assert (await producer.send("t", b"1")).offset == 0
            moved = True
            broker.fate = lambda header, values: Fate.REFUSED
            assert (await producer.send("t", b"2")).offset == 1
        assert other.count("Produce") == 1
        await cluster.close()


@asynchronous
async def test_an_answer_counts_although_metadata_changed_meanwhile() -> None:
    async with ModelBroker() as broker, client(broker) as cluster, Producer(cluster) as producer:
        original = broker.handlers[PRODUCE.key]

        async def slow(version: int, body: object) -> object:
            answer = original(version, body)
            broker.topic_id = b"u" * 16  # the topic was deleted and made anew
            await cluster.metadata(["t"], max_age_ms=0)
            return answer

        broker.handlers[PRODUCE.key] = slow
        assert (await producer.send("t", b"v")).offset == 0
        assert cluster.known.topics["t"].id == b"u" * 16


@asynchronous
async def test_the_last_epoch_is_followed_by_another_producer_id() -> None:
    seen, chosen = fates(Fate.WELL, Fate.WELL, Fate.CUT_BACK)
    async with ModelBroker(fate=chosen) as broker, client(broker, **SMALL) as cluster:
        async with Producer(cluster) as producer:
            await producer.send("t", b"A" * 100)
            await producer.send("t", b"B" * 100)
            queue = producer._accumulator.queue("t", 0)
            assert queue.numbers is not None
            queue.numbers._epoch = MAX_EPOCH
            for number in range(4):
                producer.send("t", b"%d" % number * 100)
        assert [value and value[:1] for value in broker.logs[0].values] == [b"A", b"0", b"1", b"2", b"3"]
        assert [header.producer_id for header in seen][-4:] == [1002] * 4


PASSING = [Fate.REFUSED, Fate.WRITTEN_BUT_LATE, Fate.CUT_BEFORE, Fate.CUT_AFTER]


def _story(seed: int, harm: float, **named: object) -> tuple[ModelBroker, list[list[bytes]]]:
    """Sends to three partitions through a leader that does harm; the broker, and what should be in each partition."""
    rng = random.Random(seed)
    budget = 25  # then no more harm comes, so that the story ends
    poison = {b"%010d" % number for number in rng.sample(range(150), 3)}

    def fate(header: BatchHeader, values: list[bytes | None]) -> Fate:
        nonlocal budget
        if poison & set(values):
            return Fate.POISON  # always, as a broker that judges contents does
        if budget and rng.random() < harm:
            budget -= 1
            return rng.choice(PASSING)
        return Fate.WELL

    async def tell() -> tuple[ModelBroker, list[list[bytes]]]:
        broker = ModelBroker(partitions=3, fate=fate)
        broker.most_records = rng.choice([1, 5, 1000])
        size = rng.choice([100, 200, 1000])
        async with broker, client(broker, batch_size=size, **named) as cluster, Producer(cluster) as producer:
            return broker, await _send_at_random(producer, rng)

    return run(tell())


async def _send_at_random(producer: Producer, rng: random.Random) -> list[list[bytes]]:
    """What was acknowledged, by partition."""
    wanted: list[list[bytes]] = [[], [], []]
    parts = []
    values = numbered(rng.randrange(20, 150))
    at = 0
    while at < len(values):
        chunk = values[at : at + rng.randrange(1, 30)]
        at += len(chunk)
        accepted = await producer.send_values("t", chunk, partition=rng.randrange(3))
        parts += [(part, [chunk[row] for row in part.rows]) for part in accepted.slices]
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    for part, rows in parts:
        for value, one in zip(rows, await part.each(), strict=True):
            if isinstance(one, Delivered):
                wanted[one.partition].append(value)
    assert producer._accumulator.used_bytes == 0
    return wanted


@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.3, 0.6]))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_each_acknowledged_record_is_there_once_and_in_order(seed: int, harm: float) -> None:
    broker, wanted = _story(seed, harm)
    for log, values in zip(broker.logs, wanted, strict=True):
        assert log.values == values


@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.4]))
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_without_idempotence_records_may_come_twice_but_never_out_of_order(seed: int, harm: float) -> None:
    broker, wanted = _story(seed, harm, acks="1")
    for log, values in zip(broker.logs, wanted, strict=True):
        seen: dict[bytes | None, None] = dict.fromkeys(log.values)
        assert list(seen) == values
        numbers = [int(value) for value in log.values if value is not None]
        runs = [key for key, _ in groupby(numbers)]
        # A batch may follow itself; nothing of a later batch ever precedes its end.
        for before, after in pairwise(runs):
            assert after > before or after in numbers[: runs.index(before) + 1]


async def _await(sent: object) -> Delivered:
    return await sent  # type: ignore[misc]


def _silent(version: int, body: object) -> object:
    raise Silence
