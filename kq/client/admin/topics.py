"""Admin calls about topics: create, delete, add partitions, describe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kq.client.admin.configs import source_of
from kq.client.admin.routing import change, error_of
from kq.client.admin.types import (
    ConfigEntry,
    CreatedTopic,
    NewPartitions,
    NewTopic,
    PartitionDescription,
    TopicDescription,
)
from kq.client.cluster import Cluster
from kq.client.errors import UnsupportedRequest
from kq.client.metadata import Topic
from kq.errors import Err, KafkaError
from kq.wire.apis.metadata import DESCRIBE_TOPIC_PARTITIONS
from kq.wire.apis.topics import CREATE_PARTITIONS, CREATE_TOPICS, DELETE_TOPICS

__all__ = ["TopicAdmin", "operations"]

PAGE = 2000  # partitions in one answer of DescribeTopicPartitions; brokers allow no more
DELETE_BY_STRUCTURE_SINCE = 6
OPERATIONS_UNKNOWN = -(2**31)


class TopicAdmin:
    _cluster: Cluster

    async def create_topics(
        self, topics: Iterable[NewTopic], *, validate_only: bool = False
    ) -> dict[str, CreatedTopic]:
        """By name. `validate_only` asks whether it would be done, and with what settings."""
        body = CREATE_TOPICS.Request(
            topics=[_new_topic(topic) for topic in topics],
            timeout_ms=self._cluster.settings.request_timeout_ms,
            validate_only=validate_only,
        )
        answer = await change(self._cluster, CREATE_TOPICS, body, _topic_codes)
        for topic in answer.topics:
            self._cluster.forget(topic.name)
        return {topic.name: _created(topic) for topic in answer.topics}

    async def delete_topics(self, names: Iterable[str]) -> dict[str, KafkaError | None]:
        wanted = list(names)
        request = DELETE_TOPICS.Request

        def body(version: int) -> Any:
            timeout_ms = self._cluster.settings.request_timeout_ms
            if version < DELETE_BY_STRUCTURE_SINCE:
                return request(topic_names=wanted, timeout_ms=timeout_ms)
            return request(topics=[request.Topic(name=name) for name in wanted], timeout_ms=timeout_ms)

        answer = await change(self._cluster, DELETE_TOPICS, body, _topic_codes)
        for name in wanted:
            self._cluster.forget(name)
        return {topic.name: error_of(topic.error_code, topic.error_message) for topic in answer.topics}

    async def create_partitions(
        self, totals: Mapping[str, NewPartitions], *, validate_only: bool = False
    ) -> dict[str, KafkaError | None]:
        request = CREATE_PARTITIONS.Request
        topics = [
            request.Topic(
                name=name,
                count=new.total,
                assignments=None
                if new.assignments is None
                else [request.Assignment(broker_ids=list(nodes)) for nodes in new.assignments],
            )
            for name, new in totals.items()
        ]
        body = request(topics=topics, timeout_ms=self._cluster.settings.request_timeout_ms, validate_only=validate_only)
        answer = await change(self._cluster, CREATE_PARTITIONS, body, _topic_codes)
        for name in totals:
            self._cluster.forget(name)
        return {topic.name: error_of(topic.error_code, topic.error_message) for topic in answer.topics}

    async def describe_topics(self, names: Iterable[str] | None = None) -> dict[str, TopicDescription]:
        """With eligible leaders (KIP-966) where the cluster knows them; None describes all topics."""
        if names is None:
            names = sorted((await self._cluster.metadata(None, max_age_ms=0)).topics)
        wanted = list(dict.fromkeys(names))
        try:
            return await self._describe_by_pages(wanted)
        except UnsupportedRequest:
            metadata = await self._cluster.metadata(wanted, max_age_ms=0)
            return {name: _from_metadata(topic) for name, topic in metadata.topics.items()}

    async def _describe_by_pages(self, names: list[str]) -> dict[str, TopicDescription]:
        found: dict[str, TopicDescription] = {}
        request = DESCRIBE_TOPIC_PARTITIONS.Request
        cursor: Any = None
        while names:
            body = request(
                topics=[request.Topic(name=name) for name in names],
                response_partition_limit=PAGE,
                cursor=None if cursor is None else request.Cursor(name=cursor.name, index=cursor.index),
            )
            answer = await self._cluster.request(DESCRIBE_TOPIC_PARTITIONS, body)
            for topic in answer.topics:
                page = _described(topic)
                before = found.get(page.name)
                found[page.name] = page if before is None else _joined(before, page)
            cursor = answer.next_cursor
            if cursor is None:
                break
            names = [name for name in names if name >= cursor.name]
        return found


def operations(bits: int) -> frozenset[int] | None:
    """Codes of the operations allowed; None when the broker was not asked or does not say."""
    if bits == OPERATIONS_UNKNOWN:
        return None
    return frozenset(code for code in range(32) if bits & 1 << code)


def _topic_codes(answer: Any) -> list[int]:
    return [topic.error_code for topic in answer.topics]


def _new_topic(topic: NewTopic) -> Any:
    request = CREATE_TOPICS.Request
    assignments = topic.assignments or {}
    return request.Topic(
        name=topic.name,
        num_partitions=-1 if assignments else topic.partitions,
        replication_factor=-1 if assignments else topic.replication_factor,
        assignments=[
            request.Assignment(index=partition, broker_ids=list(nodes)) for partition, nodes in assignments.items()
        ],
        configs=[request.Config(name=name, value=value) for name, value in topic.configs.items()],
    )


def _created(topic: Any) -> CreatedTopic:
    configs = tuple(
        ConfigEntry(c.name, c.value, source_of(c.config_source), read_only=c.read_only, sensitive=c.is_sensitive)
        for c in topic.configs or ()
    )
    error = error_of(topic.error_code, topic.error_message)
    return CreatedTopic(topic.name, topic.topic_id, topic.num_partitions, topic.replication_factor, configs, error)


def _described(topic: Any) -> TopicDescription:
    partitions = tuple(
        PartitionDescription(
            p.index,
            p.leader_id,
            p.leader_epoch,
            tuple(p.replicas),
            tuple(p.isr),
            tuple(p.offline_replicas),
            None if p.eligible_leader_replicas is None else tuple(p.eligible_leader_replicas),
            None if p.last_known_elr is None else tuple(p.last_known_elr),
            error_of(p.error_code),
        )
        for p in sorted(topic.partitions, key=lambda p: p.index)
    )
    return TopicDescription(
        topic.name or "",
        topic.topic_id,
        topic.is_internal,
        partitions,
        operations(topic.topic_authorized_operations),
        error_of(topic.error_code),
    )


def _joined(before: TopicDescription, page: TopicDescription) -> TopicDescription:
    return TopicDescription(
        page.name, page.id, page.internal, before.partitions + page.partitions, page.authorized_operations, page.error
    )


def _from_metadata(topic: Topic) -> TopicDescription:
    partitions = tuple(
        PartitionDescription(
            p.index,
            p.leader,
            p.leader_epoch,
            p.replicas,
            p.isr,
            p.offline,
            error=KafkaError(p.error) if p.error not in {Err.NONE, Err.REPLICA_NOT_AVAILABLE} else None,
        )
        for p in topic.partitions.values()
    )
    error = KafkaError(topic.error) if topic.error else None
    return TopicDescription(topic.name, topic.id, topic.internal, partitions, None, error)
