"""Replicas: the directories that hold them, who leads, and where they are moved.

`election_type`: 0 the preferred leader, 1 any (unclean).
"""

from __future__ import annotations

from kq.wire.api import Api

DESCRIBE_LOG_DIRS = Api(
    35,
    "DescribeLogDirs",
    versions="1-5",
    flexible="2+",
    request="""
topics: [Topic]?
  name: string
  partitions: [int32]
""",
    response="""
throttle_time_ms: int32
error_code: int16 3+ ignorable
log_dirs: [LogDir]
  error_code: int16
  log_dir: string
  topics: [Topic]
    name: string
    partitions: [Partition]
      index: int32
      partition_size: int64
      offset_lag: int64
      is_future_key: bool
  total_bytes: int64 = -1 4+ ignorable
  usable_bytes: int64 = -1 4+ ignorable
  is_cordoned: bool 5+ ignorable
""",
)

ALTER_REPLICA_LOG_DIRS = Api(
    34,
    "AlterReplicaLogDirs",
    versions="1-2",
    flexible="2+",
    request="""
dirs: [Dir]
  path: string
  topics: [Topic]
    name: string
    partitions: [int32]
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    error_code: int16
""",
)

ELECT_LEADERS = Api(
    43,
    "ElectLeaders",
    versions="0-2",
    flexible="2+",
    request="""
election_type: int8 1+
topics: [Topic]?
  name: string
  partitions: [int32]
timeout_ms: int32 = 60000
""",
    response="""
throttle_time_ms: int32
error_code: int16 1+
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    error_code: int16
    error_message: string?
""",
)

ALTER_PARTITION_REASSIGNMENTS = Api(
    45,
    "AlterPartitionReassignments",
    versions="0-1",
    flexible="0+",
    request="""
timeout_ms: int32 = 60000
allow_replication_factor_change: bool = true 1+
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    replicas: [int32]? = null
""",
    response="""
throttle_time_ms: int32
allow_replication_factor_change: bool = true 1+ ignorable
error_code: int16
error_message: string?
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    error_code: int16
    error_message: string?
""",
)

LIST_PARTITION_REASSIGNMENTS = Api(
    46,
    "ListPartitionReassignments",
    versions="0",
    flexible="0+",
    request="""
timeout_ms: int32 = 60000
topics: [Topic]? = null
  name: string
  partitions: [int32]
""",
    response="""
throttle_time_ms: int32
error_code: int16
error_message: string?
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    replicas: [int32]
    adding_replicas: [int32]
    removing_replicas: [int32]
""",
)
