"""Changes of topics, settings and what lies in partition directories take turns, and each is carried to its end.

A change is a transaction in the metadata store (but for retention), then steps on disk, then what clients see. If
whoever asked for it hangs up in between, it goes on: half of it would leave the store and the broker's memory apart
until the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from kq.errors import KafkaError

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Turn:
    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._running: asyncio.Task[Any] | None = None  # the loop itself keeps no task alive

    async def take(self, change: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `change(...)` returns or raises. To wait for the turn may be given up; a change that has begun ends."""
        await self._lock.acquire()
        task = self._running = asyncio.create_task(change(*args, **kwargs))
        task.add_done_callback(self._end)
        return await asyncio.shield(task)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._running = None
        self._lock.release()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KafkaError):
            log.error("a change failed in a way it must not", exc_info=error)

    async def close(self) -> None:
        """Returns when no change is under way; none will begin any more."""
        await self._lock.acquire()
