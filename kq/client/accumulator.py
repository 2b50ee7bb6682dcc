"""Records waiting to be sent: one queue of batches a partition, in an order that never changes.

Invariants
- Of one partition, the batches in `on_the_way` and those in `waiting` are each in the order of their places. A batch
  that has to be sent again goes back to its place in `waiting`, before everything younger.
- Only the youngest batch takes more records, until it is full or taken for sending.
- `used_bytes` is the sum over all batches whose senders do not know the outcome yet.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from kq.client.batching import BATCH_OVERHEAD, Batch, Columns
from kq.client.delivery import Piece, Receipt, Slice
from kq.client.outcomes import NUMBERS_LOST, PartitionNumbers
from kq.client.settings import ClientSettings
from kq.errors import KafkaError

__all__ = ["Accumulator", "PartitionQueue", "Trouble"]

_place = attrgetter("place")


@dataclass(slots=True)
class Trouble:
    """Why a partition has taken nothing since `since_s`, by the loop's clock: what came first, and what came last."""

    first: KafkaError
    last: KafkaError
    since_s: float

    def __str__(self) -> str:
        first, last = str(self.first).rstrip("."), str(self.last).rstrip(".")
        return first if first == last else f"{last}; at first: {first}"


class PartitionQueue:
    """The batches of one partition."""

    __slots__ = ("numbers", "on_the_way", "partition", "renumber", "retry_at_s", "topic", "trouble", "waiting")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.waiting: deque[Batch] = deque()
        self.on_the_way: list[Batch] = []
        self.numbers: PartitionNumbers | None = None  # set when its first batch of an idempotent producer is sent
        self.renumber = False  # all waiting batches need new numbers, as soon as nothing is on the way
        self.retry_at_s = 0.0  # nothing is sent before
        self.trouble: Trouble | None = None  # what keeps it from taking anything

    @property
    def open(self) -> Batch | None:
        """The batch that takes more records."""
        return self.waiting[-1] if self.waiting and not self.waiting[-1].closed else None

    def close_open(self) -> None:
        """The next record begins another batch."""
        if self.waiting:
            self.waiting[-1].closed = True

    def suffers(self, error: KafkaError, now_s: float) -> None:
        """Nothing was taken. That a batch came out of order only follows from what kept those before it away."""
        if self.trouble is None:
            self.trouble = Trouble(error, error, now_s)
        elif error.code not in NUMBERS_LOST:
            self.trouble.last = error

    def is_oldest(self, batch: Batch) -> bool:
        """Whether no earlier batch is unfinished."""
        first = min((other[0].place for other in (self.waiting, self.on_the_way) if other), default=batch.place)
        return batch.place <= first

    def may_send(self, now_s: float, *, pipelined: bool) -> bool:
        """Whether the first waiting batch can go without endangering the order. `pipelined`: more than one at a time is
        safe, because batches are numbered or never sent again."""
        if self.retry_at_s > now_s or (self.renumber and self.on_the_way):
            return False
        if not self.on_the_way:
            return True
        if self.numbers is not None and not self.numbers.confirmed:
            return False  # the leader would take the second batch without the first
        # A batch that is sent again must be answered before younger ones follow, and so must one that goes again now.
        return pipelined and not self.waiting[0].attempts and all(batch.attempts == 1 for batch in self.on_the_way)

    def take(self) -> Batch:
        """The first waiting batch, now on the way."""
        batch = self.waiting.popleft()
        batch.closed = True
        batch.attempts += 1
        self.on_the_way.append(batch)
        return batch

    def landed(self, batch: Batch) -> None:
        """An answer came, or none ever will."""
        self.on_the_way.remove(batch)

    def again(self, *batches: Batch) -> None:
        """Back to their place among the waiting."""
        for batch in batches:
            self.waiting.insert(bisect_left(self.waiting, batch.place, key=_place), batch)


class Accumulator:
    def __init__(self, settings: ClientSettings) -> None:
        self.used_bytes = 0
        self.records_acked = 0
        self.records_failed = 0
        self.bytes_acked = 0  # estimate, before compression
        self.first_error: KafkaError | None = None
        self.active: dict[tuple[str, int], PartitionQueue] = {}  # those with unfinished batches
        self.unresolved: dict[Receipt, None] = {}
        self._batch_bytes = settings.batch_size
        self._timeout_s = settings.delivery_timeout_ms / 1000
        self._queues: dict[tuple[str, int], PartitionQueue] = {}
        self._places = 0
        self._loop = asyncio.get_running_loop()
        self.freed = asyncio.Event()  # set when memory was given back

    def queue(self, topic: str, partition: int) -> PartitionQueue:
        queue = self._queues.get((topic, partition))
        if queue is None:
            queue = self._queues[topic, partition] = PartitionQueue(topic, partition)
        return queue

    def queued(self, topic: str, partition: int) -> int:
        """Unfinished batches of this partition."""
        queue = self._queues.get((topic, partition))
        return 0 if queue is None else len(queue.waiting) + len(queue.on_the_way)

    def room(self, queue: PartitionQueue) -> int:
        """Bytes that the open batch still takes, or a new one would."""
        batch = queue.open
        return self._batch_bytes - (BATCH_OVERHEAD if batch is None else batch.bytes)

    def append(self, queue: PartitionQueue, columns: Columns, size: int, rows: Sequence[int]) -> Slice:
        """Puts all of `columns` into the open batch, or into a new one. Whether they fit is for the caller to see."""
        batch = queue.open
        if batch is None:
            batch = self._begin(queue)
        first = batch.add(columns, size)
        self.used_bytes += size
        if batch.bytes >= self._batch_bytes:
            batch.closed = True
        return Slice(batch.receipt, first, rows, batch.begun_ms if columns.timestamps is None else columns.timestamps)

    def finish(self, batch: Batch, piece: Piece) -> None:
        """The senders learn what became of the batch. Does nothing the second time."""
        if batch.resolved:
            return
        batch.resolved = True
        if piece.error is None:
            self.records_acked += batch.records
            self.bytes_acked += batch.bytes
        else:
            self.records_failed += batch.records
            self.first_error = self.first_error or piece.error
        self.used_bytes -= batch.bytes
        self.freed.set()
        if batch.receipt.resolve(piece):
            self.unresolved.pop(batch.receipt, None)

    def settle(self, queue: PartitionQueue) -> None:
        """Forgets a queue that has nothing left to do; its numbers stay."""
        if not queue.waiting and not queue.on_the_way:
            queue.trouble = None
            self.active.pop((queue.topic, queue.partition), None)

    def _begin(self, queue: PartitionQueue) -> Batch:
        now_s = self._loop.time()
        receipt = Receipt(queue.topic, queue.partition)
        self._places += 1
        batch = Batch(receipt, (self._places,), time.time_ns() // 1_000_000, now_s, now_s + self._timeout_s)
        self.used_bytes += batch.bytes
        self.unresolved[receipt] = None
        queue.waiting.append(batch)
        self.active[queue.topic, queue.partition] = queue
        return batch
