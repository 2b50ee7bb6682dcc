"""Replicas and the directories that hold them."""

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
