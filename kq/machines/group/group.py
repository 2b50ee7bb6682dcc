"""What the coordinator asks of a group, whichever protocol its members speak."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from kq.errors import Err
from kq.machines.group.alarms import Alarm
from kq.machines.group.decision import Decision
from kq.machines.group.facts import Fact, OffsetCommitValue
from kq.machines.group.requests import CommitRequest, ListedGroup

CommitCheck: TypeAlias = Callable[[str, bytes, int], Err]  # topic, its id (ZERO_UUID: not said), partition


class Group(Protocol):
    """The checks raise KafkaError with what the client is told; nothing durable changes but by replay."""

    group_id: str
    type: str  # "classic", "consumer", as ListGroups says it

    @property
    def is_empty(self) -> bool:
        """Nobody is in it or on the way into it: it may be deleted."""
        ...

    def check_commit(self, request: CommitRequest, now_ms: int) -> CommitCheck | None:
        """Whether this may be committed; a classic member that may is alive, so its session begins anew. What is
        returned is asked about each partition."""
        ...

    def check_fetch(self, member_id: str | None, member_epoch: int) -> None: ...

    def check_forget(self) -> None:
        """Whether offsets may be deleted at all (OffsetDelete)."""
        ...

    def check_delete(self) -> None: ...

    def tombstones(self) -> list[Fact]:
        """What deletes the group; its offsets are apart."""
        ...

    def is_subscribed_to(self, topic: str) -> bool:
        """Offsets of such a topic are neither deleted nor expired."""
        ...

    def offset_ages_from(self, committed: OffsetCommitValue) -> int | None:
        """Since when the offset ages, in ms since the epoch; None: it does not."""
        ...

    def listed(self) -> ListedGroup: ...

    def ring(self, alarm: Alarm, now_ms: int, decision: Decision) -> None:
        """One of its alarms rang."""
        ...

    def loaded(self, now_ms: int, decision: Decision) -> None:
        """The log has been replayed: sessions begin."""
        ...

    def close(self, error: Err, decision: Decision) -> None:
        """The group is somebody else's or gone: its alarms stop, and everybody who waits is told."""
        ...
