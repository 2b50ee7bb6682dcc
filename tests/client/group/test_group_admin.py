"""Admin calls about groups: of commits alone, of members of both protocols, of nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import confluent_kafka
import pytest

from kq.client import Admin, Err, GroupOffset, KafkaError, LeavingMember, connect
from tests.client.support import asynchronous, make_topic, settings, until


def code(error: KafkaError | None) -> Err:
    return Err.NONE if error is None else error.code


@contextlib.contextmanager
def foreign_member(bootstrap: str, group: str, topic: str, **named: object) -> Iterator[confluent_kafka.Consumer]:
    given = {"bootstrap.servers": bootstrap, "group.id": group, "client.id": "stranger", "enable.auto.commit": False}
    given.update({name.replace("_", "."): value for name, value in named.items()})
    consumer = confluent_kafka.Consumer(given)
    consumer.subscribe([topic])
    try:
        yield consumer
    finally:
        consumer.close()


async def settle(admin: Admin, group: str, consumer: confluent_kafka.Consumer, partitions: int) -> None:
    async def has_all() -> bool:
        await asyncio.to_thread(consumer.poll, 0.1)
        members = (await admin.describe_groups([group]))[group].members
        return sum(len(member.assignment) for member in members) == partitions

    await until(has_all, "the member has its partitions")


@asynchronous
async def test_a_group_that_has_only_committed(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, 3)
        admin = Admin(cluster)
        done = await admin.alter_group_offsets(name, {(name, 0): GroupOffset(7, 0, "by hand"), (name, 1): (3, -1, "")})
        assert done == {(name, 0): None, (name, 1): None}
        assert await admin.group_offsets(name) == {(name, 0): GroupOffset(7, 0, "by hand"), (name, 1): GroupOffset(3)}
        asked = await admin.group_offsets(name, [(name, 0), (name, 2)], require_stable=True)
        assert asked == {(name, 0): GroupOffset(7, 0, "by hand"), (name, 2): GroupOffset()}

        described = (await admin.describe_groups([name]))[name]
        assert (described.id, described.state, described.type, described.members) == (name, "Empty", "classic", ())
        assert described.coordinator == await admin.find_coordinator(name)
        listed = (await admin.list_groups()).groups[name]
        assert (listed.state, listed.type, listed.protocol_type) == ("Empty", "classic", "")
        assert name in (await admin.list_groups(states=["empty"], types=["classic"])).groups
        assert name not in (await admin.list_groups(states=["Stable"])).groups

        assert await admin.delete_group_offsets(name, [(name, 0)]) == {(name, 0): None}
        assert await admin.group_offsets(name) == {(name, 1): GroupOffset(3)}
        assert await admin.delete_groups([name]) == {name: None}
        assert name not in (await admin.list_groups()).groups


@asynchronous
async def test_commits_for_topics_that_are_not_there_are_refused_beside_the_others(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name)
        said = await Admin(cluster).alter_group_offsets(
            name, {(name, 0): GroupOffset(1), ("nowhere", 0): GroupOffset(1)}
        )
        assert {pair: code(error) for pair, error in said.items()} == {
            (name, 0): Err.NONE,
            ("nowhere", 0): Err.UNKNOWN_TOPIC_OR_PARTITION,
        }


@asynchronous
async def test_a_group_that_is_not_there(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        described = (await admin.describe_groups([name]))[name]
        assert (described.id, code(described.error)) == (name, Err.GROUP_ID_NOT_FOUND)
        assert await admin.group_offsets(name) == {}
        assert code((await admin.delete_groups([name]))[name]) == Err.GROUP_ID_NOT_FOUND
        with pytest.raises(KafkaError) as raised:
            await admin.delete_group_offsets(name, [("t", 0)])
        assert raised.value.code == Err.GROUP_ID_NOT_FOUND
        with pytest.raises(KafkaError) as raised:
            await admin.remove_members(name)
        assert raised.value.code == Err.GROUP_ID_NOT_FOUND


@asynchronous
async def test_members_of_the_classic_protocol(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, 3)
        admin = Admin(cluster)
        with foreign_member(bootstrap, name, name, group_instance_id="one", session_timeout_ms=30_000) as consumer:
            await settle(admin, name, consumer, 3)
            described = (await admin.describe_groups([name, f"{name}-not"]))[name]
            assert (described.state, described.type, described.protocol_type, described.protocol) == (
                "Stable",
                "classic",
                "consumer",
                "range",
            )
            (member,) = described.members
            assert (member.client_id, member.host, member.instance_id) == ("stranger", "127.0.0.1", "one")
            assert member.assignment == ((name, 0), (name, 1), (name, 2))
            assert member.member_id
            assert name in (await admin.list_groups(states=["Stable"])).groups

            assert code((await admin.delete_groups([name]))[name]) == Err.NON_EMPTY_GROUP
            refused = await admin.alter_group_offsets(name, {(name, 0): GroupOffset(1)})
            assert code(refused[name, 0]) == Err.UNKNOWN_MEMBER_ID
            consumer.commit(offsets=[confluent_kafka.TopicPartition(name, 0, 0)], asynchronous=False)
            kept = await admin.delete_group_offsets(name, [(name, 0)])
            assert code(kept[name, 0]) == Err.GROUP_SUBSCRIBED_TO_TOPIC

            gone = LeavingMember("", "nobody")
            removed = await admin.remove_members(name, [gone], reason="test")
            assert code(removed[gone]) == Err.UNKNOWN_MEMBER_ID
            assert await admin.remove_members(name) == {LeavingMember("", "one"): None}
            assert (await admin.describe_groups([name]))[name].members == ()


@asynchronous
async def test_members_of_the_new_protocol(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name, 2)
        admin = Admin(cluster)
        with foreign_member(bootstrap, name, name, group_protocol="consumer") as consumer:
            await settle(admin, name, consumer, 2)
            described = (await admin.describe_groups([name]))[name]
            assert (described.type, described.protocol_type, described.protocol) == ("consumer", "consumer", "uniform")
            assert described.state in {"Stable", "Reconciling"}
            (member,) = described.members
            assert member.assignment == member.target == ((name, 0), (name, 1))
            assert (member.client_id, member.host, member.topics) == ("stranger", "127.0.0.1", (name,))
            assert member.is_classic is False
            assert (described.epoch or 0) > 0
            assert (await admin.list_groups(types=["consumer"])).groups[name].type == "consumer"


@asynchronous
async def test_many_groups_at_once(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        await make_topic(cluster, name)
        admin = Admin(cluster)
        ids = [f"{name}-{number}" for number in range(20)]
        for group in ids:
            await admin.alter_group_offsets(group, {(name, 0): GroupOffset(1)})
        described = await admin.describe_groups(ids)
        assert list(described) == ids
        assert {group.state for group in described.values()} == {"Empty"}
        assert set((await admin.delete_groups(ids)).values()) == {None}


@asynchronous
async def test_a_coordinator_that_is_forgotten_is_found_again(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        node = await admin.find_coordinator(name)
        assert cluster.coordinators.known(name) == node
        cluster.coordinators.forget(name)
        assert cluster.coordinators.known(name) is None
        assert await admin.find_coordinator(name) == node
