"""One partition on this broker: its log, how far consumers may read, and who waits for more.

The high watermark of a single replica is the log end; with fsync before ack it is what has been synced, so that
nobody reads what a power cut could take back. The last stable offset also stops before the first open transaction
(SEMANTICS rule 7). Whatever a parked fetch may be waiting for happens here, and wakes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kq.broker.trouble import Trouble, begun
from kq.config import TopicSettings
from kq.engine.log import Appended, Log
from kq.engine.region import Region
from kq.errors import Err, KafkaError
from kq.machines.image import TopicImage
from kq.record import compression
from kq.record.batch import BatchHeader

if TYPE_CHECKING:
    from kq.broker.parking import Parking

READ_COMMITTED = 1
_CODECS = {name: codec for codec, name in enumerate(compression.NAMES)} | {"uncompressed": compression.NONE}


class Partition:
    """The settings that every produce asks for are worked out when they change (`configure`)."""

    __slots__ = (
        "_parking",
        "_trouble",
        "codec",
        "compression_level",
        "high_watermark",
        "image",
        "index",
        "is_compacted",
        "is_internal",
        "log",
        "settings",
        "stamps_append_time",
        "syncs_before_ack",
        "topic",
    )

    def __init__(self, topic: TopicImage, index: int, log: Log, settings: TopicSettings, parking: Parking) -> None:
        self.topic = topic.name
        self.index = index
        self.image = topic.partitions[index]
        self.log = log
        self.is_internal = topic.is_internal
        self._parking = parking
        self._trouble: Trouble | None = None
        self.configure(settings)
        self._advance(log.recovery_point if self.syncs_before_ack else log.log_end_offset)

    def configure(self, settings: TopicSettings) -> None:
        self.settings = settings
        self.syncs_before_ack = settings.fsync_before_ack
        self.is_compacted = "compact" in settings.cleanup_policy
        self.stamps_append_time = settings.message_timestamp_type == "LogAppendTime"
        self.codec = _CODECS.get(settings.compression_type)  # None: whatever the producer chose
        self.compression_level = {
            compression.GZIP: settings.compression_gzip_level,
            compression.LZ4: settings.compression_lz4_level,
            compression.ZSTD: settings.compression_zstd_level,
        }.get(self.codec or compression.NONE)

    def __repr__(self) -> str:
        return f"{self.topic}:{self.index}"

    @property
    def last_stable_offset(self) -> int:
        unstable = self.log.first_unstable_offset
        return self.high_watermark if unstable is None else min(unstable, self.high_watermark)

    def end_for(self, isolation_level: int) -> int:
        """The first offset that a consumer of this isolation level may not see."""
        return self.last_stable_offset if isolation_level == READ_COMMITTED else self.high_watermark

    def check_epoch(self, current_leader_epoch: int) -> None:
        """KIP-320: a client that knows an older or a newer leader must look again (SEMANTICS rule 14)."""
        if current_leader_epoch == -1 or current_leader_epoch == self.image.leader_epoch:
            return
        if current_leader_epoch < self.image.leader_epoch:
            raise KafkaError(Err.FENCED_LEADER_EPOCH)
        raise KafkaError(Err.UNKNOWN_LEADER_EPOCH)

    def append(self, batch: memoryview, header: BatchHeader, now_ms: int) -> Appended:
        """Appends one validated batch as the leader. It is committed when the high watermark is above it: with fsync
        before ack not before a flush (`Flusher.sync`)."""
        try:
            appended = self.log.append(batch, header, leader_epoch=self.image.leader_epoch, now_ms=now_ms)
        except KafkaError as error:
            if error.code is Err.KAFKA_STORAGE_ERROR:
                self._refused(str(error), now_ms)
            raise
        if self._trouble is not None:
            self._trouble.is_over(self, now_ms)
            self._trouble = None
        if not appended.duplicate and not self.syncs_before_ack:
            self._advance(appended.last_offset + 1)
            self._parking.appended(self, header.size)
        return appended

    def _refused(self, cause: str, now_ms: int) -> None:
        if self._trouble is None:
            self._trouble = begun(self, cause, now_ms)
        else:
            self._trouble.goes_on(self, cause, now_ms)

    def trim(self, offset: int) -> None:
        """What is below `offset` is deleted: nobody reads it any more."""
        self.log.advance_start(offset)
        self._parking.wake(self)

    def synced(self) -> None:
        """Everything up to the log's recovery point is on stable storage."""
        if self.log.recovery_point > self.high_watermark:
            self._advance(self.log.recovery_point)
            self._parking.wake(self)

    def withdraw(self) -> None:
        """Its topic is deleted: who waits for it must learn so."""
        self._parking.wake(self)

    def _advance(self, high_watermark: int) -> None:
        self.high_watermark = high_watermark
        self.log.producers.acknowledge(high_watermark)

    def read(self, offset: int, max_bytes: int, isolation_level: int, *, at_least_one: bool) -> Region | None:
        end_offset = self.end_for(isolation_level)
        if offset > end_offset and offset <= self.log.log_end_offset:
            return None
        return self.log.read(offset, max_bytes, end_offset=end_offset, at_least_one=at_least_one)
