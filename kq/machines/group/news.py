"""What is to be told of a consumer group's next assignment: why its epoch rose, who came and went, since when.

Soft: gathered while deciding, and told (`Event`) when the assignment is remembered. After a restart what had been
gathered is lost; the next assignment says then that the coordinator has begun anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from kq.machines.group.events import Event
from kq.machines.group.reconciliation import Partitions


class News:
    def __init__(self) -> None:
        self._reasons: dict[str, None] = {}  # in the order in which they came, each once
        self._joined: dict[str, None] = {}
        self._left: dict[str, None] = {}
        self._since_ms: int | None = None
        self._ready: Event | None = None

    def changed(self, reason: str, now_ms: int, *, joined: str | None = None, left: str | None = None) -> None:
        self._since_ms = now_ms if self._since_ms is None else self._since_ms
        self._reasons[reason] = None
        for whom, come, gone in ((joined, self._joined, self._left), (left, self._left, self._joined)):
            if whom is not None:
                gone.pop(whom, None)
                come[whom] = None

    def assigned(
        self, group_id: str, epoch: int, now_ms: int, before: Mapping[str, Partitions], after: Mapping[str, Partitions]
    ) -> None:
        """A target is computed; it is told as soon as it is remembered."""
        self._ready = Event(
            group=group_id,
            generation=epoch,
            at_ms=now_ms,
            reason=", ".join(self._reasons) or "the coordinator has begun anew",
            joined=tuple(self._joined),
            left=tuple(self._left),
            moved_partitions=_moved(before, after),
            stood_ms=0 if self._since_ms is None else max(now_ms - self._since_ms, 0),
        )

    def remembered(self, epoch: int) -> list[Event]:
        """What can be told now, once."""
        ready, self._ready = self._ready, None
        if ready is None or ready.generation != epoch:
            return []
        self._reasons, self._joined, self._left, self._since_ms = {}, {}, {}, None
        return [ready]


def _moved(before: Mapping[str, Partitions], after: Mapping[str, Partitions]) -> int:
    """How many partitions are no longer their member's. Unchanged shares are the same objects or equal, and skipped."""
    count = 0
    for member_id, had in before.items():
        has = after.get(member_id, {})
        if had != has:
            count += sum(len(frozenset(had[topic]) - frozenset(has.get(topic, ()))) for topic in had)
    return count
