"""Work in the background: tasks that are held while they run, and errands of which one at a time is enough."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

from kq.errors import Err, KafkaError

__all__ = ["Errands"]

log = logging.getLogger("kq.client")


class Errands:
    """`finished` is called after each errand: something may be possible now that was not before. `crashed` is called
    instead when one ends in an exception that nobody expected, so that those who wait learn of it."""

    def __init__(self, finished: Callable[[], None], crashed: Callable[[KafkaError], None]) -> None:
        self._finished = finished
        self._crashed = crashed
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds tasks weakly
        self._running: set[Hashable] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def once(self, what: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `work`, unless this errand is being run already."""
        if what not in self._running:
            self._running.add(what)
            self.start(work()).add_done_callback(lambda _: self._running.discard(what))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            self._finished()
        else:
            log.error("kq's client failed: %r", error, exc_info=error)
            self._crashed(KafkaError(Err.UNKNOWN_SERVER_ERROR, f"kq's client failed: {error!r}"))
