"""What a consumer needs beside fetching: leaders, places that must be looked up, positions that must be checked.

One task. It wakes when the fetcher cannot go on, or when a pause or metadata.max.age.ms is over; then, in this order:
1. asks for metadata when it is old or proved wrong; a topic that was made anew is read from its start;
2. looks up EARLIEST and LATEST;
3. after a change of leader asks the new one where the epoch of the last record read ends (KIP-320): if that is before
   the position, records that had been read were cut off. The position then moves back to the end of what both have,
   or, with auto.offset.reset=none, reading ends with an error;
4. starts the loops of the brokers that have something to read.
"""

from __future__ import annotations

import asyncio

from kq.client.admin.calls import Admin
from kq.client.admin.types import EARLIEST, TopicPartition
from kq.client.cluster import Cluster
from kq.client.errors import is_retriable
from kq.client.fetcher import Fetcher
from kq.client.reading import Reader
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["Housekeeper"]

MISSING_PATIENCE_S = 5.0  # a topic may be unknown to a broker for a while after it was made


class Housekeeper:
    def __init__(
        self, cluster: Cluster, settings: ClientSettings, readers: dict[TopicPartition, Reader], fetcher: Fetcher
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._readers = readers
        self._fetcher = fetcher
        self._admin = Admin(cluster)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._keep()
            except KafkaError as error:
                self._fetcher.failed(self._active(), error)
            self._fetcher.run()
            try:
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _keep(self) -> None:
        await self._learn_leaders()
        await self._look_up([reader for reader in self._active() if reader.unresolved])
        await self._check([reader for reader in self._active() if self._unchecked(reader)])

    def _active(self) -> list[Reader]:
        now_s = self._loop.time()
        return [reader for reader in self._readers.values() if reader.active(now_s)]

    def _pause_s(self) -> float:
        now_s = self._loop.time()
        waits = [reader.retry_at_s - now_s for reader in self._readers.values() if reader.retry_at_s > now_s]
        return min(waits, default=self._settings.metadata_max_age_ms / 1000) + 0.001

    async def _learn_leaders(self) -> None:
        topics = {reader.topic for reader in self._active()}
        if not topics:
            return
        stale, self._fetcher.stale = self._fetcher.stale, False
        metadata = await self._cluster.metadata(topics, max_age_ms=0 if stale else None)
        now_s = self._loop.time()
        for reader in self._active():
            partition = metadata.partition(reader.topic, reader.partition)
            if partition is not None and partition.leader >= 0:
                reader.missing_since_s = None
                if reader.topic_id not in {None, metadata.topics[reader.topic].id}:
                    self._made_anew(reader)
                continue
            self._fetcher.stale = True
            reader.retry_at_s = now_s + self._settings.retry_backoff_ms / 1000
            if partition is None:
                topic = metadata.topics.get(reader.topic)
                self._missing(reader, (topic and topic.error) or Err.UNKNOWN_TOPIC_OR_PARTITION)

    def _missing(self, reader: Reader, error: Err) -> None:
        now_s = self._loop.time()
        if reader.missing_since_s is None:
            reader.missing_since_s = now_s
        if not error.retriable or now_s - reader.missing_since_s > MISSING_PATIENCE_S:
            where = f"there is no partition {reader.topic}:{reader.partition}"
            known = error == Err.UNKNOWN_TOPIC_OR_PARTITION
            self._fetcher.complain(reader, KafkaError(error, where if known else None))

    def _made_anew(self, reader: Reader) -> None:
        """Offsets of the topic that was deleted mean nothing in the one that has its name now; all of that is new."""
        reader.topic_id = None
        if self._settings.auto_offset_reset == "none":
            sentence = f"topic {reader.topic!r} was deleted and made anew"
            self._fetcher.complain(reader, KafkaError(Err.UNKNOWN_TOPIC_ID, sentence))
        else:
            reader.move(EARLIEST)

    async def _look_up(self, readers: list[Reader]) -> None:
        """EARLIEST and LATEST become offsets."""
        if not readers:
            return
        turns = {reader: reader.turn for reader in readers}
        isolation = self._settings.isolation_level
        places = {(reader.topic, reader.partition): reader.place for reader in readers}
        found = await self._admin.list_offsets(places, isolation_level=isolation)
        for reader, turn in turns.items():
            listed = found[reader.topic, reader.partition]
            if reader.turn != turn:
                continue
            if listed.error is None:
                reader.move(listed.offset)
                self._fetcher.placed(reader)
            elif is_retriable(listed.error):
                self._fetcher.failed([reader], listed.error)
            else:
                self._fetcher.complain(reader, listed.error)

    def _unchecked(self, reader: Reader) -> bool:
        partition = self._cluster.known.partition(reader.topic, reader.partition)
        return partition is not None and reader.epoch_read >= 0 and reader.epoch_checked < partition.leader_epoch

    async def _check(self, readers: list[Reader]) -> None:
        """Whether what was read still exists under the leader there is now."""
        if not readers:
            return
        turns = {reader: reader.turn for reader in readers}
        epochs = {(reader.topic, reader.partition): reader.epoch_read for reader in readers}
        ends = await self._admin.epoch_ends(epochs)
        for reader, turn in turns.items():
            end = ends[reader.topic, reader.partition]
            partition = self._cluster.known.partition(reader.topic, reader.partition)
            if reader.turn != turn or partition is None:
                continue
            if end.error is not None and is_retriable(end.error):
                self._fetcher.failed([reader], end.error)
            elif end.error is None and 0 <= end.end_offset < reader.place:
                self._cut_off(reader, end.end_offset)
            else:  # all is well, or the broker is too old to say
                reader.epoch_checked = partition.leader_epoch

    def _cut_off(self, reader: Reader, end_offset: int) -> None:
        sentence = (
            f"{reader.topic}:{reader.partition} was cut back to {end_offset}: "
            f"records up to {reader.place} had been read and are gone"
        )
        if self._settings.auto_offset_reset == "none":
            self._fetcher.complain(reader, KafkaError(Err.OFFSET_OUT_OF_RANGE, sentence))
        else:
            self._fetcher.trouble = KafkaError(Err.OFFSET_OUT_OF_RANGE, sentence)
            # Of what was read ahead and not handed out yet, the part before the cut is read again.
            reader.move(end_offset if reader.position is None else min(end_offset, reader.position))
