"""Groups of kq's own members, on Apache Kafka and on kq: nothing is missed, and everything has one owner."""

from __future__ import annotations

import asyncio
import re

import pytest

from kq.client import Admin, Cluster, Err, GroupConsumer, GroupOffset, KafkaError, LeavingMember, NewPartitions, connect
from kq.client.admin.types import TopicPartition
from kq.client.settings import ClientSettings
from tests.client.group.members import Member, Ownership, expected, fill, more
from tests.client.support import asynchronous, make_topic, settings, until

STRATEGIES = ["range", "roundrobin", "sticky", "cooperative-sticky"]


def quick(bootstrap: str, **named: object) -> ClientSettings:
    """A member that soon notices what happens, and begins at the beginning."""
    given: dict[str, object] = {
        "auto_offset_reset": "earliest",
        "heartbeat_interval_ms": 100,
        "session_timeout_ms": 6000,
        "auto_commit_interval_ms": 200,
    }
    return settings(bootstrap, **given | named)


async def read(consumer: GroupConsumer, count: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    async with asyncio.timeout(30):
        while len(values) < count:
            for fetched in await consumer.fetch(timeout_ms=500):
                assert fetched.error is None, fetched.error
                values += fetched.values()
    return values


async def commits(cluster: Cluster, group: str) -> dict[TopicPartition, int]:
    return {partition: at.offset for partition, at in (await Admin(cluster).group_offsets(group)).items()}


@pytest.mark.parametrize("strategy", STRATEGIES)
@asynchronous
async def test_members_come_and_go_and_nothing_is_missed(bootstrap: str, name: str, strategy: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 50)
        ownership, values = Ownership(), list[bytes | None]()
        member = quick(bootstrap, partition_assignment_strategy=strategy)
        admin = Admin(cluster)

        def join() -> Member:
            return Member(cluster, name, [name], member, ownership, values)

        async def settled(members: list[Member]) -> None:
            async def evenly() -> bool:
                shares = [len(m.consumer.assignment) for m in members]
                return sum(shares) == 12 and max(shares) - min(shares) <= 1

            await until(evenly, f"{len(members)} members share twelve partitions")

        first = join()
        await settled([first])
        second, third = join(), join()
        await settled([first, second, third])
        await more(cluster, name, 50, 100)
        await first.leave()
        await settled([second, third])
        await more(cluster, name, 100, 150)
        await third.die()
        await admin.remove_members(name, [LeavingMember(third.consumer.member_id)])  # sooner than its session ends
        await settled([second])
        await more(cluster, name, 150, 200)

        async def all_read() -> bool:
            return set(values) == expected(0, 200)

        await until(all_read, "every record is read")
        await second.leave()
        assert set((await commits(cluster, name)).values()) == {200}
        assert ownership.rounds >= 6
        assert (await admin.describe_groups([name]))[name].state == "Empty"


@asynchronous
async def test_commits_survive_whoever_made_them(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 10, 2)
        manual = quick(bootstrap, enable_auto_commit=False)
        async with GroupConsumer(cluster, name, [name], manual) as consumer:
            await read(consumer, 20)
        assert await commits(cluster, name) == {}

        async with GroupConsumer(cluster, name, [name], manual) as consumer:
            assert len(await read(consumer, 20)) == 20
            await consumer.commit()
            await consumer.commit_soon({(name, 1): GroupOffset(4, metadata="again from here")})
        held = await Admin(cluster).group_offsets(name)
        assert held == {(name, 0): GroupOffset(10, 0), (name, 1): GroupOffset(4, -1, "again from here")}

        async with GroupConsumer(cluster, name, [name], manual) as consumer:
            assert await read(consumer, 6) == [b"1/%d" % number for number in range(4, 10)]
            assert await consumer.committed([(name, 0)]) == {(name, 0): GroupOffset(10, 0)}


@asynchronous
async def test_commits_that_nobody_waits_for_are_made_before_the_end(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 10, 1)
        async with GroupConsumer(cluster, name, [name], quick(bootstrap, enable_auto_commit=False)) as consumer:
            await read(consumer, 10)
            for offset in range(1, 11):
                consumer.commit_soon({(name, 0): offset})
        assert await commits(cluster, name) == {(name, 0): 10}


@asynchronous
async def test_a_place_that_was_sought_is_committed(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 10, 1)
        async with GroupConsumer(cluster, name, [name], quick(bootstrap)) as consumer:
            await read(consumer, 10)
            consumer.pause([(name, 0)])
            consumer.seek((name, 0), 4)
            assert await consumer.fetch(timeout_ms=100) == []
        assert await commits(cluster, name) == {(name, 0): 4}


@asynchronous
async def test_what_is_processed_is_committed_in_time_and_what_is_not_is_not(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 10, 1)

        async def fails() -> None:
            async with GroupConsumer(cluster, name, [name], quick(bootstrap)) as consumer:
                await read(consumer, 10)
                await consumer.fetch(timeout_ms=0)  # those ten are processed
                await more(cluster, name, 10, 15, 1)
                await read(consumer, 5)
                await asyncio.sleep(0.5)  # the commits of that time are of what was processed
                assert await commits(cluster, name) == {(name, 0): 10}
                raise RuntimeError("the fifteenth is too much")

        with pytest.raises(RuntimeError):
            await fails()
        assert await commits(cluster, name) == {(name, 0): 10}
        async with GroupConsumer(cluster, name, [name], quick(bootstrap)) as consumer:
            assert len(await read(consumer, 5)) == 5
        assert await commits(cluster, name) == {(name, 0): 15}


@asynchronous
async def test_a_static_member_comes_back_to_its_partitions_without_a_rebalance(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 1, 4)
        members = [GroupConsumer(cluster, name, [name], quick(bootstrap, group_instance_id=i)) for i in ("a", "b")]

        async def shared() -> bool:
            await asyncio.gather(*(member.fetch(timeout_ms=100) for member in members))
            return all(len(member.assignment) == 2 for member in members)

        await until(shared, "both have two")
        had, generation = members[0].assignment, members[1].generation
        await members[0].close()
        members[0] = GroupConsumer(cluster, name, [name], quick(bootstrap, group_instance_id="a"))
        await until(shared, "both have two again")
        assert members[0].assignment == had
        assert {member.generation for member in members} == {generation}

        twin = GroupConsumer(cluster, name, [name], quick(bootstrap, group_instance_id="a"))
        await twin.fetch(timeout_ms=500)

        async def fenced() -> bool:
            try:
                await members[0].fetch(timeout_ms=100)
            except KafkaError as error:
                return error.code == Err.FENCED_INSTANCE_ID
            return False

        await until(fenced, "the older of two that have one name is fenced")
        for member in [*members, twin]:
            await member.close(leave=True)
        assert (await Admin(cluster).describe_groups([name]))[name].members == ()


@asynchronous
async def test_who_was_removed_has_lost_its_partitions_and_joins_again(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 1, 2)
        told: list[tuple[str, int]] = []

        async def lost(partitions: list[TopicPartition]) -> None:
            told.append(("lost", len(partitions)))

        async with GroupConsumer(
            cluster,
            name,
            [name],
            quick(bootstrap),
            on_assigned=lambda partitions: told.append(("assigned", len(partitions))),
            on_lost=lost,
        ) as consumer:
            await read(consumer, 2)
            await Admin(cluster).remove_members(name)

            async def again() -> bool:
                await consumer.fetch(timeout_ms=100)
                return len(told) == 3

            await until(again, "it is in again")
            assert told == [("assigned", 2), ("lost", 2), ("assigned", 2)]


@asynchronous
async def test_a_pattern_takes_topics_that_come_later_and_partitions_too(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, f"{name}-a", 1, 1)
        await fill(cluster, f"other-{name}-a", 1, 1)
        pattern = re.compile(f"{name}-[ab]")
        member = quick(bootstrap, metadata_max_age_ms=300)
        async with GroupConsumer(cluster, name, pattern, member) as consumer:
            await read(consumer, 1)
            assert consumer.assignment == [(f"{name}-a", 0)]
            await fill(cluster, f"{name}-b", 1, 1)
            await read(consumer, 1)
            assert consumer.assignment == [(f"{name}-a", 0), (f"{name}-b", 0)]
            await Admin(cluster).create_partitions({f"{name}-b": NewPartitions(3)})

            async def four() -> bool:
                await consumer.fetch(timeout_ms=100)
                return len(consumer.assignment) == 4

            await until(four, "the new partitions are assigned")


@asynchronous
async def test_a_topic_that_is_not_there_yet_is_read_when_it_is(bootstrap: str, name: str) -> None:
    async with (
        connect(settings(bootstrap)) as cluster,
        GroupConsumer(cluster, name, [name], quick(bootstrap)) as consumer,
    ):
        assert await consumer.fetch(timeout_ms=300) == []
        await fill(cluster, name, 3, 1)
        assert len(await read(consumer, 3)) == 3


@asynchronous
async def test_where_to_begin_without_a_commit(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 3, 1)
        strict = quick(bootstrap, auto_offset_reset="none")
        async with GroupConsumer(cluster, name, [name], strict) as consumer:
            (fetched,) = await consumer.fetch(timeout_ms=20_000)
            assert fetched.error is not None
            assert "auto.offset.reset=none" in str(fetched.error)
            consumer.seek((name, 0), 1)
            assert len(await read(consumer, 2)) == 2

        latest = quick(bootstrap, auto_offset_reset="latest")
        async with GroupConsumer(cluster, f"{name}-l", [name], latest) as consumer:

            async def placed() -> bool:
                await consumer.fetch(timeout_ms=50)
                return consumer.assignment != [] and consumer.position((name, 0)) == 3

            await until(placed, "it stands at the end")
        # Though it has read nothing: what comes while it is away is not skipped.
        assert await commits(cluster, f"{name}-l") == {(name, 0): 3}


@asynchronous
async def test_reading_up_to_the_end_as_it_was(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 20, 3)
        stops = {(name, partition): 20 for partition in range(3)}

        async def run() -> list[bytes | None]:
            values: list[bytes | None] = []
            async with GroupConsumer(cluster, name, [name], quick(bootstrap), stops=stops) as consumer:
                while not consumer.finished:
                    for fetched in await consumer.fetch():
                        values += fetched.values()
            return values

        await more(cluster, name, 20, 30, 3)
        everything = [value for values in await asyncio.gather(run(), run()) for value in values]
        assert set(everything) == expected(0, 20, 3)
        assert await commits(cluster, name) == dict.fromkeys(stops, 20)
        assert await run() == []


@asynchronous
async def test_who_waits_too_long_is_out(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await fill(cluster, name, 1, 2)
        slow = GroupConsumer(cluster, name, [name], quick(bootstrap, max_poll_interval_ms=1500))
        other = GroupConsumer(cluster, name, [name], quick(bootstrap, max_poll_interval_ms=1500))

        async def shared() -> bool:
            await asyncio.gather(slow.fetch(timeout_ms=100), other.fetch(timeout_ms=100))
            return len(slow.assignment) == len(other.assignment) == 1

        await until(shared, "they share")

        async def taken_over() -> bool:
            await other.fetch(timeout_ms=100)
            return len(other.assignment) == 2

        await until(taken_over, "the other has both")
        with pytest.raises(KafkaError):
            await slow.commit({(name, 0): 1})
        await until(shared, "they share again")
        await slow.close()
        await other.close()


@asynchronous
async def test_a_topic_nobody_may_have(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name)
        async with GroupConsumer(cluster, name, ["no/topic"], quick(bootstrap)) as consumer:
            with pytest.raises(KafkaError, match="no/topic"):
                await consumer.fetch(timeout_ms=10_000)
        with pytest.raises(KafkaError, match="a list of topics or a pattern"):
            GroupConsumer(cluster, name, [])


@asynchronous
async def test_the_new_protocol_is_refused_before_anything_is_begun(bootstrap: str, name: str) -> None:
    async with connect({"bootstrap.servers": bootstrap, "group.protocol": "Consumer"}) as cluster:
        with pytest.raises(KafkaError, match=r"^group\.protocol=consumer: .* leave the setting out$") as refused:
            GroupConsumer(cluster, name, [name])
    assert refused.value.code == Err.INVALID_CONFIG
