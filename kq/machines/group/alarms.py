"""One heap of deadlines for all sessions, rebalances and checks of a shard, updated lazily.

Rules
1. Moving a deadline later costs one assignment: the heap entry stays where it is and is put right when its old time
   comes. A heartbeat moves a deadline later, so a group of members that heartbeat costs one heap operation per member
   and session timeout.
2. Moving it earlier pushes a new entry; the old one is recognised by not being the armed one, and dropped.
3. An alarm that has rung, or was stopped, does not ring again until it is set again.
"""

from __future__ import annotations

import heapq
from typing import Protocol

from kq.machines.group.decision import Decision

NEVER = 2**63


class Alarm:
    """`deadline_ms` is when it rings, `armed_ms` when the heap looks at it next: armed_ms <= deadline_ms."""

    __slots__ = ("armed_ms", "deadline_ms", "owner", "subject", "what")

    def __init__(self, owner: Owner, what: str, subject: str = "") -> None:
        self.owner = owner
        self.what = what
        self.subject = subject
        self.deadline_ms = NEVER
        self.armed_ms = NEVER

    @property
    def is_set(self) -> bool:
        return self.deadline_ms < NEVER

    def stop(self) -> None:
        self.deadline_ms = NEVER


class Owner(Protocol):
    """Whose alarm it is, mostly a group."""

    group_id: str

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        """It rang, in a turn of its own."""
        ...


class Alarms:
    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Alarm]] = []
        self._serial = 0

    def set(self, alarm: Alarm, deadline_ms: int) -> None:
        alarm.deadline_ms = deadline_ms
        if deadline_ms < alarm.armed_ms:
            self._arm(alarm)

    @property
    def next_deadline_ms(self) -> int | None:
        """When `due` has something, exactly."""
        heap = self._heap
        while heap:
            armed_ms, _, alarm = heap[0]
            if armed_ms == alarm.armed_ms == alarm.deadline_ms:
                return armed_ms
            self._settle()
        return None

    def due(self, now_ms: int) -> Alarm | None:
        """The next alarm that rings by now, by deadline; one at a time, because ringing one may stop others."""
        deadline_ms = self.next_deadline_ms
        if deadline_ms is None or deadline_ms > now_ms:
            return None
        alarm = heapq.heappop(self._heap)[2]
        alarm.armed_ms = alarm.deadline_ms = NEVER
        return alarm

    def _settle(self) -> None:
        """Puts the first entry of the heap right: moves it to where its alarm is now, or drops it."""
        armed_ms, _, alarm = heapq.heappop(self._heap)
        if armed_ms != alarm.armed_ms:
            return
        if alarm.is_set:
            self._arm(alarm)
        else:
            alarm.armed_ms = NEVER

    def _arm(self, alarm: Alarm) -> None:
        alarm.armed_ms = alarm.deadline_ms
        self._serial += 1
        heapq.heappush(self._heap, (alarm.armed_ms, self._serial, alarm))
