"""Admin calls about brokers: who is there, what they serve, what is on their disks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kq.client.admin.routing import by_topic, each_node, error_of
from kq.client.admin.topics import operations
from kq.client.admin.types import (
    ApiRange,
    BrokerApiVersions,
    BrokerLogDirs,
    ClusterDescription,
    LogDir,
    ReplicaSize,
    TopicPartition,
)
from kq.client.cluster import Cluster
from kq.client.connection import hello
from kq.client.errors import UnsupportedRequest
from kq.client.metadata import Broker
from kq.errors import Err, KafkaError
from kq.wire.apis.metadata import DESCRIBE_CLUSTER
from kq.wire.apis.replicas import DESCRIBE_LOG_DIRS
from kq.wire.apis.versions import API_VERSIONS

__all__ = ["BrokerAdmin"]


class BrokerAdmin:
    _cluster: Cluster

    async def describe_cluster(self) -> ClusterDescription:
        """Brokers and controller as of now; from Metadata where DescribeCluster is unknown."""
        try:
            answer = await self._cluster.request(
                DESCRIBE_CLUSTER, DESCRIBE_CLUSTER.Request(include_cluster_authorized_operations=True)
            )
        except UnsupportedRequest:
            metadata = await self._cluster.metadata([], max_age_ms=0)
            return ClusterDescription(metadata.cluster_id, metadata.controller_id, metadata.brokers)
        if answer.error_code:
            raise KafkaError(Err.of(answer.error_code), answer.error_message)
        brokers = {b.broker_id: Broker(b.broker_id, b.host, b.port, b.rack) for b in answer.brokers}
        allowed = operations(answer.cluster_authorized_operations)
        return ClusterDescription(answer.cluster_id, answer.controller_id, brokers, allowed)

    async def describe_log_dirs(
        self, nodes: Iterable[int] | None = None, *, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[int, BrokerLogDirs]:
        """By node id: every directory, the size of every replica in it (or of those `partitions`)."""
        request = DESCRIBE_LOG_DIRS.Request
        topics = None
        if partitions is not None:
            topics = [request.Topic(name=name, partitions=indexes) for name, indexes in by_topic(partitions).items()]

        async def ask(node: int) -> BrokerLogDirs:
            answer = await self._cluster.request(DESCRIBE_LOG_DIRS, request(topics=topics), node=node)
            return BrokerLogDirs(node, tuple(map(_log_dir, answer.log_dirs)), error_of(answer.error_code))

        return await each_node(await self._nodes(nodes), ask, lambda node, error: BrokerLogDirs(node, error=error))

    async def api_versions(self, nodes: Iterable[int] | None = None) -> dict[int, BrokerApiVersions]:
        """By node id: the versions of every API it serves, and the features of its cluster."""

        async def ask(node: int) -> BrokerApiVersions:
            return _api_versions(node, await self._cluster.request(API_VERSIONS, hello(), node=node))

        return await each_node(await self._nodes(nodes), ask, lambda node, error: BrokerApiVersions(node, error=error))

    async def _nodes(self, nodes: Iterable[int] | None) -> list[int]:
        if nodes is not None:
            return list(nodes)
        return sorted((await self._cluster.metadata([], max_age_ms=0)).brokers)


def _log_dir(entry: Any) -> LogDir:
    replicas = {
        (topic.name, p.index): ReplicaSize(p.partition_size, p.offset_lag, p.is_future_key)
        for topic in entry.topics
        for p in topic.partitions
    }
    return LogDir(
        entry.log_dir,
        replicas,
        entry.total_bytes if entry.total_bytes >= 0 else None,
        entry.usable_bytes if entry.usable_bytes >= 0 else None,
        entry.is_cordoned,
        error_of(entry.error_code),
    )


def _api_versions(node: int, answer: Any) -> BrokerApiVersions:
    return BrokerApiVersions(
        node,
        {key.api_key: ApiRange(key.api_key, key.min_version, key.max_version) for key in answer.api_keys},
        {feature.name: (feature.min_version, feature.max_version) for feature in answer.supported_features},
        {feature.name: (feature.min_version_level, feature.max_version_level) for feature in answer.finalized_features},
        error_of(answer.error_code),
    )
