"""What the admin calls about groups give and take: both protocols of consumer groups in one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kq.client.admin.types import NOTHING, TopicPartition
from kq.errors import KafkaError

__all__ = [
    "CLASSIC",
    "CONSUMER",
    "GroupDescription",
    "GroupListing",
    "GroupListings",
    "GroupMember",
    "GroupOffset",
    "LeavingMember",
]

CLASSIC, CONSUMER = "classic", "consumer"  # types of groups, as brokers spell them in lower case


class GroupListing(NamedTuple):
    id: str
    state: str = ""  # as the broker spells it: Stable, Empty, PreparingRebalance, Assigning, ...; "": it does not say
    type: str = ""  # classic, consumer, share, streams; "" where the broker is too old to say
    protocol_type: str = ""  # consumer, connect, ...; "" for a group that has only ever committed


class GroupListings(NamedTuple):
    groups: Mapping[str, GroupListing]  # by id, in order
    errors: Mapping[int, KafkaError] = NOTHING  # by node id: those who could not be asked; their groups are missing


class GroupMember(NamedTuple):
    member_id: str
    client_id: str = ""
    host: str = ""  # as the broker sees it, without the slash that Java puts before it
    instance_id: str | None = None  # group.instance.id
    assignment: tuple[TopicPartition, ...] = ()  # in order
    target: tuple[TopicPartition, ...] | None = None  # type consumer: what it is to have; None: as assigned
    rack_id: str | None = None
    epoch: int | None = None  # type consumer only, as what follows
    topics: tuple[str, ...] = ()  # subscribed by name
    pattern: str | None = None  # subscribed by regular expression
    is_classic: bool | None = None  # speaks the classic protocol; None: the broker does not say


class GroupDescription(NamedTuple):
    id: str
    state: str = ""
    type: str = CLASSIC
    protocol_type: str = ""  # "consumer" for consumer groups of either type
    protocol: str = ""  # the assignor: range, cooperative-sticky, uniform, ...
    coordinator: int = -1  # node id
    members: tuple[GroupMember, ...] = ()
    epoch: int | None = None  # type consumer only
    assignment_epoch: int | None = None
    authorized_operations: frozenset[int] | None = None
    error: KafkaError | None = None  # GROUP_ID_NOT_FOUND: there is no such group

    @property
    def active(self) -> bool:
        return bool(self.members)


class GroupOffset(NamedTuple):
    """What a group has committed, or is to commit, for one partition. The next record it wants is that at `offset`."""

    offset: int = -1  # -1: nothing committed
    leader_epoch: int = -1  # of the last record read; -1: unknown
    metadata: str = ""  # whatever the committer wrote beside it
    error: KafkaError | None = None


class LeavingMember(NamedTuple):
    """Somebody to be removed, by either id."""

    member_id: str = ""
    instance_id: str | None = None
