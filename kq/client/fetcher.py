"""Keeps fetches under way: one loop a broker, which asks again as soon as it is answered.

Rules
- A broker's loop does not ask while PREFETCH of its answers have not been taken: reading ahead is bounded, and while a
  caller works on one answer the next is on its way.
- What was fetched for a partition that has been moved or paused since is dropped, never handed out.
- Errors that pass are retried without end, with pauses; `trouble` is the last one. Others end the reading of their
  partition and are handed out once.
- Whatever the loops cannot settle themselves (leaders, places to look up, positions to check) they leave to the
  housekeeper.
- An answer costs what came with it: only the readers it moved are looked at again. All of them are looked at when the
  housekeeper says so (`run`) or metadata has changed, both of which are rare.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kq.client.admin.types import EARLIEST, LATEST, TopicPartition
from kq.client.cluster import Cluster
from kq.client.connection import Connection
from kq.client.errands import Errands
from kq.client.errors import RequestTimedOut, Unreachable, is_retriable
from kq.client.exchange import FETCH_BY_ID_SINCE, FetchAnswer, PartitionAnswer, ask_fetch, read_batches
from kq.client.fetched import Fetched
from kq.client.metadata import ClusterMetadata
from kq.client.outcomes import MOVED
from kq.client.reading import Reader
from kq.client.sessions import Place
from kq.client.settings import ClientSettings
from kq.client.watch import Watch
from kq.errors import Err, KafkaError
from kq.record.faults import CorruptRecord
from kq.wire.apis.fetch import FETCH

__all__ = ["Fetcher"]

PREFETCH = 2
NOBODY = -1  # no node: what is handed over came from none, or a reader is read from none
RESETS = {"earliest": EARLIEST, "latest": LATEST}
SESSION_LOST = {
    Err.FETCH_SESSION_ID_NOT_FOUND,
    Err.INVALID_FETCH_SESSION_EPOCH,
    Err.FETCH_SESSION_TOPIC_ID_ERROR,
    Err.INCONSISTENT_TOPIC_ID,
}


class _Portion(NamedTuple):
    """What one answer gave; each item with the reader's turn at that time."""

    node: int
    items: list[tuple[Reader, int, Fetched]]


