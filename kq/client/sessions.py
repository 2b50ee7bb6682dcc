"""Fetch sessions (KIP-227): a broker remembers what one consumer reads, and each request only says what has changed.

Pure. Rules, as Kafka's `FetchSessionHandler` has them:
- A full request (epoch 0) names every partition and opens a session; the answer gives its id, or 0 when the broker has
  no room for one, and then the next request is full again.
- An incremental request (epoch 1, 2, ... and after 2^31-1 again 1) names the partitions that are new or whose place or
  size changed, and those to forget. The session's partitions are exactly what the last request said.
- When the broker does not know the session or its epoch (70, 71), or topics changed their ids (106, 103), the next
  request is full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["FetchPlan", "FetchSession", "Place"]

FULL = 0
SESSIONLESS = -1
MAX_EPOCH = 2**31 - 1

TopicKey = tuple[str, bytes]  # name and id: a topic made anew is another one
Reading = tuple[TopicKey, int]


class Place(NamedTuple):
    """What is asked about one partition."""

    offset: int
    leader_epoch: int
    max_bytes: int


class FetchPlan(NamedTuple):
    session_id: int
    epoch: int
    send: dict[Reading, Place]
    forget: list[Reading]


class FetchSession:
    """The session of one consumer with one broker."""

    def __init__(self) -> None:
        self._id = 0
        self._epoch = FULL
        self._known: dict[Reading, Place] = {}

    def plan(self, wanted: Mapping[Reading, Place]) -> FetchPlan:
        """The next request, after which the broker knows `wanted`."""
        if self._epoch == FULL:
            plan = FetchPlan(0, FULL, dict(wanted), [])
        else:
            changed = {reading: place for reading, place in wanted.items() if self._known.get(reading) != place}
            gone = [reading for reading in self._known if reading not in wanted]
            plan = FetchPlan(self._id, self._epoch, changed, gone)
        self._known = dict(wanted)
        return plan

    def answered(self, session_id: int) -> None:
        """The answer came, without an error of the session."""
        if session_id == 0:
            self.reset()
        elif self._epoch == FULL:
            self._id, self._epoch = session_id, 1
        else:
            self._epoch = self._epoch + 1 if self._epoch < MAX_EPOCH else 1

    def reset(self) -> None:
        """The next request is a full one."""
        self._id, self._epoch = 0, FULL
        self._known = {}
