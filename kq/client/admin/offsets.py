"""Admin calls about what partitions hold: offsets by place or time, records deleted, producers, epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kq.client.admin.routing import ANSWER_SLACK_MS, by_leader, by_topic, each_node, error_of
from kq.client.admin.types import (
    EARLIEST_LOCAL,
    LATEST,
    LATEST_TIERED,
    MAX_TIMESTAMP,
    DeletedRecords,
    EpochEnd,
    ListedOffset,
    PartitionProducers,
    ProducerState,
    TopicPartition,
)
from kq.client.cluster import Cluster
from kq.client.errors import UnsupportedRequest
from kq.client.settings import ISOLATION_LEVELS
from kq.wire.apis.offsets import DELETE_RECORDS, LIST_OFFSETS, OFFSET_FOR_LEADER_EPOCH
from kq.wire.apis.producers import DESCRIBE_PRODUCERS

__all__ = ["OffsetAdmin"]

CONSUMER = -1  # replica ids of those who are no replica
DEBUGGING_CONSUMER = -2  # may ask any replica, not only the leader, and sees its log end

SINCE = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9}  # ListOffsets version; KIP-734, KIP-405, KIP-1005


class OffsetAdmin:
    _cluster: Cluster

    async def list_offsets(
        self, wanted: Mapping[TopicPartition, int], *, isolation_level: str | None = None
    ) -> dict[TopicPartition, ListedOffset]:
        """For each partition the offset of a place (EARLIEST, LATEST, ...) or of the first record at or after a time.

        Offset -1 says that there is no such record. LATEST is where a consumer of that isolation level ends.
        """
        isolation = ISOLATION_LEVELS[isolation_level or self._cluster.settings.isolation_level]

        async def ask(node: int, places: dict[TopicPartition, int]) -> dict[TopicPartition, ListedOffset]:
            return await self._list_at(node, places, CONSUMER, isolation)

        return await by_leader(self._cluster, wanted, ask, lambda error: ListedOffset(error=error))

    async def replica_ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, dict[int, ListedOffset]]:
        """The log end offset of every replica of each partition, by node id, from the replicas themselves."""
        wanted = list(partitions)
        metadata = await self._cluster.metadata({topic for topic, _ in wanted}, max_age_ms=0)
        at: dict[int, dict[TopicPartition, int]] = {}
        for topic, index in wanted:
            partition = metadata.partition(topic, index)
            for node in partition.replicas if partition else ():
                at.setdefault(node, {})[topic, index] = LATEST

        async def ask(node: int) -> dict[TopicPartition, ListedOffset]:
            return await self._list_at(node, at[node], DEBUGGING_CONSUMER, 0)

        said = await each_node(at, ask, lambda node, error: dict.fromkeys(at[node], ListedOffset(error=error)))
        return {
            partition: {node: said[node][partition] for node in sorted(at) if partition in said[node]}
            for partition in wanted
        }

    async def delete_records(self, before: Mapping[TopicPartition, int]) -> dict[TopicPartition, DeletedRecords]:
        """Makes all records before these offsets disappear; -1 is the high watermark: everything there is."""
        request = DELETE_RECORDS.Request
        timeout_ms = self._cluster.settings.request_timeout_ms

        async def ask(node: int, offsets: dict[TopicPartition, int]) -> dict[TopicPartition, DeletedRecords]:
            topics = [
                request.Topic(
                    name=topic,
                    partitions=[request.Partition(index=i, offset=offsets[topic, i]) for i in indexes],
                )
                for topic, indexes in by_topic(offsets).items()
            ]
            answer = await self._cluster.request(
                DELETE_RECORDS,
                request(topics=topics, timeout_ms=timeout_ms),
                node=node,
                timeout_ms=timeout_ms + ANSWER_SLACK_MS,
            )
            return {
                (topic.name, p.index): DeletedRecords(p.low_watermark, error_of(p.error_code))
                for topic in answer.topics
                for p in topic.partitions
            }

        return await by_leader(self._cluster, before, ask, lambda error: DeletedRecords(error=error))

    async def epoch_ends(self, epochs: Mapping[TopicPartition, int]) -> dict[TopicPartition, EpochEnd]:
        """Where each of these leader epochs ends in its partition (KIP-101): tells whether a log was cut back."""
        request = OFFSET_FOR_LEADER_EPOCH.Request

        async def ask(node: int, wanted: dict[TopicPartition, int]) -> dict[TopicPartition, EpochEnd]:
            topics = [
                request.Topic(
                    name=topic,
                    partitions=[
                        request.Partition(
                            index=i, current_leader_epoch=self._leader_epoch(topic, i), leader_epoch=wanted[topic, i]
                        )
                        for i in indexes
                    ],
                )
                for topic, indexes in by_topic(wanted).items()
            ]
            answer = await self._cluster.request(
                OFFSET_FOR_LEADER_EPOCH, request(replica_id=CONSUMER, topics=topics), node=node
            )
            return {
                (topic.name, p.index): EpochEnd(p.leader_epoch, p.end_offset, error_of(p.error_code))
                for topic in answer.topics
                for p in topic.partitions
            }

        return await by_leader(self._cluster, epochs, ask, lambda error: EpochEnd(error=error))

    async def describe_producers(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, PartitionProducers]:
        """Who writes with a producer id, how far they are, and which transactions are open."""
        request = DESCRIBE_PRODUCERS.Request

        async def ask(node: int, wanted: dict[TopicPartition, None]) -> dict[TopicPartition, PartitionProducers]:
            topics = [request.Topic(name=name, partitions=indexes) for name, indexes in by_topic(wanted).items()]
            answer = await self._cluster.request(DESCRIBE_PRODUCERS, request(topics=topics), node=node)
            return {
                (topic.name, p.index): PartitionProducers(
                    tuple(map(_producer, p.active_producers)), error_of(p.error_code, p.error_message)
                )
                for topic in answer.topics
                for p in topic.partitions
            }

        return await by_leader(
            self._cluster, dict.fromkeys(partitions), ask, lambda error: PartitionProducers(error=error)
        )

    async def _list_at(
        self, node: int, places: Mapping[TopicPartition, int], replica_id: int, isolation: int
    ) -> dict[TopicPartition, ListedOffset]:
        connection = await self._cluster.connection(node)
        version = connection.version(LIST_OFFSETS)
        # An older broker would take such a place for a time and answer something else.
        too_new = {partition for partition, place in places.items() if SINCE.get(place, 0) > version}
        unsupported = UnsupportedRequest(connection.address, f"{connection.address} is too old to look that up")
        listed = dict.fromkeys(too_new, ListedOffset(error=unsupported))
        asked = {partition: place for partition, place in places.items() if partition not in too_new}
        if not asked:
            return listed
        request = LIST_OFFSETS.Request
        topics = [
            request.Topic(
                name=topic,
                partitions=[
                    request.Partition(
                        index=i,
                        current_leader_epoch=self._leader_epoch(topic, i) if replica_id == CONSUMER else -1,
                        timestamp=asked[topic, i],
                    )
                    for i in indexes
                ],
            )
            for topic, indexes in by_topic(asked).items()
        ]
        body = request(
            replica_id=replica_id,
            isolation_level=isolation,
            topics=topics,
            timeout_ms=self._cluster.settings.request_timeout_ms,
        )
        answer = await self._cluster.request(LIST_OFFSETS, body, node=node)
        for topic in answer.topics:
            for p in topic.partitions:
                error = error_of(p.error_code)
                listed[topic.name, p.index] = ListedOffset(p.offset, p.timestamp, p.leader_epoch, error)
        return listed

    def _leader_epoch(self, topic: str, index: int) -> int:
        """So that a broker which is not, or not yet, the leader we mean says so (KIP-320)."""
        partition = self._cluster.known.partition(topic, index)
        return -1 if partition is None else partition.leader_epoch


def _producer(state: Any) -> ProducerState:
    return ProducerState(
        state.producer_id,
        state.producer_epoch,
        state.last_sequence,
        state.last_timestamp,
        state.coordinator_epoch,
        state.current_txn_start_offset,
    )
