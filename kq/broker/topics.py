"""Creating, growing, changing and deleting topics: first in the metadata store, then on disk, then for clients to see.

Each change is one transaction in the store, and has happened with it. What a crash or an ill disk keeps from following
is made good later, by the next start or by `catch_up`: a topic without directories gets them, a deletion that was begun
is finished (`Catalog.pending_deletions`). Changes take turns (`turn`); reads see images.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, ParamSpec

from kq.broker import adoption
from kq.broker.adoption import new_topic_id
from kq.broker.names import check_topic_name
from kq.config.alter import create_topic
from kq.coordination.store import Unavailable
from kq.engine.checkpoint import META_PROPERTIES
from kq.errors import Err, KafkaError
from kq.machines.image import ClusterImage, PartitionImage, TopicImage, colliding_topic, metric_name

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

P = ParamSpec("P")

MOST_WANTED = 1000  # names that wait for their auto-creation
BROKER_DEFAULT = -1
CONTROLLERS_TOPIC = "__cluster_metadata"


class Topics:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._wanted: dict[str, None] = {}  # to be created unasked
        self._creator: asyncio.Task[None] | None = None
        self._has_unfinished_deletions = False

    # plans: pure but for the new topic's id

    def plan(
        self,
        name: str,
        *,
        num_partitions: int = BROKER_DEFAULT,
        replication_factor: int = BROKER_DEFAULT,
        assignment: Mapping[int, Sequence[int]] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> TopicImage:
        """The topic as it would be created; raises KafkaError with what Kafka answers when it cannot be."""
        broker = self._broker
        check_topic_name(name)
        if name == CONTROLLERS_TOPIC:
            raise KafkaError(Err.INVALID_REQUEST, f"{name} is the controllers' own")
        if name in broker.image.topics:
            raise KafkaError(Err.TOPIC_ALREADY_EXISTS, f"topic {name!r} exists")
        if other := colliding_topic(broker.image, name):
            raise KafkaError(
                Err.INVALID_TOPIC_EXCEPTION, f"{name!r} and the topic {other!r} would be one name in metrics"
            )
        if other := self._sharing_directories(name):
            raise KafkaError(
                Err.INVALID_TOPIC_EXCEPTION, f"{name!r} and the topic {other!r} would be one directory on this disk"
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
        checked = create_topic(dict(settings or {}).items(), broker.layers)
        partitions = tuple(PartitionImage(r[0], 0, r, r) for r in replicas)
        return TopicImage(name, new_topic_id(), partitions, checked)

    def _sharing_directories(self, name: str) -> str | None:
        """The topic whose name differs only in case, on a disk that does not tell one from the other (macOS's)."""
        broker = self._broker
        if not os.path.exists(os.path.join(broker.data_dir, META_PROPERTIES.upper())):
            return None
        return next((other for other in broker.image.topics if other.casefold() == name.casefold()), None)

    def plan_growth(
        self, name: str, count: int, assignments: Sequence[Sequence[int]] | None, *, most_new: int
    ) -> TopicImage:
        topic = self._broker.image.topics.get(name)
        if topic is None:
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
        more = count - len(topic.partitions)
        if more <= 0:
            raise KafkaError(
                Err.INVALID_PARTITIONS, f"topic {name!r} has {len(topic.partitions)} partitions; it can only grow"
            )
        if more > most_new:
            raise KafkaError(
                Err.POLICY_VIOLATION, f"{more} new partitions, where one request may still make {most_new}"
            )
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
        if factor < 1:
            raise KafkaError(Err.INVALID_REPLICATION_FACTOR, f"a topic cannot have {factor} replicas")
        if count < 1:
            raise KafkaError(Err.INVALID_PARTITIONS, f"a topic cannot have {count} partitions")
        brokers = len(self._broker.image.brokers)
        if factor > brokers:
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
        return await self._broker.turn.take(self._create, planned)

    async def _create(self, planned: Sequence[TopicImage]) -> dict[str, KafkaError]:
        broker, failures = self._broker, {}
        fresh: dict[str, TopicImage] = {}  # by what metrics call them
        for topic in planned:
            if topic.name in broker.image.topics:
                failures[topic.name] = KafkaError(Err.TOPIC_ALREADY_EXISTS, f"topic {topic.name!r} exists")
            elif colliding_topic(broker.image, topic.name) or metric_name(topic.name) in fresh:
                failures[topic.name] = KafkaError(
                    Err.INVALID_TOPIC_EXCEPTION, f"{topic.name!r} and another topic would be one name in metrics"
                )
            else:
                fresh[metric_name(topic.name)] = topic
        if fresh:
            topics = list(fresh.values())
            await self._commit(
                lambda now: all(_has(now, topic) for topic in topics), broker.catalog.create_topics, topics
            )
            await self._open(topics)
            for topic in topics:
                log.info("topic %s created: %d partitions", topic.name, len(topic.partitions))
        return failures

    async def grow(self, planned: Sequence[TopicImage]) -> dict[str, KafkaError]:
        return await self._broker.turn.take(self._grow, planned)

    async def _grow(self, planned: Sequence[TopicImage]) -> dict[str, KafkaError]:
        broker, failures = self._broker, {}
        for topic in planned:
            now = broker.image.topics.get(topic.name)
            if now is None or now.id != topic.id or len(now.partitions) >= len(topic.partitions):
                failures[topic.name] = KafkaError(Err.INVALID_PARTITIONS, f"topic {topic.name!r} has changed")
                continue
            grown = replace(now, partitions=now.partitions + topic.partitions[len(now.partitions) :])
            try:
                await self._grow_one(now, grown)
            except KafkaError as error:
                failures[topic.name] = error
        return failures

    async def _grow_one(self, now: TopicImage, grown: TopicImage) -> None:
        await self._commit(
            lambda image: image.topics[grown.name].partitions == grown.partitions,
            self._broker.catalog.add_partitions,
            now,
            grown,
        )
        await self._open([grown])

    async def delete(self, names: Sequence[str]) -> dict[str, KafkaError]:
        """Once this returns no crash brings a topic back. What is left of its directories goes in the background."""
        return await self._broker.turn.take(self._delete, names)

    async def _delete(self, names: Sequence[str]) -> dict[str, KafkaError]:
        broker = self._broker
        doomed = [topic for name in names if (topic := broker.image.topics.get(name)) is not None]
        if doomed:
            await self._commit(
                lambda now: not any(_has(now, topic) for topic in doomed), broker.catalog.delete_topics, doomed
            )
            broker.image = broker.image.without_topics(*(topic.name for topic in doomed))
            for topic in doomed:
                await self._withdraw(topic)
            await self._remove_directories(doomed)
        gone = {topic.name for topic in doomed}
        return {name: KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION) for name in names if name not in gone}

    async def _withdraw(self, topic: TopicImage) -> None:
        """Nobody finds the partitions any more; who waits for them is told, and no flush is left under way."""
        broker = self._broker
        for partition in broker.partitions.remove(topic.name, topic.id):
            if partition is not None:
                broker.parking.complete(broker.parking.waits.wake(partition))
                await broker.flusher.drain(partition)
        log.info("topic %s deleted", topic.name)

    async def _remove_directories(self, doomed: Sequence[TopicImage]) -> None:
        broker = self._broker
        left = await broker.in_metadata_thread(broker.hosting.remove, doomed)
        gone = [topic.id for topic in doomed if topic.name not in left]
        try:
            if gone:
                await broker.in_metadata_thread(broker.catalog.finish_deletions, gone)
        except KafkaError as error:
            log.warning("deletions are noted as unfinished: %s", error)
            left = {topic.name for topic in doomed}
        self._has_unfinished_deletions |= bool(left)

    async def set_settings(self, topic: TopicImage, settings: Mapping[str, str]) -> None:
        """The topic's own settings, as worked out from those that `topic` has."""
        await self._broker.turn.take(self._set_settings, topic, settings)

    async def _set_settings(self, topic: TopicImage, settings: Mapping[str, str]) -> None:
        broker = self._broker
        now = broker.image.topics.get(topic.name)
        if now is None or now.id != topic.id:
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
        changed = replace(now, settings=rebased(settings, topic.settings, now.settings))
        await self._commit(
            lambda image: image.topics[changed.name].settings == changed.settings,
            broker.catalog.set_topic_settings,
            changed,
        )
        broker.image = broker.image.with_topics(changed)
        broker.hosting.configure(changed)

    async def _commit(
        self, has_happened: Callable[[ClusterImage], bool], change: Callable[P, None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """One transaction of the catalog. Where only its confirmation was lost the store is asked what it holds."""
        broker = self._broker
        try:
            await broker.in_metadata_thread(change, *args, **kwargs)
        except Unavailable:
            if not has_happened(await broker.in_metadata_thread(broker.catalog.read, broker.node_id)):
                raise

    async def _open(self, topics: Sequence[TopicImage]) -> None:
        """What is committed is there for clients, also where the disk has no room for a log yet."""
        broker = self._broker
        have = [broker.partitions.of_topic(topic.name) for topic in topics]
        new = [range(len(slots), len(topic.partitions)) for topic, slots in zip(topics, have, strict=True)]
        try:
            opened = await broker.in_metadata_thread(broker.hosting.open, list(zip(topics, new, strict=True)))
        except KafkaError as error:
            log.error("new partitions cannot be used yet: %s", error)
            opened = [[None] * len(indexes) for indexes in new]
        for topic, before, slots in zip(topics, have, opened, strict=True):
            broker.partitions.put(topic.name, topic.id, [*before, *slots])
        broker.image = broker.image.with_topics(*topics)

    # auto-creation

    def create_soon(self, names: Sequence[str]) -> None:
        """With the broker's defaults, in the background; a name that cannot be is passed over. Who asks for very many
        at once has to ask again."""
        fresh = (name for name in names if name not in self._wanted)
        self._wanted |= dict.fromkeys(islice(fresh, max(0, MOST_WANTED - len(self._wanted))))
        if self._wanted and (self._creator is None or self._creator.done()):
            self._creator = asyncio.create_task(self._create_wanted())

    async def _create_wanted(self) -> None:
        while names := list(self._wanted):
            planned = []
            for name in names:
                try:
                    planned.append(self.plan(name))
                except KafkaError as error:
                    log.warning("topic %r is not created: %s", name, error)
            try:
                await self.create(planned)
            except KafkaError as error:
                log.error("%d topics are not created: %s", len(planned), error)
            for name in names:
                del self._wanted[name]

    # what an ill disk left undone

    async def catch_up(self) -> None:
        """Makes the logs and finishes the deletions that the disk refused when they were asked for."""
        if self._has_unfinished_deletions or self._broker.hosting.unopened():
            await self._broker.turn.take(self._catch_up)

    async def _catch_up(self) -> None:
        broker = self._broker
        if self._has_unfinished_deletions:
            topic_ids = {topic.name: topic.id for topic in broker.image.topics.values()}
            await broker.in_metadata_thread(
                adoption.finish_deletions, broker.disk, broker.data_dir, broker.catalog, topic_ids
            )
            self._has_unfinished_deletions = False
        wanted = broker.hosting.unopened()
        opened = await broker.in_metadata_thread(broker.hosting.open, wanted)
        for (topic, indexes), slots in zip(wanted, opened, strict=True):
            row = list(broker.partitions.of_topic(topic.name))
            for index, partition in zip(indexes, slots, strict=True):
                row[index] = partition
            broker.partitions.put(topic.name, topic.id, row)

    async def close(self) -> None:
        """No topic is created unasked any more."""
        if self._creator is not None:
            self._creator.cancel()
            await asyncio.gather(self._creator, return_exceptions=True)


def _has(image: ClusterImage, topic: TopicImage) -> bool:
    now = image.topics.get(topic.name)
    return now is not None and now.id == topic.id


def rebased(wanted: Mapping[str, str], base: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What was changed from `base` to `wanted`, done to `now`: changes of one moment do not undo each other.

    >>> rebased({"a": "2"}, {"a": "1", "b": "1"}, {"a": "1", "b": "1", "c": "1"})
    {'c': '1', 'a': '2'}
    """
    kept = {name: text for name, text in now.items() if name in wanted or name not in base}
    return kept | {name: text for name, text in wanted.items() if base.get(name) != text}
