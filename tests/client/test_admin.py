"""Every admin call, against Apache Kafka and against kq: they must look the same to a caller."""

from __future__ import annotations

import pytest

from kq.client import (
    EARLIEST,
    LATEST,
    MAX_TIMESTAMP,
    Admin,
    AlterOp,
    Cluster,
    ConfigChange,
    ConfigSource,
    ConfigType,
    Err,
    KafkaError,
    NewPartitions,
    NewTopic,
    Producer,
    Resource,
    Unreachable,
    connect,
)
from kq.client.admin.types import EARLIEST_LOCAL, LATEST_TIERED
from tests.client.support import asynchronous, make_topic, settings, until

GONE = 77  # a node id nobody has


async def make(cluster: Cluster, name: str, partitions: int = 2, **configs: str) -> Admin:
    await make_topic(cluster, name, partitions, **configs)
    return Admin(cluster)


def code(error: KafkaError | None) -> Err:
    return Err.NONE if error is None else error.code


@asynchronous
async def test_topics_are_created_with_errors_beside_each(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        made = await admin.create_topics([
            NewTopic(name, 3, 1, configs={"retention.ms": "60000"}),
            NewTopic("bad name", 1, 1),
            NewTopic(f"{name}-a", assignments={0: [1], 1: [1]}),
            NewTopic(f"{name}-c", 1, 1, configs={"no.such.setting": "1"}),
        ])  # fmt: skip
        assert {topic: code(answer.error) for topic, answer in made.items()} == {
            name: Err.NONE,
            "bad name": Err.INVALID_TOPIC_EXCEPTION,
            f"{name}-a": Err.NONE,
            f"{name}-c": Err.INVALID_CONFIG,
        }
        assert (made[name].partitions, made[name].replication_factor) == (3, 1)
        assert {entry.name: entry.value for entry in made[name].configs}["retention.ms"] == "60000"
        again = await admin.create_topics([NewTopic(name, 1, 1)])
        assert code(again[name].error) is Err.TOPIC_ALREADY_EXISTS

        async def shown() -> bool:
            return not any(topic.error for topic in (await cluster.metadata([name, f"{name}-a"])).topics.values())

        await until(shown, "both topics show")
        metadata = await cluster.metadata([name, f"{name}-a"])
        assert len(metadata.topics[name].partitions) == 3
        assert metadata.topics[name].id == made[name].id != bytes(16)
        assert len(metadata.topics[f"{name}-a"].partitions) == 2


@asynchronous
async def test_asking_is_not_doing(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        assert (await admin.create_topics([NewTopic(name, 3, 1)], validate_only=True))[name].error is None
        assert (await cluster.metadata([name])).topics[name].error is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert name not in (await cluster.metadata()).topics  # and metadata has not made it either


@asynchronous
async def test_deleting_and_growing(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 2)
        grown = await admin.create_partitions({name: NewPartitions(5), f"{name}-x": NewPartitions(5)})
        assert code(grown[name]) is Err.NONE
        assert code(grown[f"{name}-x"]) is Err.UNKNOWN_TOPIC_OR_PARTITION

        async def shown() -> bool:  # a KRaft broker's metadata follows a moment later
            return len((await cluster.metadata([name], max_age_ms=0)).topics[name].partitions) == 5

        await until(shown, "five partitions show")
        assert code((await admin.create_partitions({name: NewPartitions(3)}))[name]) is Err.INVALID_PARTITIONS
        gone = await admin.delete_topics([name, f"{name}-x"])
        assert code(gone[name]) is Err.NONE
        assert code(gone[f"{name}-x"]) is Err.UNKNOWN_TOPIC_OR_PARTITION


@asynchronous
async def test_topics_are_described_in_pages_and_all_of_them(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 3)
        found = await admin.describe_topics([name, f"{name}-x"])
        assert [partition.index for partition in found[name].partitions] == [0, 1, 2]
        assert {partition.leader for partition in found[name].partitions} == {1}
        assert found[name].partitions[0].replicas == found[name].partitions[0].isr == (1,)
        assert code(found[f"{name}-x"].error) is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert name in await admin.describe_topics()


@asynchronous
async def test_settings_say_where_they_come_from(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, retention_ms="60000")
        topic, missing = Resource.topic(name), Resource.topic(f"{name}-x")
        mine, gone = Resource.broker(1), Resource.broker(GONE)
        said = await admin.describe_configs([topic, missing, mine, gone], documentation=True)
        retention = said[topic].entries["retention.ms"]
        assert (retention.value, retention.source, retention.type) == ("60000", ConfigSource.TOPIC, ConfigType.LONG)
        assert retention.synonyms[0].name == "retention.ms"
        assert retention.documentation
        assert said[topic].entries["max.message.bytes"].is_default
        assert said[mine].entries["log.retention.hours"].value == "168"
        assert code(said[missing].error) is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert isinstance(said[gone].error, Unreachable)
        few = await admin.describe_configs([topic], names=["retention.ms"], synonyms=False)
        assert list(few[topic].entries) == ["retention.ms"]


@asynchronous
async def test_settings_change_one_by_one(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, retention_ms="60000")
        topic, missing = Resource.topic(name), Resource.topic(f"{name}-x")

        async def are(expected: dict[str, str]) -> None:
            """The topic's own settings, as soon as a KRaft broker has heard of them."""

            async def mine() -> bool:
                entries = (await admin.describe_configs([topic]))[topic].entries
                own = {e.name: e.value for e in entries.values() if e.source is ConfigSource.TOPIC}
                return own == expected

            await until(mine, f"the settings are {expected}")

        changed = await admin.alter_configs({
            topic: [ConfigChange("segment.ms", "5000"), ConfigChange("cleanup.policy", "compact", AlterOp.APPEND)],
            missing: [ConfigChange("segment.ms", "5000")],
        })  # fmt: skip
        assert code(changed[topic]) is Err.NONE
        assert code(changed[missing]) is Err.UNKNOWN_TOPIC_OR_PARTITION
        await are({"retention.ms": "60000", "segment.ms": "5000", "cleanup.policy": "delete,compact"})
        bad = await admin.alter_configs({topic: [ConfigChange("segment.ms", "soon")]})
        assert code(bad[topic]) is Err.INVALID_CONFIG
        assert "segment.ms" in str(bad[topic])
        tried = await admin.alter_configs({topic: [ConfigChange("segment.ms", "1")]}, validate_only=True)
        assert code(tried[topic]) is Err.NONE
        await admin.alter_configs({topic: [ConfigChange("segment.ms", None, AlterOp.DELETE)]})
        await are({"retention.ms": "60000", "cleanup.policy": "delete,compact"})
        await admin.replace_configs({topic: {"retention.bytes": "1000"}})
        await are({"retention.bytes": "1000"})


@asynchronous
async def test_a_brokers_own_settings(bootstrap: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        said = await admin.alter_configs({
            Resource.broker(1): [ConfigChange("no.such", "1"), ConfigChange("log.dirs", "/x")],
            Resource.broker(GONE): [ConfigChange("log.cleaner.threads", "1")],
        })  # fmt: skip
        assert code(said[Resource.broker(1)]) is Err.INVALID_REQUEST
        assert isinstance(said[Resource.broker(GONE)], Unreachable)


@asynchronous
async def test_offsets_by_place_and_by_time(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 2)
        async with Producer(cluster) as producer:
            for at in range(10):
                await producer.send(name, b"v", partition=0, timestamp_ms=1000 + 10 * at)
        places = {(name, 0): 1035, (name, 1): LATEST, (name, 9): LATEST, (f"{name}-x", 0): EARLIEST}
        listed = await admin.list_offsets(places)
        assert (listed[name, 0].offset, listed[name, 0].timestamp_ms) == (4, 1040)
        assert listed[name, 1].offset == 0
        assert code(listed[name, 9].error) is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert code(listed[f"{name}-x", 0].error) is Err.UNKNOWN_TOPIC_OR_PARTITION
        for place, offset in ((EARLIEST, 0), (LATEST, 10), (MAX_TIMESTAMP, 9), (EARLIEST_LOCAL, 0), (9999, -1)):
            assert (await admin.list_offsets({(name, 0): place}))[name, 0].offset == offset, place
        assert (await admin.list_offsets({(name, 0): LATEST_TIERED}))[name, 0].offset == -1
        ends = await admin.replica_ends([(name, 0), (name, 1)])
        assert {partition: {node: end.offset for node, end in by.items()} for partition, by in ends.items()} == {
            (name, 0): {1: 10},
            (name, 1): {1: 0},
        }


@asynchronous
async def test_deleting_records(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 2)
        async with Producer(cluster) as producer:
            await producer.send_values(name, [b"v"] * 10, partition=0)
        gone = await admin.delete_records({(name, 0): 4, (name, 1): 4, (f"{name}-x", 0): 1})
        assert gone[name, 0].log_start_offset == 4
        assert code(gone[name, 1].error) is Err.OFFSET_OUT_OF_RANGE
        assert code(gone[f"{name}-x", 0].error) is Err.UNKNOWN_TOPIC_OR_PARTITION
        assert (await admin.list_offsets({(name, 0): EARLIEST}))[name, 0].offset == 4
        assert (await admin.delete_records({(name, 0): -1}))[name, 0].log_start_offset == 10


@asynchronous
async def test_epochs_and_producers(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 1)
        async with Producer(cluster) as producer:
            await producer.send_values(name, [b"v"] * 7)
        epoch = (await cluster.metadata([name])).topics[name].partitions[0].leader_epoch
        end = (await admin.epoch_ends({(name, 0): epoch}))[name, 0]
        assert (end.leader_epoch, end.end_offset) == (epoch, 7)
        assert (await admin.epoch_ends({(name, 0): epoch + 5}))[name, 0].end_offset == -1
        states = (await admin.describe_producers([(name, 0), (name, 4)]))[name, 0].producers
        assert [(state.epoch, state.last_sequence, state.transaction_start_offset) for state in states] == [(0, 6, -1)]


@asynchronous
async def test_the_cluster_and_its_brokers(bootstrap: str, name: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = await make(cluster, name, 2)
        async with Producer(cluster) as producer:
            await producer.send_values(name, [b"v" * 100] * 100, partition=1)
        described = await admin.describe_cluster()
        assert list(described.brokers) == [1]
        assert described.brokers[1].address == bootstrap
        assert described.cluster_id == cluster.known.cluster_id
        dirs = await admin.describe_log_dirs([1, GONE], partitions=[(name, 0), (name, 1)])
        (directory,) = dirs[1].dirs
        assert directory.replicas[name, 0].size_bytes == 0
        assert directory.replicas[name, 1].size_bytes > 10_000
        assert directory.total_bytes > directory.usable_bytes > 0  # type: ignore[operator]
        assert isinstance(dirs[GONE].error, Unreachable)
        assert (name, 0) in (await admin.describe_log_dirs())[1].dirs[0].replicas
        versions = await admin.api_versions([1, GONE])
        assert versions[1].apis[18].max_version >= 4
        assert versions[1].apis[1].min_version == 4
        assert isinstance(versions[GONE].error, Unreachable)


@pytest.mark.parametrize("ask", ["create", "delete", "grow", "offsets"])
@asynchronous
async def test_asking_about_nothing_is_allowed(bootstrap: str, ask: str) -> None:
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        calls = {
            "create": admin.create_topics,
            "delete": admin.delete_topics,
            "grow": admin.create_partitions,
            "offsets": admin.list_offsets,
        }
        for name, call in calls.items():
            if name == ask:
                assert await call({}) == {}  # type: ignore[operator]
