"""Compaction of the logs that want it, one at a time, the dirtiest first, in a thread of its own.

Every log.cleaner.backoff.ms the compacted partitions are looked at, and cleaned until none is due any more. A pass
reads and writes in the cleaner's thread, which gives way to the loop (`Pace`); nothing of it is seen until a group of
segments is swapped for what is left of it. That happens in a turn, as retention does, and in the metadata thread, for
it renames and syncs: no topic is deleted and no segment retired meanwhile. Everything else goes on during a pass; what
that makes wrong is noticed before the swap, and the pass is given up.

A log that holds something that cannot be read as batches is left alone until the broker is started again, and said to
be uncleanable; one that the disk has no room for is tried again later.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from kq.broker.partition import Partition
from kq.engine.compaction import Cleanable
from kq.engine.compaction_pass import Cleaned, Compaction
from kq.engine.index import DamagedIndex
from kq.engine.log import Log
from kq.engine.scan import DamagedBatch
from kq.engine.txnindex import CorruptTransactionIndex
from kq.errors import KafkaError
from kq.record.faults import CorruptRecord

if TYPE_CHECKING:
    from kq.broker.broker import Broker

log = logging.getLogger(__name__)

T = TypeVar("T")

SLICE = 200  # partitions looked at before others have their turn on the loop
SHORTEST_BACKOFF_S = 0.05
RETRY_S = 60.0  # after the disk has refused
WORK_S = 0.002  # of the thread's own time, before it lets the loop have the interpreter
LEAST_SHARE = 1 / 6  # of the time, however busy the others are: or a busy broker's logs would grow for ever


class GivenUp(Exception):
    """The pass must end: the broker stops, or the log is gone."""


class Pace:
    """Called by the thread for every batch: works as much as the rest of the process leaves idle, and no faster than
    log.cleaner.io.max.bytes.per.second."""

    def __init__(self, bytes_per_s: float, is_over: Callable[[], bool]) -> None:
        self._bytes_per_s = bytes_per_s if bytes_per_s > 0 else math.inf
        self._is_over = is_over
        self._owed_s = 0.0  # by the bytes moved since the last pause
        self._busy = 0.0  # share of the time that others have lately been at work
        self._wall = self._own = self._all = 0.0

    def __call__(self, moved_bytes: int) -> None:
        self._owed_s += moved_bytes / self._bytes_per_s
        own = time.thread_time()
        if own - self._own >= WORK_S or self._owed_s >= WORK_S:
            if self._is_over():
                raise GivenUp
            self._pause(own)

    def _pause(self, own: float) -> None:
        wall, all_ = time.monotonic(), time.process_time()
        passed, worked = wall - self._wall, own - self._own
        if self._wall and passed > 0:
            busy = min(max((all_ - self._all - worked) / passed, 0.0), 1.0)
            self._busy += (busy - self._busy) / 8
        yields_s = worked * (1 / max(1 - self._busy, LEAST_SHARE) - 1)
        time.sleep(max(yields_s, self._owed_s - passed, 0.0001))  # 0.0001: a moment for whoever waits to wake up
        self._wall, self._own, self._all, self._owed_s = wall, own, all_, 0.0


class Cleaning:
    """`passes` and what follows it count since the start."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cleaner")
        self._is_stopping = threading.Event()
        self._retry_at: dict[Log, float] = {}
        self.uncleanable: dict[Log, str] = {}
        self.current: Partition | None = None
        self.max_dirty_percent = 0.0  # of any log, when they were last looked at
        self.passes = 0
        self.seconds = 0.0
        self.read_bytes = 0
        self.copied_bytes = 0
        self.kept_bytes = 0  # of those

    @property
    def backoff_s(self) -> float:
        return max(self._broker.settings.log_cleaner_backoff_ms / 1000, SHORTEST_BACKOFF_S)

    async def clean(self) -> None:
        """Until nothing is due."""
        while (found := await self._dirtiest()) is not None:
            await self._clean(*found)

    async def _dirtiest(self) -> tuple[Partition, Cleanable] | None:
        now_ms, now = self._broker.now_ms(), time.monotonic()
        best: tuple[Partition, Cleanable] | None = None
        most, logs = 0.0, set()
        for number, partition in enumerate(self._broker.partitions, 1):
            if number % SLICE == 0:
                await asyncio.sleep(0)
            logs.add(partition.log)
            if not partition.is_compacted or partition.log in self.uncleanable:
                continue
            found = self._look_at(partition, now_ms)
            if found is None:
                continue
            most = max(most, found.ratio)
            is_due = found.is_due(partition.log.settings) and self._retry_at.get(partition.log, 0) <= now
            if is_due and (best is None or found.ratio > best[1].ratio):
                best = partition, found
        self.max_dirty_percent = 100 * most
        self.uncleanable = {one: why for one, why in self.uncleanable.items() if one in logs}
        self._retry_at = {one: at for one, at in self._retry_at.items() if one in logs and at > now}
        return best

    def _look_at(self, partition: Partition, now_ms: int) -> Cleanable | None:
        it = partition.log
        try:
            return it.compaction.cleanable(
                it.settings,
                log_start_offset=it.log_start_offset,
                last_stable_offset=partition.last_stable_offset,
                now_ms=now_ms,
            )
        except KafkaError as error:
            self._leave(it, f"{partition} cannot be compacted: {error}")
            return None

    async def _clean(self, partition: Partition, found: Cleanable) -> None:
        it, settings = partition.log, self._broker.settings
        began = time.monotonic()
        compaction = it.compaction.begin(
            found,
            it.settings,
            it.producers,
            now_ms=self._broker.now_ms(),
            dedupe_bytes=settings.log_cleaner_dedupe_buffer_size,
            unpacked_limit=self._broker.max_unpacked_bytes,
            breathe=Pace(settings.log_cleaner_io_max_bytes_per_second, lambda: self._is_over(it)),
        )
        self.current = partition
        try:
            if await self._pass(partition, compaction):
                it.compaction.finish(compaction)
                self._count(partition, compaction, time.monotonic() - began)
        except GivenUp:
            log.debug("%s: compaction is given up", partition)
        except (CorruptRecord, DamagedBatch, DamagedIndex, CorruptTransactionIndex) as damage:
            self._leave(it, f"{partition} cannot be compacted: {damage}.")
        except (OSError, KafkaError) as error:
            if not it.failed:
                self._retry_at[it] = time.monotonic() + RETRY_S
                log.warning("%s is compacted later: %s", partition, error)
        finally:
            self.current = None

    async def _pass(self, partition: Partition, compaction: Compaction) -> bool:
        """Whether it came to its end. The recovery point is checkpointed first: below it a log may have gaps that only
        compaction explains, above it they would be lost batches (recovery.py)."""
        await self._in_thread(compaction.map_dirty)
        await self._broker.checkpoint()
        while (cleaned := await self._in_thread(compaction.clean_next)) is not None:
            if not await self._broker.turn.take(self._swap, partition, cleaned):
                if not partition.log.failed:
                    await self._in_thread(compaction.discard)
                return False
        return True

    async def _swap(self, partition: Partition, cleaned: Cleaned) -> bool:
        """In a turn. False: the log is not what it was."""
        it, now_ms = partition.log, self._broker.now_ms()
        swap = it.compaction.begin_swap(cleaned, it.settings, now_ms=now_ms)
        if swap is None:
            return False
        await self._broker.in_metadata_thread(swap.run)
        it.compaction.finish_swap(swap, it.settings, now_ms=now_ms)
        return True

    def _count(self, partition: Partition, compaction: Compaction, seconds: float) -> None:
        self.passes += 1
        self.seconds += seconds
        self.read_bytes += compaction.read_bytes
        self.copied_bytes += compaction.copied_bytes
        self.kept_bytes += compaction.kept_bytes
        log.info(
            "%s is compacted up to offset %d: %d of %d bytes are left, after %.1f s",
            partition,
            compaction.end,
            compaction.kept_bytes,
            compaction.copied_bytes,
            seconds,
        )

    def _leave(self, it: Log, why: str) -> None:
        self.uncleanable[it] = why
        log.error("%s Its records are all kept.", why)

    def _is_over(self, it: Log) -> bool:
        return self._is_stopping.is_set() or it.failed is not None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        """Gives up the pass that is under way, and waits for that."""
        self._is_stopping.set()
        self._thread.shutdown(wait=True)
