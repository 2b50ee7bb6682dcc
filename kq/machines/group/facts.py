"""What the group coordinator remembers: the keys and values of `__consumer_offsets`, typed.

A fact is `(key, value)`; a value of None is a tombstone. Names are those of Kafka 4.3.1's stored tables in snake case
(`kq.wire.stored` encodes them); uuids are 16 bytes. `TYPES` is the table by record type, which stands in the first two
bytes of the stored key. -1 as a timestamp or timeout means that an older version of the record did not have it.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

ZERO_UUID = bytes(16)


# Committed offsets (types 0 and 1; only 1 is written)
class OffsetCommitKey(NamedTuple):
    group: str
    topic: str
    partition: int


class OffsetCommitValue(NamedTuple):
    """`expire_timestamp` is there when the commit brought a retention of its own (OffsetCommit up to version 4)."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""
    commit_timestamp: int = -1
    expire_timestamp: int = -1
    topic_id: bytes = ZERO_UUID


# A group of the classic protocol (type 2)
class GroupMetadataKey(NamedTuple):
    group: str


class MemberMetadata(NamedTuple):
    """`subscription` is what the member said under the chosen protocol, `assignment` what the leader gave it."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    rebalance_timeout: int
    session_timeout: int
    subscription: bytes
    assignment: bytes


class GroupMetadataValue(NamedTuple):
    """`protocol_type` is empty for a group that nobody has joined."""

    protocol_type: str
    generation: int
    protocol: str | None
    leader: str | None
    current_state_timestamp: int
    members: tuple[MemberMetadata, ...]


# A group of the consumer protocol, KIP-848 (types 3, 5, 6, 7, 8, 16)
class ConsumerGroupMetadataKey(NamedTuple):
    group_id: str


class ConsumerGroupMetadataValue(NamedTuple):
    epoch: int
    metadata_hash: int = 0


class ConsumerGroupMemberMetadataKey(NamedTuple):
    group_id: str
    member_id: str


class ClassicProtocol(NamedTuple):
    name: str
    metadata: bytes


class ClassicMemberMetadata(NamedTuple):
    """What a member that speaks the classic protocol brought into a consumer group."""

    session_timeout_ms: int
    supported_protocols: tuple[ClassicProtocol, ...]


class ConsumerGroupMemberMetadataValue(NamedTuple):
    instance_id: str | None
    rack_id: str | None
    client_id: str
    client_host: str
    subscribed_topic_names: tuple[str, ...]
    subscribed_topic_regex: str | None
    rebalance_timeout_ms: int
    server_assignor: str | None
    classic_member_metadata: ClassicMemberMetadata | None = None


class ConsumerGroupTargetAssignmentMetadataKey(NamedTuple):
    group_id: str


class ConsumerGroupTargetAssignmentMetadataValue(NamedTuple):
    assignment_epoch: int
    assignment_timestamp: int = 0


class ConsumerGroupTargetAssignmentMemberKey(NamedTuple):
    group_id: str
    member_id: str


class TargetTopic(NamedTuple):
    topic_id: bytes
    partitions: tuple[int, ...]


class ConsumerGroupTargetAssignmentMemberValue(NamedTuple):
    topic_partitions: tuple[TargetTopic, ...]


class ConsumerGroupCurrentMemberAssignmentKey(NamedTuple):
    group_id: str
    member_id: str


class AssignedTopic(NamedTuple):
    """`assignment_epochs` runs beside `partitions`: since which epoch the member has each (None: not known)."""

    topic_id: bytes
    partitions: tuple[int, ...]
    assignment_epochs: tuple[int, ...] | None = None


class ConsumerGroupCurrentMemberAssignmentValue(NamedTuple):
    member_epoch: int
    previous_member_epoch: int
    state: int
    assigned_partitions: tuple[AssignedTopic, ...]
    partitions_pending_revocation: tuple[AssignedTopic, ...]


class ConsumerGroupRegularExpressionKey(NamedTuple):
    group_id: str
    regular_expression: str


class ConsumerGroupRegularExpressionValue(NamedTuple):
    topics: tuple[str, ...]
    version: int
    timestamp: int


ConsumerKey: TypeAlias = (
    ConsumerGroupMetadataKey
    | ConsumerGroupMemberMetadataKey
    | ConsumerGroupTargetAssignmentMetadataKey
    | ConsumerGroupTargetAssignmentMemberKey
    | ConsumerGroupCurrentMemberAssignmentKey
    | ConsumerGroupRegularExpressionKey
)
Key: TypeAlias = OffsetCommitKey | GroupMetadataKey | ConsumerKey
Value: TypeAlias = (
    OffsetCommitValue
    | GroupMetadataValue
    | ConsumerGroupMetadataValue
    | ConsumerGroupMemberMetadataValue
    | ConsumerGroupTargetAssignmentMetadataValue
    | ConsumerGroupTargetAssignmentMemberValue
    | ConsumerGroupCurrentMemberAssignmentValue
    | ConsumerGroupRegularExpressionValue
)
Fact: TypeAlias = tuple[Key, Value | None]

# Record type -> key and value. Type 0 is an old spelling of 1; types that are not here are skipped when loading.
TYPES: dict[int, tuple[type[Key], type[Value]]] = {
    1: (OffsetCommitKey, OffsetCommitValue),
    2: (GroupMetadataKey, GroupMetadataValue),
    3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
    16: (ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
}
