"""What happened to each group, generation by generation, for the status JSON: bounded, and in memory only, so that it
begins with the broker's start."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from kq.machines.group.events import Event

MOST_GENERATIONS = 50  # of one group
MOST_GROUPS = 1000  # the ones that moved last


class History:
    def __init__(self) -> None:
        self._events: OrderedDict[str, deque[Event]] = OrderedDict()

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.group not in self._events:
                self._events[event.group] = deque(maxlen=MOST_GENERATIONS)
            events_of = self._events[event.group]
            if events_of and (events_of[-1].generation, events_of[-1].at_ms) == (event.generation, event.at_ms):
                events_of[-1] = event  # it tells more
            else:
                events_of.append(event)
            self._events.move_to_end(event.group)
        while len(self._events) > MOST_GROUPS:
            self._events.popitem(last=False)

    @property
    def groups(self) -> Sequence[str]:
        """Those of which something is known, the one that moved last at the end. A copy: other threads read it."""
        return list(self._events)

    def of(self, group_id: str) -> Sequence[Event]:
        """Oldest first."""
        return tuple(self._events.get(group_id, ()))

    def shown(self, group_id: str) -> list[dict[str, Any]]:
        """The same for a JSON document, without the group's name."""
        return [
            {name: value for name, value in asdict(event).items() if name != "group"} for event in self.of(group_id)
        ]
