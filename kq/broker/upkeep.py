"""What the broker does without being asked: a handful of jobs, each with its interval, none of them per partition.

A job that fails is logged and tried again at its next turn; it never takes the broker down. A disk that refuses is told
once, until the job has succeeded again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kq.errors import KafkaError

log = logging.getLogger(__name__)

DAY_S = 86_400.0

Job = Callable[[], Awaitable[None]]


class Upkeep:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, interval_s: float | Callable[[], float], job: Job) -> None:
        """Runs `job` again and again, `interval_s` (a day at the most) after it ended the last time; a function is
        asked for it each time."""
        interval = interval_s if callable(interval_s) else lambda: interval_s
        self._tasks.append(asyncio.create_task(_repeat(interval, job), name=job.__name__))

    async def stop(self) -> None:
        """Cancels all jobs and waits until none runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()


async def _repeat(interval: Callable[[], float], job: Job) -> None:
    told = ""
    while True:
        interval_s = min(interval(), DAY_S)
        await asyncio.sleep(interval_s)
        try:
            await job()
            told = ""
        except (KafkaError, OSError) as error:
            if str(error) != told:
                log.error("%s: %s", job.__name__, error)
            told = str(error)
        except Exception:
            log.exception("%s failed; it is tried again in %g s", job.__name__, interval_s)
