"""Produce: record batches into partitions.

Versions: 3 brings batches of format v2 and the transactional id; 7 allows zstd; 8 adds errors by record; 9 is flexible;
10 adds the current leader to errors; 13 names topics by id. A broker advertises 0, because librdkafka stops compressing
otherwise (KAFKA-18659), yet nobody speaks 0 to 2: those are not in the tables.
"""

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
  name: string 0-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [Partition]
    index: int32
    records: records?
""",
    response="""
topics: [Topic]
  name: string 0-12 ignorable
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
