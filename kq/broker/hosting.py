"""From the topics of an image to partitions that serve, and back: logs are made, opened, configured, and removed.

Everything here may touch the disk and is called in the metadata thread, but for `configure`. A partition whose log
cannot be made or opened gets None for its slot and answers KAFKA_STORAGE_ERROR, which keeps no other from being served.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from kq.broker.partition import Partition
from kq.config import TopicSettings, topic_settings
from kq.engine.settings import LogSettings
from kq.errors import KafkaError
from kq.machines.image import TopicImage

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

Wanted = tuple[TopicImage, Sequence[int]]  # partitions of a topic, by number
Slots = list[Partition | None]


class Hosting:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    # settings

    def topic_settings(self, topic: TopicImage) -> TopicSettings:
        return topic_settings(topic.settings, self._broker.layers.merged())

    def log_settings(self, settings: TopicSettings) -> LogSettings:
        """A compacted log begins a new segment after max.compaction.lag.ms, for the active one is never compacted."""
        compact = "compact" in settings.cleanup_policy
        return LogSettings(
            segment_bytes=settings.segment_bytes,
            segment_ms=min(settings.segment_ms, settings.max_compaction_lag_ms) if compact else settings.segment_ms,
            index_interval_bytes=settings.index_interval_bytes,
            index_max_bytes=settings.segment_index_bytes,
            retention_ms=settings.retention_ms,
            retention_bytes=settings.retention_bytes,
            flush_messages=settings.flush_messages,
            flush_ms=settings.flush_ms,
            file_delete_delay_ms=settings.file_delete_delay_ms,
            compact=compact,
            delete="delete" in settings.cleanup_policy,
            delete_retention_ms=settings.delete_retention_ms,
            min_compaction_lag_ms=settings.min_compaction_lag_ms,
            max_compaction_lag_ms=settings.max_compaction_lag_ms,
            min_cleanable_dirty_ratio=settings.min_cleanable_dirty_ratio,
            producer_expiry_ms=self._broker.settings.producer_id_expiration_ms,
            fsync_before_ack=settings.fsync_before_ack,
        )

    def configure(self, topic: TopicImage) -> None:
        """Lets the partitions of a topic go by what is set now. On the loop: the logs are in use."""
        settings = self.topic_settings(topic)
        log_settings = self.log_settings(settings)
        for partition in self._broker.partitions.of_topic(topic.name):
            if partition is not None:
                partition.configure(settings)
                partition.log.configure(_jittered(log_settings, settings))

    # opening and removing

    def open(self, wanted: Iterable[Wanted]) -> list[Slots]:
        """The slots asked for, logs made where there are none. No crash takes them away once this returns;
        KafkaError(KAFKA_STORAGE_ERROR) when that cannot be promised: to be asked again."""
        wanted = list(wanted)
        missing = [
            (topic, index)
            for topic, indexes in wanted
            for index in indexes
            if self._broker.logs.get(topic.name, index) is None and not self._is_refused(topic, index)
        ]
        with self._broker.logs.one_sync():
            self._make(missing)
        return [self._opened(topic, indexes) for topic, indexes in wanted]

    def _make(self, missing: Sequence[tuple[TopicImage, int]]) -> None:
        settings_of: dict[str, LogSettings] = {}
        for topic, index in missing:
            if topic.name not in settings_of:
                settings_of[topic.name] = self.log_settings(self.topic_settings(topic))
            try:
                self._broker.logs.create(
                    topic.name, index, topic.id, settings_of[topic.name], now_ms=self._broker.now_ms()
                )
            except KafkaError as error:
                log.error("%s:%d has no log: %s", topic.name, index, error)

    def _opened(self, topic: TopicImage, indexes: Sequence[int]) -> Slots:
        settings = self.topic_settings(topic)
        log_settings = self.log_settings(settings)
        slots: Slots = []
        for index in indexes:
            found = self._broker.logs.get(topic.name, index)
            if found is None:
                slots.append(None)
                continue
            found.start_epoch(topic.partitions[index].leader_epoch)
            found.configure(_jittered(log_settings, settings))
            slots.append(Partition(topic, index, found, settings, self._broker.parking))
        return slots

    def unopened(self) -> list[Wanted]:
        """Partitions without a log that may have one as soon as the disk permits: not those that were refused."""
        wanted: list[Wanted] = []
        for topic in self._broker.image.topics.values():
            slots = self._broker.partitions.of_topic(topic.name)
            if None in slots:
                indexes = [i for i, slot in enumerate(slots) if slot is None and not self._is_refused(topic, i)]
                if indexes:
                    wanted.append((topic, indexes))
        return wanted

    def _is_refused(self, topic: TopicImage, index: int) -> bool:
        return self._broker.logs.refusal(topic.name, index) is not None

    def remove(self, topics: Iterable[TopicImage]) -> set[str]:
        """Removes all partitions; returns the names of the topics of which a directory may be left."""
        topics = list(topics)
        left: set[str] = set()
        try:
            with self._broker.logs.one_sync():
                for topic in topics:
                    for index in range(len(topic.partitions)):
                        if not self._remove(topic, index):
                            left.add(topic.name)
        except KafkaError as error:
            log.error("deletions are not safe from a power failure yet: %s", error)
            return {topic.name for topic in topics}
        return left

    def _remove(self, topic: TopicImage, index: int) -> bool:
        try:
            self._broker.logs.delete(topic.name, index, self._broker.now_ms())
        except KafkaError as error:
            log.error("%s:%d is deleted, and its directory is left for later: %s", topic.name, index, error)
            return False
        return True


def _jittered(log_settings: LogSettings, settings: TopicSettings) -> LogSettings:
    """segment.jitter.ms: each partition's segments end a little earlier, by a time of its own."""
    jitter_ms = min(settings.segment_jitter_ms, log_settings.segment_ms)
    if not jitter_ms:
        return log_settings
    return replace(log_settings, segment_ms=log_settings.segment_ms - random.randrange(jitter_ms))
