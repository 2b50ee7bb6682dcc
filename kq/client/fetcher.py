"""Keeps fetches under way: one loop a broker, which asks again as soon as it is answered.

Rules
- A broker's loop does not ask while PREFETCH of its answers have not been taken: reading ahead is bounded, and while a
  caller works on one answer the next is on its way.
- What was fetched for a partition that has been moved or paused since is dropped, never handed out.
- Errors that pass are retried without end, with pauses; `trouble` is the last one. Others end the reading of their
  partition and are handed out once.
- Whatever the loops cannot settle themselves (leaders, places to look up, positions to check) they leave to `keep`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from kq.client.admin.types import EARLIEST, LATEST, TopicPartition
from kq.client.cluster import Cluster
from kq.client.connection import Connection
from kq.client.errands import Errands
from kq.client.errors import RequestTimedOut, Unreachable, is_retriable
from kq.client.exchange import FETCH_BY_ID_SINCE, FetchAnswer, PartitionAnswer, ask_fetch, read_batches
from kq.client.fetched import Fetched
from kq.client.metadata import NO_ID
from kq.client.outcomes import MOVED
from kq.client.reading import Reader
from kq.client.sessions import FetchSession, Place, Reading
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError
from kq.record.faults import CorruptRecord
from kq.wire.apis.fetch import FETCH

__all__ = ["Fetcher"]

PREFETCH = 2
RESETS = {"earliest": EARLIEST, "latest": LATEST}
SESSION_LOST = {
    Err.FETCH_SESSION_ID_NOT_FOUND,
    Err.INVALID_FETCH_SESSION_EPOCH,
    Err.FETCH_SESSION_TOPIC_ID_ERROR,
    Err.INCONSISTENT_TOPIC_ID,
}


class _Asked(NamedTuple):
    """A partition as it was when a request about it left."""

    reader: Reader
    turn: int
    place: int


class _Portion(NamedTuple):
    """What one answer gave; each item with the reader's turn at that time."""

    node: int
    items: list[tuple[Reader, int, Fetched]]


