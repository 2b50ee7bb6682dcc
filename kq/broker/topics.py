"""Creating, growing, changing and deleting topics: first in the metadata store, then on disk, then for clients to see.

Each change is one transaction in the store, and has happened with it. What a crash or an ill disk keeps from following
is made good later, by the next start or by `catch_up`: a topic without directories gets them, a deletion that was begun
is finished (`Catalog.pending_deletions`). Changes take turns (`turn`); reads see images. What is to be created or
grown was planned before (`topic_plans`); in its turn the plan is held against what is there by then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kq.broker import adoption
from kq.errors import Err, KafkaError
from kq.machines.image import ClusterImage, TopicImage, colliding_topic, metric_name

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

Alteration = Callable[[TopicImage], dict[str, str]]
"""From a topic to the settings of its own that it shall have."""


class Topics:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._has_unfinished_deletions = False

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
            await broker.commit(
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
        await self._broker.commit(
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
            await broker.commit(
                lambda now: not any(_has(now, topic) for topic in doomed), broker.catalog.delete_topics, doomed
            )
            broker.image = broker.image.without_topics(*(topic.name for topic in doomed))
            for topic in doomed:
                await self._withdraw(topic)
            broker.groups.topics_deleted([topic.name for topic in doomed])
            await self._remove_directories(doomed)
        gone = {topic.name for topic in doomed}
        return {name: KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION) for name in names if name not in gone}

    async def _withdraw(self, topic: TopicImage) -> None:
        """Nobody finds the partitions any more; who waits for them is told, and no flush is left under way."""
        broker = self._broker
        for partition in broker.partitions.remove(topic.name, topic.id):
            if partition is not None:
                partition.withdraw()
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

    async def alter_settings(self, name: str, alteration: Alteration) -> None:
        """The alteration is worked out when its turn has come, from what holds then: none undoes another. What it
        raises is raised here, and nothing has changed."""
        await self._broker.turn.take(self._alter_settings, name, alteration)

    async def _alter_settings(self, name: str, alteration: Alteration) -> None:
        broker = self._broker
        now = broker.image.topics.get(name)
        if now is None:
            raise KafkaError(Err.UNKNOWN_TOPIC_OR_PARTITION)
        changed = replace(now, settings=alteration(now))
        await broker.commit(
            lambda image: image.topics[changed.name].settings == changed.settings,
            broker.catalog.set_topic_settings,
            changed,
        )
        broker.image = broker.image.with_topics(changed)
        broker.hosting.configure(changed)

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


def _has(image: ClusterImage, topic: TopicImage) -> bool:
    now = image.topics.get(topic.name)
    return now is not None and now.id == topic.id
