"""Where fetches wait for more: `machines.waits` with a clock, one timer for all, and a future for each.

A fetch parks here; the partition that it waits for says what came (`Partition`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from kq.broker.partition import Partition
from kq.machines.waits import Ticket, Waits

Waiting = asyncio.Future[None]


class Parking:
    def __init__(self) -> None:
        self.waits: Waits[Partition, Waiting] = Waits()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms = 0

    def park(self, partitions: Iterable[Partition], *, missing_bytes: int, timeout_ms: int) -> Waiting:
        """Done when `missing_bytes` have come to these partitions from now on (not from when somebody awaits it),
        something else moved there, or time is up. Cancelling it forgets it."""
        waiting: Waiting = self._loop.create_future()
        deadline_ms = self._now_ms() + timeout_ms
        ticket = self.waits.park(partitions, missing_bytes=missing_bytes, deadline_ms=deadline_ms, payload=waiting)
        waiting.add_done_callback(lambda _: self.waits.cancel(ticket))
        self._set_timer()
        return waiting

    def appended(self, partition: Partition, size_bytes: int) -> None:
        """So many bytes more can be read: who has enough now goes on."""
        self._complete(self.waits.appended(partition, size_bytes))

    def wake(self, partition: Partition) -> None:
        """Something changed that bytes do not measure: everyone who waits there goes on."""
        self._complete(self.waits.wake(partition))

    def _complete(self, tickets: Iterable[Ticket[Partition, Waiting]]) -> None:
        for ticket in tickets:
            if not ticket.payload.done():
                ticket.payload.set_result(None)

    def _now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def _set_timer(self) -> None:
        deadline_ms = self.waits.next_deadline_ms
        if deadline_ms is None or (self._timer is not None and self._timer_ms <= deadline_ms):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = deadline_ms
        self._timer = self._loop.call_later(max(0, deadline_ms - self._now_ms() + 1) / 1000, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._complete(self.waits.expire(self._now_ms()))
        self._set_timer()
