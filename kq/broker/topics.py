"""Creating, growing, changing and deleting topics: first in the metadata store, then on disk, then for clients to see.

Each change is one transaction in the store. A crash after it is made good at the next start: a topic without
directories gets them, a deletion that was begun is finished (`Catalog.pending_deletions`). Changes take turns; reads
see images.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kq.broker.adoption import new_topic_id
from kq.broker.names import check_topic_name
from kq.config.alter import create_topic
from kq.errors import Err, KafkaError
from kq.machines.image import PartitionImage, TopicImage, colliding_topic

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

BROKER_DEFAULT = -1


class Topics:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._turn = asyncio.Lock()
        self._creating_soon: set[str] = set()
        self._background: set[asyncio.Task[object]] = set()

    # plans: pure but for the new topic's id

    def plan(
        self,
        name: str,
        *,
        num_partitions: int = BROKER_DEFAULT,
        replication_factor: int = BROKER_DEFAULT,
        assignment: Mapping[int, Sequence[int]] | None = None,
        settings: Mapping[str, str] | None = None,
        max_partitions: int,
    ) -> TopicImage:
        """The topic as it would be created; raises KafkaError with what Kafka answers when it cannot be."""
        broker = self._broker
        check_topic_name(name)
        if name in broker.image.topics:
            raise KafkaError(Err.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists")
        if other := colliding_topic(broker.image, name):
            raise KafkaError(
                Err.INVALID_TOPIC_EXCEPTION, f"{name!r} and the topic {other!r} would be one name in metrics"
            )
        if assignment:
            if num_partitions != BROKER_DEFAULT or replication_factor != BROKER_DEFAULT:
                raise KafkaError(
                    Err.INVALID_REQUEST, "give an assignment, or partitions and a replication factor, not both"
                )
            if sorted(assignment) != list(range(len(assignment))):
                raise KafkaError(Err.INVALID_REPLICA_ASSIGNMENT, "the partitions assigned are not 0, 1, 2, …")
            replicas = [self._checked(assignment[index]) for index in range(len(assignment))]
        else:
            replicas = self._place(num_partitions, replication_factor)
        if len(replicas) > max_partitions:
            raise _too_many(len(replicas), max_partitions)
        checked = create_topic(dict(settings or {}).items(), broker.layers)
        partitions = tuple(PartitionImage(r[0], 0, r, r) for r in replicas)
        return TopicImage(name, new_topic_id(), partitions, checked)

    def plan_growth(
        self, name: str, count: int, assignments: Sequence[Sequence[int]] | None, *, max_partitions: int
    ) -> TopicImage:
        topic = self._broker.image.topics.get(name)
        if topic is None:
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
        more = count - len(topic.partitions)
        if more <= 0:
            raise KafkaError(
                Err.INVALID_PARTITIONS, f"topic {name!r} has {len(topic.partitions)} partitions; it can only grow"
            )
        if more > max_partitions:
            raise _too_many(more, max_partitions)
        if assignments is None:
            replicas = self._place(more, BROKER_DEFAULT)
        elif len(assignments) != more:
            raise KafkaError(
                Err.INVALID_REPLICA_ASSIGNMENT, f"{more} partitions are new, and {len(assignments)} are assigned"
            )
        else:
            replicas = [self._checked(one) for one in assignments]
        return replace(topic, partitions=topic.partitions + tuple(PartitionImage(r[0], 0, r, r) for r in replicas))

    def _place(self, count: int, replication_factor: int) -> list[tuple[int, ...]]:
        settings = self._broker.settings
        count = settings.num_partitions if count == BROKER_DEFAULT else count
        factor = settings.default_replication_factor if replication_factor == BROKER_DEFAULT else replication_factor
        if count < 1:
            raise KafkaError(Err.INVALID_PARTITIONS, f"a topic cannot have {count} partitions")
        brokers = len(self._broker.image.brokers)
        if not 1 <= factor <= brokers:
            raise KafkaError(
                Err.INVALID_REPLICATION_FACTOR, f"replication factor {factor} on {brokers} broker{'s'[: brokers > 1]}"
            )
        return [(self._broker.node_id,)] * count

    def _checked(self, replicas: Sequence[int]) -> tuple[int, ...]:
        known = self._broker.image.brokers
        if not replicas or len(set(replicas)) < len(replicas) or any(id_ not in known for id_ in replicas):
            raise KafkaError(
                Err.INVALID_REPLICA_ASSIGNMENT, f"replicas {list(replicas)}: each broker at most once, of {list(known)}"
            )
        return tuple(replicas)

    # changes

    async def create(self, planned: Sequence[TopicImage]) -> dict[str, KafkaError]:
        """Creates what was planned; returns the failures by name."""
        async with self._turn:
            broker, failures = self._broker, {}
            fresh = []
            for topic in planned:
                if topic.name in broker.image.topics:
                    failures[topic.name] = KafkaError(Err.TOPIC_ALREADY_EXISTS, f"topic {topic.name!r} exists")
                else:
                    fresh.append(topic)
            if fresh:
                await broker.in_metadata_thread(broker.catalog.create_topics, fresh)
                await self._open(fresh)
                for topic in fresh:
                    log.info("topic %s created: %d partitions", topic.name, len(topic.partitions))
            return failures

    def create_soon(self, names: Sequence[str]) -> None:
        """Auto-creation: with the broker's defaults, in the background; a name that cannot be is passed over."""
        for name in names:
            if name not in self._creating_soon:
                self._creating_soon.add(name)
                task = asyncio.create_task(self._auto_create(name))
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    async def _auto_create(self, name: str) -> None:
        try:
            await self.create([self.plan(name, max_partitions=self._broker.settings.num_partitions)])
        except KafkaError as error:
            log.warning("topic %r is not created: %s", name, error)
        finally:
            self._creating_soon.discard(name)

    async def grow(self, planned: Sequence[TopicImage]) -> dict[str, KafkaError]:
        async with self._turn:
            broker, failures = self._broker, {}
            for topic in planned:
                now = broker.image.topics.get(topic.name)
                if now is None or now.id != topic.id or len(now.partitions) >= len(topic.partitions):
                    failures[topic.name] = KafkaError(Err.INVALID_PARTITIONS, f"topic {topic.name!r} has changed")
                    continue
                grown = replace(now, partitions=now.partitions + topic.partitions[len(now.partitions) :])
                await broker.in_metadata_thread(broker.catalog.add_partitions, now, grown)
                await self._open([grown])
            return failures

    async def delete(self, names: Sequence[str]) -> dict[str, KafkaError]:
        async with self._turn:
            broker, failures, doomed = self._broker, {}, []
            for name in names:
                topic = broker.image.topics.get(name)
                if topic is None:
                    failures[name] = KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
                else:
                    doomed.append(topic)
            if doomed:
                await broker.in_metadata_thread(broker.catalog.delete_topics, doomed)
                for topic in doomed:
                    try:
                        await self._discard(topic)
                    except KafkaError as error:  # it stays pending: the next start finishes it
                        failures[topic.name] = error
                gone = [topic.name for topic in doomed if topic.name not in failures]
                await broker.in_metadata_thread(broker.catalog.finish_deletions, gone)
            return failures

    async def _discard(self, topic: TopicImage) -> None:
        broker = self._broker
        broker.image = broker.image.without_topics(topic.name)
        slots = broker.partitions.remove(topic.name, topic.id)
        for partition in slots:
            if partition is not None:
                broker.parking.complete(broker.parking.waits.wake(partition))
                await broker.flusher.drain(partition)
        await broker.in_metadata_thread(broker.remove_logs, topic.name, len(topic.partitions))
        log.info("topic %s deleted", topic.name)

    async def set_settings(self, topic: TopicImage, settings: Mapping[str, str]) -> None:
        async with self._turn:
            broker = self._broker
            now = broker.image.topics.get(topic.name)
            if now is None or now.id != topic.id:
                raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
            changed = replace(now, settings=dict(settings))
            await broker.in_metadata_thread(broker.catalog.set_topic_settings, changed)
            broker.image = broker.image.with_topics(changed)
            broker.configure_topic(changed)

    async def _open(self, topics: Sequence[TopicImage]) -> None:
        """Directories and logs of partitions that have none yet, in a thread; then clients see the topics."""
        broker = self._broker
        for topic in topics:
            have = broker.partitions.of_topic(topic.name)
            new = await broker.in_metadata_thread(broker.open_partitions, topic, len(have))
            broker.partitions.put(topic.name, topic.id, [*have, *new])
        broker.image = broker.image.with_topics(*topics)


def _too_many(count: int, limit: int) -> KafkaError:
    return KafkaError(Err.POLICY_VIOLATION, f"{count} new partitions in one request; {limit} are allowed")
