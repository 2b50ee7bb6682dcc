"""fsync off the loop: one at a time a partition, and everyone who waits shares the next one (group commit)."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from kq.broker.partition import Partition
from kq.errors import KafkaError

log = logging.getLogger(__name__)


class Flusher:
    """After each flush its partition learns of it, before those who wait for it go on."""

    def __init__(self, *, threads: int = 4) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="flush")
        self._running: dict[Partition, asyncio.Task[None]] = {}

    async def sync(self, partition: Partition, wanted_offset: int) -> None:
        """Returns when all below `wanted_offset` is on stable storage; raises KafkaError(KAFKA_STORAGE_ERROR)."""
        while partition.log.recovery_point < wanted_offset:
            await asyncio.shield(self._begin(partition))

    def sync_soon(self, partition: Partition) -> None:
        """The same for what is there now, with nobody waiting for it."""
        self._begin(partition)

    async def drain(self, partition: Partition) -> None:
        """Waits until no flush of the partition is under way; whether it succeeds does not matter any more."""
        running = self._running.get(partition)
        if running is not None:
            await asyncio.wait([running])

    def _begin(self, partition: Partition) -> asyncio.Task[None]:
        running = self._running.get(partition)
        if running is None:
            running = self._running[partition] = self._loop.create_task(self._flush(partition))
            running.add_done_callback(_log_failure)  # whoever waits may have gone
        return running

    async def _flush(self, partition: Partition) -> None:
        try:
            flush = partition.log.begin_flush()
            if flush is not None:
                await self._loop.run_in_executor(self._threads, flush.run)
                partition.log.finish_flush(flush)
                partition.synced()
        finally:
            del self._running[partition]

    async def close(self) -> None:
        """Waits for what is under way."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._threads.shutdown(wait=True)


def _log_failure(done: asyncio.Task[None]) -> None:
    error = None if done.cancelled() else done.exception()
    if isinstance(error, KafkaError):
        log.error("a flush failed: %s", error)
    elif error is not None:
        log.error("a flush failed in a way it must not", exc_info=error)