class Fetcher:
    """`news` is called when something can be taken; `housekeeping` when only the housekeeper can go on."""

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
        self._watches: dict[int, Watch] = {}  # by node
        self._node_of: dict[Reader, int] = {}  # in whose watch each reader is; others are not read at the moment
        self._touched: set[Reader] = set()  # to be looked at before the next request
        self._metadata: ClusterMetadata | None = None  # as of the last look at all readers
        self._portions: deque[_Portion] = deque()
        self._untaken: dict[int, int] = {}  # portions, by node
        self._taken = asyncio.Event()
        self.trouble: KafkaError | None = None  # the last error of a broker, None after an answer
        self.fatal: KafkaError | None = None  # nothing can be read any more
        self.stale = False  # metadata proved wrong

    def run(self) -> None:
        """Looks at all readers, and starts a loop for each broker that has something to read and none yet."""
        self._look_at_all()
        for node, watch in self._watches.items():
            if watch:
                self._errands.once(node, partial(self._read_from, node, watch))

    def touch(self, *readers: Reader) -> None:
        """These were moved, paused or resumed: they are looked at before anything more is asked about them."""
        self._touched.update(readers)

    def placed(self, reader: Reader) -> None:
        """Its place is known now; where that is its stop, nothing will come, and who waits is told."""
        if reader.finished:
            self._news()

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
        self.touch(reader)
        place = max(reader.place, 0)
        item = Fetched(reader.topic, reader.partition, place, place, error=error)
        self._hand_over(NOBODY, [(reader, reader.turn, item)])

    def crashed(self, error: KafkaError) -> None:
        """Nothing comes any more; the next fetch raises this."""
        self.fatal = error
        self._news()

    async def close(self) -> None:
        await self._cluster.close_lane(self._lane)

    # -- one broker -------------------------------------------------------------------------------------------------

    async def _read_from(self, node: int, watch: Watch) -> None:
        """Fetches as long as there is something to read from this broker."""
        while self._anything(watch):
            if self._untaken.get(node, 0) >= PREFETCH:
                self._taken.clear()
                await self._taken.wait()
                continue
            connection = self._cluster.ready_connection(node, self._lane)
            try:
                if connection is None:
                    await self._cluster.connection(node, self._lane)
                    continue  # meanwhile much may have changed
                answer = await self._fetch(connection, watch)
            except KafkaError as error:
                watch.session.reset()
                self.failed(watch.readers, error)
                return
            if answer.error in SESSION_LOST:
                watch.session.reset()
                self.stale = self.stale or answer.error == Err.INCONSISTENT_TOPIC_ID
                if self.stale:
                    self._pause(watch.readers)
                    return
                continue
            if answer.error:
                watch.session.reset()
                self.failed(watch.readers, KafkaError(answer.error))
                return
            watch.session.answered(answer.session_id)
            self.trouble = None
            if self._digest(node, watch, answer):
                self._housekeeping()

    async def _fetch(self, connection: Connection, watch: Watch) -> FetchAnswer:
        version = connection.version(FETCH)
        if not watch.by_id:
            version = min(version, FETCH_BY_ID_SINCE - 1)
        return await ask_fetch(connection, self._settings, watch.plan(), version)

    def _digest(self, node: int, watch: Watch, answer: FetchAnswer) -> bool:
        """Hands over what came; whether the housekeeper is needed."""
        items: list[tuple[Reader, int, Fetched]] = []
        needed = False
        for key, partition in answer.partitions.items():
            question = watch.question(*key)
            if question is None or not question.stands:
                continue
            reader = question.reader
            if partition.error:
                self._partition_failed(node, reader, partition, answer)
                self.touch(reader)
                needed = True
                continue
            reader.watermarks = partition.watermarks
            if partition.near_node >= 0:
                reader.near_node = partition.near_node
                reader.near_until_s = self._loop.time() + self._settings.metadata_max_age_ms / 1000
                self.touch(reader)
                needed = True
            elif len(partition.records):
                items += self._accept(reader, partition)
                self.touch(reader)
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

    def _anything(self, watch: Watch) -> bool:
        """Whether this broker is to be asked now, with its watch brought up to date."""
        if self._metadata is not self._cluster.known:
            self._look_at_all()
            self._housekeeping()  # a new leader may want a position checked, a new topic a place looked up
        else:
            self._look_at(self._touched)
        return bool(watch)

    def _look_at_all(self) -> None:
        self._metadata = self._cluster.known
        self._look_at({*self._node_of, *self._readers.values()})

    def _look_at(self, readers: set[Reader]) -> None:
        """Each of these goes into the watch of the broker it can be read from now, and out of any other.

        All go out before any comes in: two of them may be of one partition, the old assignment's and the new one's.
        """
        now_s = self._loop.time()
        coming: list[tuple[Reader, int]] = []
        for reader in readers:
            assigned = self._readers.get((reader.topic, reader.partition)) is reader
            node = self._node(reader) if assigned and self._readable(reader, now_s) else NOBODY
            before = self._node_of.pop(reader, NOBODY)
            if before not in {NOBODY, node}:
                self._watches[before].remove(reader)
            if node != NOBODY:
                coming.append((reader, node))
        for reader, node in coming:
            self._node_of[reader] = node
            self._put(self._watches.setdefault(node, Watch()), reader)
        self._touched.clear()

    def _put(self, watch: Watch, reader: Reader) -> None:
        topic = self._cluster.known.topics[reader.topic]
        epoch = topic.partitions[reader.partition].leader_epoch
        reader.topic_id = topic.id
        if reader.epoch_read < 0:
            reader.epoch_checked = epoch  # nothing was read yet that could have been cut off
        watch.put(reader, topic, Place(reader.place, epoch, self._settings.max_partition_fetch_bytes))

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
            reader.near_node = NOBODY
            self.touch(reader)

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
            reader.near_node = NOBODY  # a follower may be behind: the leader decides
            return
        if reader.position != reader.place:
            self._pause([reader])  # what was read ahead is good: moving the reader now would drop it
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
