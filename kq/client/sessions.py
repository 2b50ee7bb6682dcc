"""Fetch sessions (KIP-227): a broker remembers what one consumer reads, and each request only says what has changed.

Pure. Rules, as Kafka's `FetchSessionHandler` has them:
- A full request (epoch 0) names every partition and opens a session; the answer gives its id, or 0 when the broker has
  no room for one, and then the next request is full again.
- An incremental request (epoch 1, 2, ... and after 2^31-1 again 1) names the partitions that are new or whose place or
  size changed, and those to forget. The session's partitions are exactly what the last request said.
- When the broker does not know the session or its epoch (70, 71), or topics changed their ids (106, 103), the next
  request is full.

Unlike there, nothing is compared: `want` and `drop` say what changes, so an incremental request costs as much as has
changed since the last one, however many partitions the session has.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FetchPlan", "FetchSession", "Place", "Reading"]

FULL = 0
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
        self._wanted: dict[Reading, Place] = {}
        self._told: set[Reading] = set()  # what the broker knows of; says nothing while a full request is due
        self._changed: dict[Reading, None] = {}  # wanted, and the broker does not know (all of) it
        self._unwanted: dict[Reading, None] = {}  # told, and not wanted any more

    def want(self, reading: Reading, place: Place) -> None:
        """From the next request on the broker is to read this partition from here."""
        if self._wanted.get(reading) != place:
            self._wanted[reading] = place
            self._changed[reading] = None
            self._unwanted.pop(reading, None)

    def drop(self, reading: Reading) -> None:
        """From the next request on the broker is not to read this partition."""
        if self._wanted.pop(reading, None) is not None:
            self._changed.pop(reading, None)
            if reading in self._told:
                self._unwanted[reading] = None

    def plan(self) -> FetchPlan:
        """The next request, after which the broker knows exactly what is wanted."""
        if self._epoch == FULL:
            plan = FetchPlan(0, FULL, dict(self._wanted), [])
            self._told = set(self._wanted)
        else:
            changed = {reading: self._wanted[reading] for reading in self._changed}
            plan = FetchPlan(self._id, self._epoch, changed, list(self._unwanted))
            self._told.update(changed)
            self._told.difference_update(self._unwanted)
        self._changed.clear()
        self._unwanted.clear()
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
