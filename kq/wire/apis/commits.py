"""Committed offsets of groups.

OffsetFetch asks up to 7 for one group in the top-level fields (from 2 on null topics: all), from 8 for several in
`groups`; both it and OffsetCommit name topics by id from 10.
"""

from __future__ import annotations

from kq.wire.api import Api

OFFSET_COMMIT = Api(
    8,
    "OffsetCommit",
    versions="2-10",
    flexible="8+",
    request="""
group_id: string
generation_id_or_member_epoch: int32 = -1
member_id: string
group_instance_id: string? 7+
retention_time_ms: int64 = -1 2-4 ignorable
topics: [Topic]
  name: string 0-9 ignorable
  topic_id: uuid 10+ ignorable
  partitions: [Partition]
    index: int32
    committed_offset: int64
    committed_leader_epoch: int32 = -1 6+ ignorable
    committed_metadata: string?
""",
    response="""
throttle_time_ms: int32 3+ ignorable
topics: [Topic]
  name: string 0-9 ignorable
  topic_id: uuid 10+ ignorable
  partitions: [Partition]
    index: int32
    error_code: int16
""",
)

OFFSET_FETCH = Api(
    9,
    "OffsetFetch",
    versions="1-10",
    flexible="6+",
    request="""
group_id: string 0-7
topics: [Topic]?2+ 0-7
  name: string 0-9 ignorable
  topic_id: uuid 10+ ignorable
  partitions: [int32]
groups: [Group] 8+
  group_id: string
  member_id: string? 9+ ignorable
  member_epoch: int32 = -1 9+ ignorable
  topics: [Topic]?
require_stable: bool 7+
""",
    response="""
throttle_time_ms: int32 3+ ignorable
topics: [Topic] 0-7
  name: string 0-9 ignorable
  topic_id: uuid 10+ ignorable
  partitions: [Partition]
    index: int32
    committed_offset: int64
    committed_leader_epoch: int32 = -1 5+ ignorable
    metadata: string?
    error_code: int16
error_code: int16 2-7 ignorable
groups: [Group] 8+
  group_id: string
  topics: [Topic]
  error_code: int16
""",
)

OFFSET_DELETE = Api(
    47,
    "OffsetDelete",
    versions="0",
    flexible="none",
    request="""
group_id: string
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
""",
    response="""
error_code: int16
throttle_time_ms: int32
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    error_code: int16
""",
)
