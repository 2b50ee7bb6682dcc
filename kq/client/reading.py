"""The state of reading one partition: where, how far, and what stands in the way."""

from __future__ import annotations

from typing import NamedTuple

from kq.client.admin.types import EARLIEST, LATEST
from kq.errors import KafkaError

__all__ = ["Reader", "Watermarks"]


class Watermarks(NamedTuple):
    """What the leader said last, -1 where it has not said anything yet."""

    start: int = -1  # the first offset that still exists
    stable: int = -1  # read_committed sees nothing at or after it
    high: int = -1  # nobody sees anything at or after it


class Reader:
    """`place` runs ahead of `position` by what was fetched and not taken yet.

    `turn` counts the times that reading was moved from outside; an answer to a request of an earlier turn is ignored.
    """

    __slots__ = (
        "epoch_checked", "epoch_read", "missing_since_s", "near_node", "near_until_s", "partition", "paused", "place",
        "position", "retry_at_s", "stop", "stopped", "topic", "topic_id", "turn", "watermarks",
    )  # fmt: skip

    def __init__(self, topic: str, partition: int, place: int, stop: int | None) -> None:
        self.topic = topic
        self.partition = partition
        self.topic_id: bytes | None = None  # of the topic that was read; another one is a topic made anew
        self.stop = stop  # offset at which reading ends; None: never
        self.paused = False
        self.watermarks = Watermarks()
        self.retry_at_s = 0.0  # nothing is asked before
        self.missing_since_s: float | None = None  # when the topic was first found missing
        self.near_node = -1  # a replica to read from instead of the leader (KIP-392) ...
        self.near_until_s = 0.0  # ... until then
        self.turn = 0
        self.move(place)

    def move(self, place: int) -> None:
        """Continues from an offset, or from EARLIEST or LATEST."""
        self.place = place  # the next offset to fetch; EARLIEST or LATEST until that was looked up
        self.position = place if place >= 0 else None  # the next offset to hand out
        self.stopped: KafkaError | None = None  # reading ended by this until it is moved
        self.epoch_read = -1  # leader epoch of the batch before `place`, -1 when unknown
        self.epoch_checked = -1  # leader epoch for which it is known that `place` was not cut off (KIP-320)
        self.turn += 1

    @property
    def unresolved(self) -> bool:
        return self.place in {EARLIEST, LATEST}

    @property
    def exhausted(self) -> bool:
        """All that was wanted has been fetched."""
        return self.stop is not None and not self.unresolved and self.place >= self.stop

    @property
    def finished(self) -> bool:
        """All that was wanted has been handed out, or nothing more ever will be."""
        if self.stopped is not None:
            return True
        return self.exhausted and self.position is not None and self.stop is not None and self.position >= self.stop

    def active(self, now_s: float) -> bool:
        """Whether something is to be done for it now."""
        return not (self.paused or self.stopped or self.exhausted or self.retry_at_s > now_s)
