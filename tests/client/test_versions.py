"""Every admin call in every version that a broker serves: as an older cluster would be spoken to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kq.client import (
    EARLIEST,
    LATEST,
    Admin,
    ConfigChange,
    Consumer,
    NewPartitions,
    NewTopic,
    Producer,
    Resource,
    connect,
    pool,
)
from kq.client.connection import Connection
from kq.wire.apis import API
from tests.client.support import asynchronous, make_topic, settings

Call = Callable[[Admin, str], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "CreateTopics": lambda admin, t: admin.create_topics([NewTopic(f"{t}-2", 1, 1)]),
    "DeleteTopics": lambda admin, t: admin.delete_topics([t]),
    "CreatePartitions": lambda admin, t: admin.create_partitions({t: NewPartitions(4)}),
    "DescribeConfigs": lambda admin, t: admin.describe_configs([Resource.topic(t)], documentation=True),
    "IncrementalAlterConfigs": lambda admin, t: admin.alter_configs(
        {Resource.topic(t): [ConfigChange("retention.ms", "5")]}
    ),
    "AlterConfigs": lambda admin, t: admin.replace_configs({Resource.topic(t): {"retention.ms": "5"}}),
    "ListOffsets": lambda admin, t: admin.list_offsets({(t, 0): LATEST, (t, 1): EARLIEST}),
    "DeleteRecords": lambda admin, t: admin.delete_records({(t, 0): 0}),
    "OffsetForLeaderEpoch": lambda admin, t: admin.epoch_ends({(t, 0): 0}),
    "DescribeLogDirs": lambda admin, t: admin.describe_log_dirs(),
    "DescribeCluster": lambda admin, t: admin.describe_cluster(),
    "DescribeProducers": lambda admin, t: admin.describe_producers([(t, 0)]),
    "DescribeTopicPartitions": lambda admin, t: admin.describe_topics([t]),
    "ApiVersions": lambda admin, t: admin.api_versions(),
    "Metadata": lambda admin, t: admin._cluster.metadata([t], max_age_ms=0),
    "InitProducerId": lambda admin, t: send(admin, t),
    "Produce": lambda admin, t: send(admin, t),
    "Fetch": lambda admin, t: read(admin, t),
}


async def send(admin: Admin, topic: str) -> Any:
    async with Producer(admin._cluster) as producer:
        return {topic: await producer.send(topic, b"v", b"k", [("h", b"v")])}


async def read(admin: Admin, topic: str) -> Any:
    await send(admin, topic)
    async with Consumer(admin._cluster) as consumer:
        for partition in (0, 1):
            end = (await admin.list_offsets({(topic, partition): LATEST}))[topic, partition].offset
            consumer.assign({(topic, partition): 0}, {(topic, partition): end})
            while not consumer.finished:
                for fetched in await consumer.fetch():
                    assert fetched.error is None
                    assert fetched.values() == [b"v"]
    return {}


def errors(said: Any) -> list[object]:
    items = said.values() if isinstance(said, dict) else [said]
    return [item if isinstance(item, Exception) else getattr(item, "error", None) for item in items]


@pytest.fixture
def lower(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """lower(key, version): brokers seem to know nothing newer of that API."""
    original = pool.open_connection

    def lower(key: int, version: int) -> None:
        async def opened(*arguments: Any) -> Connection:
            connection = await original(*arguments)
            connection.versions[key] = connection.versions[key]._replace(highest=version)
            return connection

        monkeypatch.setattr(pool, "open_connection", opened)

    return lower


@pytest.mark.parametrize("api", CALLS)
@asynchronous
async def test_every_version(bootstrap: str, name: str, api: str, lower: Callable[[int, int], None]) -> None:
    key = next(key for key, known in API.items() if known.name == api)
    async with connect(settings(bootstrap)) as cluster:
        served = (await cluster.connection(1)).versions[key]
    for version in range(max(served.lowest, API[key].versions.first), min(served.highest, API[key].versions.last) + 1):
        topic = f"{name}-{version}"
        async with connect(settings(bootstrap)) as cluster:
            await make_topic(cluster, topic, 2)
        lower(key, version)
        async with connect(settings(bootstrap)) as cluster:
            said = await CALLS[api](Admin(cluster), topic)
            assert not any(errors(said)), (version, said)


@pytest.mark.parametrize("missing", ["DescribeCluster", "DescribeTopicPartitions"])
@asynchronous
async def test_clusters_that_do_not_know_the_newer_questions(bootstrap: str, name: str, missing: str) -> None:
    key = next(key for key, known in API.items() if known.name == missing)
    async with connect(settings(bootstrap)) as cluster:
        admin = Admin(cluster)
        await make_topic(cluster, name, 2)
        newer = (await admin.describe_cluster(), await admin.describe_topics([name]))
        del (await cluster.connection(1)).versions[key]
        older = (await admin.describe_cluster(), await admin.describe_topics([name]))
        assert older[0].brokers == newer[0].brokers
        assert older[0].cluster_id == newer[0].cluster_id
        assert [p.isr for p in older[1][name].partitions] == [p.isr for p in newer[1][name].partitions]
        assert older[1][name].id == newer[1][name].id
