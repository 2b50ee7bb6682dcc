"""Producing records."""

from __future__ import annotations

from kq.wire.api import Api

PRODUCE = Api(
    0,
    "Produce",
    versions="3-13",
    advertised="0-13",
    flexible="9+",
    request="""
transactional_id: string?
acks: int16
timeout_ms: int32
topics: [Topic]
  name: string 3-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [Partition]
    index: int32
    records: records?
""",
    response="""
topics: [Topic]
  name: string 3-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [Partition]
    index: int32
    error_code: int16
    base_offset: int64
    log_append_time_ms: int64 = -1
    log_start_offset: int64 = -1 5+ ignorable
    record_errors: [RecordError] 8+ ignorable
      batch_index: int32
      message: string?
    error_message: string? 8+ ignorable
    current_leader: CurrentLeader 10+ tag 0
      leader_id: int32 = -1
      leader_epoch: int32 = -1
throttle_time_ms: int32
node_endpoints: [NodeEndpoint] 10+ tag 0
  node_id: int32
  host: string
  port: int32
  rack: string?
""",
)