class Fetcher:
    """`news` is called when something can be taken; `housekeeping` when only `keep` can go on."""

    def __init__(
        self,
        cluster: Cluster,
        settings: ClientSettings,
        readers: dict[TopicPartition, Reader],
        errands: Errands,
        news: Callable[[], None],
        housekeeping: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._readers = readers
        self._news = news
        self._housekeeping = housekeeping
        self._loop = asyncio.get_running_loop()
        self._lane = ("consumer", id(self))
        self._errands = errands
        self._sessions: dict[int, FetchSession] = {}
        self._portions: deque[_Portion] = deque()
        self._untaken: dict[int, int] = {}  # portions, by node
        self._taken = asyncio.Event()
        self.trouble: KafkaError | None = None  # the last error of a broker, None after an answer
        self.fatal: KafkaError | None = None  # nothing can be read any more
        self.stale = False  # metadata proved wrong

    def run(self, now_s: float) -> None:
        """Starts a loop for each broker that has something to read and none yet."""
        for node in {self._node(reader) for reader in self._readers.values() if self._readable(reader, now_s)}:
            self._errands.once(node, lambda node=node: self._read_from(node))  # type: ignore[misc]

    def take(self) -> list[Fetched]:
        """Everything that has come for readers that still want it, in the order it came."""
        fetched: list[Fetched] = []
        while self._portions:
            portion = self._portions.popleft()
            self._untaken[portion.node] -= 1
            for reader, turn, item in portion.items:
                if reader.turn == turn:
                    reader.position = item.next_offset
                    if item.batches or item.error:
                        fetched.append(item)
        self._taken.set()
        return fetched

    def complain(self, reader: Reader, error: KafkaError) -> None:
        """Reading this partition ends; the caller is told once."""
        reader.stopped = error
        place = max(reader.place, 0)
        item = Fetched(reader.topic, reader.partition, place, place, error=error)
        self._hand_over(-1, [(reader, reader.turn, item)])

    def crashed(self, error: KafkaError) -> None:
        """Nothing comes any more; the next fetch raises this."""
        self.fatal = error
        self._news()

    async def close(self) -> None:
        await self._cluster.close_lane(self._lane)

    # -- one broker -------------------------------------------------------------------------------------------------

    async def _read_from(self, node: int) -> None:
        """Fetches as long as there is something to read from this broker."""
        session = self._sessions.setdefault(node, FetchSession())
        while wanted := self._wanted(node):
            if self._untaken.get(node, 0) >= PREFETCH:
                self._taken.clear()
                await self._taken.wait()
                continue
            connection = self._cluster.ready_connection(node, self._lane)
            try:
                if connection is None:
                    await self._cluster.connection(node, self._lane)
                    continue  # meanwhile much may have changed
                answer, asked = await self._fetch(connection, session, wanted)
            except KafkaError as error:
                session.reset()
                self.failed(wanted, error)
                return
            if answer.error in SESSION_LOST:
                session.reset()
                self.stale = self.stale or answer.error == Err.INCONSISTENT_TOPIC_ID
                if self.stale:
                    self._pause(wanted)
                    return
                continue
            if answer.error:
                session.reset()
                self.failed(wanted, KafkaError(answer.error))
                return
            session.answered(answer.session_id)
            self.trouble = None
            if self._digest(node, answer, asked) or len(self._wanted(node)) < len(wanted):
                self._housekeeping()

    async def _fetch(
        self, connection: Connection, session: FetchSession, wanted: list[Reader]
    ) -> tuple[FetchAnswer, dict[tuple[str | bytes, int], _Asked]]:
        version = connection.version(FETCH)
        topics = self._cluster.known.topics
        if any(topics[reader.topic].id == NO_ID for reader in wanted):
            version = min(version, FETCH_BY_ID_SINCE - 1)
        places: dict[Reading, Place] = {}
        asked: dict[tuple[str | bytes, int], _Asked] = {}
        for reader in wanted:
            topic = topics[reader.topic]
            reader.topic_id = topic.id
            epoch = topic.partitions[reader.partition].leader_epoch
            if reader.epoch_read < 0:
                reader.epoch_checked = epoch  # nothing was read yet that could have been cut off
            place = Place(reader.place, epoch, self._settings.max_partition_fetch_bytes)
            places[(topic.name, topic.id), reader.partition] = place
            key = topic.id if version >= FETCH_BY_ID_SINCE else topic.name
            asked[key, reader.partition] = _Asked(reader, reader.turn, reader.place)
        return await ask_fetch(connection, self._settings, session.plan(places), version), asked

    def _digest(self, node: int, answer: FetchAnswer, asked: dict[tuple[str | bytes, int], _Asked]) -> bool:
        """Hands over what came; whether the housekeeper is needed."""
        items: list[tuple[Reader, int, Fetched]] = []
        needed = False
        for key, partition in answer.partitions.items():
            question = asked.get(key)
            if question is None or question.reader.turn != question.turn:
                continue
            reader = question.reader
            if partition.error:
                self._partition_failed(node, reader, partition, answer)
                needed = True
                continue
            reader.watermarks = partition.watermarks
            if partition.near_node >= 0:
                reader.near_node = partition.near_node
                reader.near_until_s = self._loop.time() + self._settings.metadata_max_age_ms / 1000
                needed = True
            elif len(partition.records):
                items += self._accept(reader, partition)
                needed = needed or reader.exhausted
        if items:
            self._hand_over(node, items)
        return needed

    def _accept(self, reader: Reader, answer: PartitionAnswer) -> list[tuple[Reader, int, Fetched]]:
        try:
            taken = read_batches(answer, self._settings, reader.place, reader.stop)
        except CorruptRecord as error:
            self.complain(reader, error)
            return []
        item = Fetched(
            reader.topic,
            reader.partition,
            reader.place,
            taken.next_offset,
            taken.batches,
            size_bytes=sum(batch.header.size for batch in taken.batches),
            stop=reader.stop,
        )
        reader.place = taken.next_offset
        if taken.leader_epoch >= 0:
            reader.epoch_read = taken.leader_epoch
        return [(reader, reader.turn, item)]

    # -- what can be read -------------------------------------------------------------------------------------------

    def _wanted(self, node: int) -> list[Reader]:
        now_s = self._loop.time()
        return [r for r in self._readers.values() if self._readable(r, now_s) and self._node(r) == node]

    def _readable(self, reader: Reader, now_s: float) -> bool:
        if reader.unresolved or not reader.active(now_s):
            return False
        topic = self._cluster.known.topics.get(reader.topic)
        partition = topic and topic.partitions.get(reader.partition)
        if not topic or not partition or partition.leader < 0 or reader.topic_id not in {None, topic.id}:
            return False
        return reader.epoch_read < 0 or reader.epoch_checked >= partition.leader_epoch

    def _node(self, reader: Reader) -> int:
        if reader.near_node in self._cluster.known.brokers and reader.near_until_s > self._loop.time():
            return reader.near_node
        return self._cluster.known.leader(reader.topic, reader.partition)

    # -- trouble ----------------------------------------------------------------------------------------------------

    def failed(self, readers: list[Reader], error: KafkaError) -> None:
        """These could not be asked about."""
        self.trouble = error
        if not is_retriable(error):
            self.crashed(error)
            return
        if isinstance(error, Unreachable | RequestTimedOut) or error.code in MOVED:
            self.stale = True
        self._pause(readers)

    def _pause(self, readers: list[Reader]) -> None:
        until_s = self._loop.time() + self._settings.retry_backoff_ms / 1000
        for reader in readers:
            reader.retry_at_s = until_s
            reader.near_node = -1

    def _partition_failed(self, node: int, reader: Reader, answer: PartitionAnswer, whole: FetchAnswer) -> None:
        error = answer.error
        if error == Err.OFFSET_OUT_OF_RANGE:
            self._out_of_range(node, reader)
        elif error in MOVED or error.retriable:
            self.stale = self.stale or error in MOVED
            self.trouble = KafkaError(error, f"{reader.topic}:{reader.partition}: {error.text}")
            if answer.leader is not None:
                self._cluster.moved(reader.topic, reader.partition, *answer.leader, whole.brokers)
            self._pause([reader])
        else:
            self.complain(reader, KafkaError(error))

    def _out_of_range(self, node: int, reader: Reader) -> None:
        if node != self._cluster.known.leader(reader.topic, reader.partition):
            reader.near_node = -1  # a follower may be behind: the leader decides
            return
        reset = RESETS.get(self._settings.auto_offset_reset)
        if reset is None:
            sentence = f"{reader.topic}:{reader.partition} has no offset {reader.place} (any more)"
            self.complain(reader, KafkaError(Err.OFFSET_OUT_OF_RANGE, sentence))
        else:
            reader.move(reset)

    def _hand_over(self, node: int, items: list[tuple[Reader, int, Fetched]]) -> None:
        self._untaken[node] = self._untaken.get(node, 0) + 1
        self._portions.append(_Portion(node, items))
        self._news()
