"""The producer: records in, places in a log out.

    async with Producer(cluster) as producer:
        delivered = await producer.send("orders", b"value", key=b"key")
        accepted = await producer.send_values("orders", lines)       # thousands at a time
        await producer.flush()

Rules
- Order: the records of one partition are written in the order of the calls that sent them, also when some had to be
  sent again. One that fails for good does not hold those behind it.
- A record with a partition goes there; else one with a key goes where its hash says (as Java's producer decides); else
  to the partition that is filled at the moment.
- Nothing is dropped silently: every record ends as Delivered or with an error, and `records_failed` counts the latter.
- Memory: at most buffer.memory of records wait (over it by one batch at most); then sending waits, up to max.block.ms.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

from kq.client.accumulator import Accumulator, PartitionQueue, Trouble
from kq.client.batching import BATCH_OVERHEAD, RECORD_OVERHEAD, Columns, Headers, Sizes, record_bytes
from kq.client.cluster import Cluster
from kq.client.delivery import Accepted, RecordTooLarge, Sent
from kq.client.filling import Filler
from kq.client.metadata import Topic
from kq.client.sender import Sender
from kq.client.settings import ClientSettings
from kq.errors import Err, KafkaError

__all__ = ["Producer"]

# A topic that was just created may be unknown to some brokers for a moment.
NEW_TOPIC_PATIENCE_S = 2.0
# What was sent before an exception left the block is still delivered, but nobody wants to wait two minutes for it.
PATIENCE_AFTER_ERROR_S = 5.0


class _Early(NamedTuple):
    """A record that came before its topic's metadata, before memory, or before others that wait for those."""

    sent: Sent
    topic: str
    columns: Columns
    partition: int | None
    size: int


