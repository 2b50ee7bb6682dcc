"""What is asked of the group coordinator and what it answers, with the wire messages' field names but without versions.

Where Kafka decides by API version, a request says what its sender can do (`member_id_required`, `may_skip_assignment`),
or the handler translates: OffsetCommit below 9 turns GROUP_ID_NOT_FOUND into ILLEGAL_GENERATION and STALE_MEMBER_EPOCH
into UNSUPPORTED_VERSION; DescribeGroups below 6 drops GROUP_ID_NOT_FOUND; JoinGroup below 7 writes no null names;
LeaveGroup below 3 puts its one member's error on top.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kq.errors import Err
from kq.machines.group.facts import ZERO_UUID


# JoinGroup
@dataclass(slots=True, kw_only=True)
class JoinRequest:
    group_id: str
    member_id: str
    group_instance_id: str | None = None
    client_id: str
    client_host: str  # as Java prints an address: "/127.0.0.1"
    session_timeout_ms: int
    rebalance_timeout_ms: int = -1  # -1: the session timeout (version 0)
    protocol_type: str
    protocols: Sequence[tuple[str, bytes]]  # name and metadata, the preferred first
    reason: str | None = None
    member_id_required: bool = True  # version 4+ (KIP-394)
    may_skip_assignment: bool = True  # version 9+ (KIP-814)

    @property
    def patience_ms(self) -> int:
        """How long the member is waited for when the group rebalances."""
        return self.rebalance_timeout_ms if self.rebalance_timeout_ms >= 0 else self.session_timeout_ms


class JoinedMember(NamedTuple):
    member_id: str
    group_instance_id: str | None
    metadata: bytes


class JoinResult(NamedTuple):
    error_code: Err = Err.NONE
    generation_id: int = -1
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    skip_assignment: bool = False
    member_id: str = ""
    members: Sequence[JoinedMember] = ()


# SyncGroup
@dataclass(slots=True, kw_only=True)
class SyncRequest:
    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None = None
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignments: Mapping[str, bytes]  # by member id; the leader's


class SyncResult(NamedTuple):
    error_code: Err = Err.NONE
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


# Heartbeat
class HeartbeatResult(NamedTuple):
    error_code: Err = Err.NONE


# LeaveGroup
class LeavingMember(NamedTuple):
    member_id: str
    group_instance_id: str | None = None
    reason: str | None = None


class LeftMember(NamedTuple):
    member_id: str
    group_instance_id: str | None
    error_code: Err = Err.NONE


class LeaveResult(NamedTuple):
    members: Sequence[LeftMember]


# OffsetCommit: the topics are the decoded message's own, without those that the handler refused
class CommitPartition(Protocol):
    index: int
    committed_offset: int
    committed_leader_epoch: int
    committed_metadata: str | None


class CommitTopic(Protocol):
    name: str
    topic_id: bytes
    partitions: Sequence[CommitPartition]


@dataclass(slots=True, kw_only=True)
class CommitRequest:
    group_id: str
    generation_id_or_member_epoch: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    retention_time_ms: int = -1
    knows_member_epochs: bool = True  # version 9+ (KIP-848)
    topics: Sequence[CommitTopic]


@dataclass(slots=True)
class CommittedPartition:
    index: int
    error_code: Err


class CommittedTopic(NamedTuple):
    name: str
    topic_id: bytes
    partitions: Sequence[CommittedPartition]


# OffsetFetch
class FetchTopic(NamedTuple):
    name: str
    partitions: Sequence[int]
    topic_id: bytes = ZERO_UUID


@dataclass(slots=True)
class FetchedOffset:
    index: int
    committed_offset: int = -1
    committed_leader_epoch: int = -1
    metadata: str = ""
    error_code: Err = Err.NONE


class FetchedTopic(NamedTuple):
    name: str
    topic_id: bytes
    partitions: Sequence[FetchedOffset]


# OffsetDelete, DeleteGroups
@dataclass(slots=True)
class ForgottenPartition:
    index: int
    error_code: Err


class ForgottenTopic(NamedTuple):
    name: str
    partitions: Sequence[ForgottenPartition]


class DeletedGroup(NamedTuple):
    group_id: str
    error_code: Err


# ListGroups, DescribeGroups
class ListedGroup(NamedTuple):
    group_id: str
    protocol_type: str
    group_state: str
    group_type: str


class DescribedMember(NamedTuple):
    """Metadata are shown of a stable group only."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    member_metadata: bytes = b""
    member_assignment: bytes = b""


class DescribedGroup(NamedTuple):
    group_id: str
    error_code: Err = Err.NONE
    error_message: str | None = None
    group_state: str = ""
    protocol_type: str = ""
    protocol_data: str = ""
    members: Sequence[DescribedMember] = ()
