"""The records of `__consumer_offsets`: commits, groups of the classic protocol, and groups of the new one (KIP-848).

The tables are those of 4.3.1. Types 10 to 15 (share groups) and 17 to 23 (streams groups) are not kq's: they decode to
None, are kept by compaction and passed over by replay. Type 4 is read where an older Kafka wrote it, and never written.

`currentStateTimestamp`, `commitTimestamp` and the like are ms since the epoch. `state` of a member (8): 0 stable,
1 unrevoked partitions, 2 unreleased partitions, 127 unknown. A commit (1) with a `topic_id` that is not the topic's
is void: the topic was deleted and made again.
"""

from __future__ import annotations

from kq.wire.stored.table import Record, Stored, leading_int16

_COMMIT_KEY = """
group: string
topic: string
partition: int32
"""

_COMMIT_VALUE = """
offset: int64
leader_epoch: int32 = -1 3+ ignorable
metadata: string
commit_timestamp: int64
expire_timestamp: int64 = -1 1 ignorable
topic_id: uuid 4+ ignorable tag 0
"""

LEGACY_OFFSET_COMMIT = Stored(
    0, "LegacyOffsetCommit", key=_COMMIT_KEY, value=_COMMIT_VALUE, versions="0-4", flexible="4+", writes=0
)

OFFSET_COMMIT = Stored(1, "OffsetCommit", key=_COMMIT_KEY, value=_COMMIT_VALUE, versions="0-4", flexible="4+", writes=4)

GROUP_METADATA = Stored(
    2,
    "GroupMetadata",
    versions="0-4",
    flexible="4+",
    writes=3,
    key="""
group: string
""",
    value="""
protocol_type: string
generation: int32
protocol: string?
leader: string?
current_state_timestamp: int64 = -1 2+ ignorable
members: [Member]
  member_id: string
  group_instance_id: string? 3+ ignorable
  client_id: string
  client_host: string
  rebalance_timeout: int32 1+ ignorable
  session_timeout: int32
  subscription: bytes
  assignment: bytes
""",
)

CONSUMER_GROUP_METADATA = Stored(
    3,
    "ConsumerGroupMetadata",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
""",
    value="""
epoch: int32
metadata_hash: int64 tag 0
""",
)

CONSUMER_GROUP_PARTITION_METADATA = Stored(
    4,
    "ConsumerGroupPartitionMetadata",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
""",
    value="""
topics: [Topic]
  topic_id: uuid
  topic_name: string
  num_partitions: int32
  partition_metadata: [Partition]
    partition: int32
    racks: [string]
""",
)

CONSUMER_GROUP_MEMBER_METADATA = Stored(
    5,
    "ConsumerGroupMemberMetadata",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
member_id: string
""",
    value="""
instance_id: string?
rack_id: string?
client_id: string
client_host: string
subscribed_topic_names: [string]
subscribed_topic_regex: string?
rebalance_timeout_ms: int32 = -1
server_assignor: string?
classic_member_metadata: ClassicMember? tag 0
  session_timeout_ms: int32
  supported_protocols: [Protocol]
    name: string
    metadata: bytes
""",
)

CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA = Stored(
    6,
    "ConsumerGroupTargetAssignmentMetadata",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
""",
    value="""
assignment_epoch: int32
assignment_timestamp: int64 ignorable tag 0
""",
)

CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER = Stored(
    7,
    "ConsumerGroupTargetAssignmentMember",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
member_id: string
""",
    value="""
topic_partitions: [TopicPartition]
  topic_id: uuid
  partitions: [int32]
""",
)

CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT = Stored(
    8,
    "ConsumerGroupCurrentMemberAssignment",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
member_id: string
""",
    value="""
member_epoch: int32
previous_member_epoch: int32
state: int8
assigned_partitions: [TopicPartitions]
  topic_id: uuid
  partitions: [int32]
  assignment_epochs: [int32]? = null tag 0
partitions_pending_revocation: [TopicPartitions]
""",
)

CONSUMER_GROUP_REGULAR_EXPRESSION = Stored(
    16,
    "ConsumerGroupRegularExpression",
    versions="0",
    flexible="0+",
    writes=0,
    key="""
group_id: string
regular_expression: string
""",
    value="""
topics: [string]
version: int64
timestamp: int64
""",
)

BY_TYPE = {stored.type: stored for stored in list(vars().values()) if isinstance(stored, Stored)}


def decode(key: bytes, value: bytes | None) -> Record | None:
    """One record; None for types that are not kq's. Raises ProtocolError for bytes that are none, and for values of a
    version above those of 4.3.1."""
    stored = BY_TYPE.get(leading_int16(key))
    if stored is None:
        return None
    return Record(stored, stored.decode_key(key), None if value is None else stored.decode_value(value))