class Producer:
    """Made inside a running event loop. `settings` replace the cluster's for this producer."""

    def __init__(self, cluster: Cluster, settings: ClientSettings | None = None) -> None:
        self._cluster = cluster
        self._settings = settings or cluster.settings
        self._accumulator = Accumulator(self._settings)
        self._sender = Sender(cluster, self._settings, self._accumulator)
        self._filler = Filler(self._settings, self._accumulator, cluster.rng, self._filled, self.room)
        self._early: deque[_Early] = deque()
        self._admitting: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close(None if error is None else PATIENCE_AFTER_ERROR_S)

    # -- what it has done --

    @property
    def records_acked(self) -> int:
        return self._accumulator.records_acked

    @property
    def records_failed(self) -> int:
        return self._accumulator.records_failed

    @property
    def bytes_acked(self) -> int:
        """Keys, values, headers and their lengths, before compression."""
        return self._accumulator.bytes_acked

    @property
    def first_error(self) -> KafkaError | None:
        return self._accumulator.first_error

    @property
    def troubles(self) -> list[tuple[str, int, Trouble]]:
        """Topic and partition of what takes nothing at the moment, and why; the one that has waited longest first."""
        suffering = [(q.topic, q.partition, q.trouble) for q in self._accumulator.active.values() if q.trouble]
        return sorted(suffering, key=lambda one: one[2].since_s)

    # -- one record --

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp_ms: int | None = None,
    ) -> Sent:
        """Puts the record on its way and returns at once; `await` what it returns for its place.

        It never waits itself: whoever sends without end and without awaiting uses `send_columns`, or awaits `room`.
        """
        self._check_open()
        size = record_bytes(value, key, headers)
        if (error := self._too_large(size)) is not None:
            raise error
        columns = Columns(
            (value,),
            None if key is None else (key,),
            (headers,) if headers else None,
            _now_ms() if timestamp_ms is None else timestamp_ms,
        )
        sent = Sent()
        known = self._known(topic)
        if known is None or self._early or self._accumulator.used_bytes >= self._settings.buffer_memory:
            sent.must_wait()
            self._early.append(_Early(sent, topic, columns, partition, size))
            if self._admitting is None:
                self._admitting = asyncio.ensure_future(self._admit())
        else:
            sent.taken(self._filler.one(known, columns, partition, size))
        return sent

    async def _admit(self) -> None:
        """Takes the records that came too early, in their order, as soon as each can be taken."""
        try:
            while self._early:
                early = self._early[0]
                try:
                    topic = await self._topic(early.topic)
                    await self.room()
                    early.sent.taken(self._filler.one(topic, early.columns, early.partition, early.size))
                except KafkaError as error:
                    early.sent.refused(error)
                self._early.popleft()
        finally:
            self._admitting = None

    # -- many records --

    async def send_values(
        self, topic: str, values: Sequence[bytes], *, partition: int | None = None, timestamp_ms: int | None = None
    ) -> Accepted:
        """Records that have only a value. Returns when all are in batches, before they are acknowledged."""
        return await self.send_columns(topic, values, partition=partition, timestamps_ms=timestamp_ms)

    async def send_columns(
        self,
        topic: str,
        values: Sequence[bytes | None],
        keys: Sequence[bytes | None] | None = None,
        headers: Sequence[Headers] | None = None,
        timestamps_ms: int | Sequence[int] | None = None,
        partition: int | None = None,
    ) -> Accepted:
        """Records by the column: `keys[i]`, `headers[i]` and `timestamps_ms[i]` belong to `values[i]`.

        Waits while buffer.memory is full. Records that are too large, or found no room within max.block.ms, come back
        in `rejected`; all others are on their way when it returns. Without timestamps they get the time at which their
        batch was begun: at most linger.ms before now, unless the broker is slow.
        """
        self._check_open()
        if self._admitting is not None:
            await asyncio.shield(self._admitting)
        known = await self._topic(topic)
        columns = Columns(values, keys, headers, timestamps_ms)
        payloads = columns.payloads()
        if not payloads or self._too_large(RECORD_OVERHEAD + max(payloads)) is None:
            return await self._filler.many(known, columns, range(len(payloads)), Sizes(payloads), partition)
        rejected: list[tuple[int, KafkaError]] = []
        rows: list[int] = []
        for row, payload in enumerate(payloads):
            error = self._too_large(RECORD_OVERHEAD + payload)
            if error is None:
                rows.append(row)
            else:
                rejected.append((row, error))
        sizes = Sizes([payloads[row] for row in rows])
        fitting = await self._filler.many(known, columns.pick(rows), rows, sizes, partition)
        return Accepted(fitting.slices, rejected + fitting.rejected)

    async def room(self) -> None:
        """Returns when there is memory for more records: KafkaError(REQUEST_TIMED_OUT) after max.block.ms without."""
        if self._accumulator.used_bytes < self._settings.buffer_memory:
            return
        self._sender.hurry(True)
        try:
            async with asyncio.timeout(self._settings.max_block_ms / 1000):
                while self._accumulator.used_bytes >= self._settings.buffer_memory:
                    self._accumulator.freed.clear()
                    await self._accumulator.freed.wait()
        except TimeoutError:
            seconds = self._settings.max_block_ms / 1000
            sentence = f"no record could be taken for {seconds:g} s: buffer.memory is full of unacknowledged ones"
            raise KafkaError(Err.REQUEST_TIMED_OUT, sentence) from None
        finally:
            self._sender.hurry(False)

    async def flush(self) -> None:
        """Returns when it is known of all records sent so far whether they were written."""
        while self._admitting is not None:
            await asyncio.shield(self._admitting)
        await self._sender.flush()

    async def close(self, timeout_s: float | None = None) -> None:
        """Flushes, at most so long, and ends. What is not acknowledged by then, or when this is cancelled, fails."""
        self._closed = True
        try:
            if timeout_s is None or timeout_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(timeout_s):
                        await self.flush()
        finally:
            if self._admitting is not None:
                self._admitting.cancel()
                await asyncio.gather(self._admitting, return_exceptions=True)
            while self._early:
                self._early.popleft().sent.refused(KafkaError(Err.REQUEST_TIMED_OUT, "the producer was closed"))
            await self._sender.close()

    # -- inside --

    def _check_open(self) -> None:
        if self._closed:
            raise KafkaError(Err.INVALID_REQUEST, "the producer is closed")
        if self._sender.crash is not None:
            raise self._sender.crash

    def _too_large(self, size: int) -> KafkaError | None:
        for limit, setting in (
            (self._settings.max_request_size, "max.request.size"),
            (self._settings.buffer_memory, "buffer.memory"),
        ):
            if size + BATCH_OVERHEAD > limit:
                return RecordTooLarge(size + BATCH_OVERHEAD, limit, setting)
        return None

    def _filled(self, queue: PartitionQueue) -> None:
        """Wakes the sender when something is ready, or a new batch begins to linger."""
        first = queue.waiting[0]
        if first.closed or len(queue.waiting) > 1 or not first.woken:
            first.woken = True
            self._sender.wake()

    def _known(self, name: str) -> Topic | None:
        topic = self._cluster.known.topics.get(name)
        return topic if topic is not None and not topic.error and topic.partitions else None

    async def _topic(self, name: str) -> Topic:
        """The topic, asked for until it is there: a short while if it does not seem to exist, else max.block.ms."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        failures = 0
        while (known := self._known(name)) is None:
            metadata = await self._cluster.metadata([name], max_age_ms=0)
            error = metadata.topics[name].error if name in metadata.topics else Err.UNKNOWN_TOPIC_OR_PARTITION
            if not error:
                continue
            missing = error == Err.UNKNOWN_TOPIC_OR_PARTITION and not self._settings.allow_auto_create_topics
            patience_s = NEW_TOPIC_PATIENCE_S if missing else self._settings.max_block_ms / 1000
            failures += 1
            pause_s = self._cluster.retry.delay_ms(failures, self._cluster.rng) / 1000
            if not error.retriable or loop.time() + pause_s > started_s + patience_s:
                raise KafkaError(error, f"no topic {name!r}" if missing else None)
            await asyncio.sleep(pause_s)
        return known


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
