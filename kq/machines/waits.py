"""Requests that wait: parked until enough bytes have come to their partitions, or until their deadline.

Rules
1. A ticket completes exactly once: by bytes, by being woken, by its deadline, or by being cancelled; whoever gets it
   first has it.
2. Bytes of any of its partitions count towards one sum (Fetch's `min_bytes` is for the whole answer: DelayedFetch).
3. Deadlines are on the caller's clock in ms; `expire` returns what is due in the order of the deadlines.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Payload = TypeVar("Payload")


@dataclass(slots=True, eq=False)
class Ticket(Generic[Key, Payload]):
    """One parked request. `missing_bytes` > 0 for as long as it waits."""

    keys: tuple[Key, ...]
    missing_bytes: int
    deadline_ms: int
    payload: Payload
    done: bool = False


class Waits(Generic[Key, Payload]):
    """All parked requests of one kind, found by key and by deadline."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Ticket[Key, Payload], None]] = {}
        self._by_deadline: list[tuple[int, int, Ticket[Key, Payload]]] = []
        self._serial = 0
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    @property
    def next_deadline_ms(self) -> int | None:
        """When `expire` must be called next; tickets that have completed meanwhile do not count."""
        heap = self._by_deadline
        while heap and heap[0][2].done:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def park(
        self, keys: Iterable[Key], *, missing_bytes: int, deadline_ms: int, payload: Payload
    ) -> Ticket[Key, Payload]:
        ticket = Ticket(tuple(dict.fromkeys(keys)), missing_bytes, deadline_ms, payload)
        for key in ticket.keys:
            self._by_key.setdefault(key, {})[ticket] = None
        self._serial += 1
        self._waiting += 1
        if len(self._by_deadline) > 2 * self._waiting + 64:  # long deadlines, short waits: sweep what is done
            self._by_deadline = [entry for entry in self._by_deadline if not entry[2].done]
            heapq.heapify(self._by_deadline)
        heapq.heappush(self._by_deadline, (deadline_ms, self._serial, ticket))
        return ticket

    def appended(self, key: Key, size_bytes: int) -> list[Ticket[Key, Payload]]:
        """Counts `size_bytes` for everyone who waits on `key`; returns (and forgets) those who have enough."""
        waiting = self._by_key.get(key)
        if not waiting:
            return []
        ready = []
        for ticket in waiting:
            ticket.missing_bytes -= size_bytes
            if ticket.missing_bytes <= 0:
                ready.append(ticket)
        for ticket in ready:
            self._forget(ticket)
        return ready

    def wake(self, key: Key) -> list[Ticket[Key, Payload]]:
        """Completes everyone who waits on `key`: its state changed in a way that bytes do not measure."""
        ready = list(self._by_key.get(key, ()))
        for ticket in ready:
            self._forget(ticket)
        return ready

    def expire(self, now_ms: int) -> list[Ticket[Key, Payload]]:
        due = []
        while (deadline_ms := self.next_deadline_ms) is not None and deadline_ms <= now_ms:
            ticket = heapq.heappop(self._by_deadline)[2]
            self._forget(ticket)
            due.append(ticket)
        return due

    def cancel(self, ticket: Ticket[Key, Payload]) -> None:
        if not ticket.done:
            self._forget(ticket)

    def _forget(self, ticket: Ticket[Key, Payload]) -> None:
        ticket.done = True
        self._waiting -= 1
        for key in ticket.keys:
            waiting = self._by_key[key]
            del waiting[ticket]
            if not waiting:
                del self._by_key[key]
