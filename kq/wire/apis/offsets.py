"""Where a partition's log begins and ends: lookup by time, ends of leader epochs, deletion of its beginning.

ListOffsets' `timestamp` is a time or one of -1 latest, -2 earliest, -3 of the greatest timestamp (from 7), -4 earliest
local (8), -5 latest tiered (9), -6 earliest pending upload (11).
"""

from __future__ import annotations

from kq.wire.api import Api

LIST_OFFSETS = Api(
    2,
    "ListOffsets",
    versions="1-11",
    flexible="6+",
    request="""
replica_id: int32 = -1
isolation_level: int8 2+
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    current_leader_epoch: int32 = -1 4+ ignorable
    timestamp: int64
timeout_ms: int32 10+ ignorable
""",
    response="""
throttle_time_ms: int32 2+ ignorable
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    error_code: int16
    timestamp: int64 = -1
    offset: int64 = -1
    leader_epoch: int32 = -1 4+
""",
)

OFFSET_FOR_LEADER_EPOCH = Api(
    23,
    "OffsetForLeaderEpoch",
    versions="2-4",
    flexible="4+",
    request="""
replica_id: int32 = -2 3+ ignorable
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    current_leader_epoch: int32 = -1
    leader_epoch: int32
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string
  partitions: [Partition]
    error_code: int16
    index: int32
    leader_epoch: int32 = -1
    end_offset: int64 = -1
""",
)

DELETE_RECORDS = Api(
    21,
    "DeleteRecords",
    versions="0-2",
    flexible="2+",
    request="""
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    offset: int64
timeout_ms: int32
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    low_watermark: int64
    error_code: int16
""",
)
