"""Fetch: batches out of partitions, for consumers and follower replicas.

Versions: 5 brings the log start offset; 7 sessions (KIP-227); 9 the leader epoch; 10 allows zstd; 11 the rack; 12 is
flexible and tells followers where they diverge (KIP-595); 13 names topics by id; 15 moves the replica id to a tag; 16
adds leaders' addresses; 17 the directory id; 18 the follower's high watermark.
"""

from __future__ import annotations

from kq.wire.api import Api

FETCH = Api(
    1,
    "Fetch",
    versions="4-18",
    flexible="12+",
    request="""
cluster_id: string? 12+ ignorable tag 0
replica_id: int32 = -1 0-14
replica_state: ReplicaState 15+ tag 1
  replica_id: int32 = -1
  replica_epoch: int64 = -1
max_wait_ms: int32
min_bytes: int32
max_bytes: int32 = 2147483647
isolation_level: int8
session_id: int32 7+ ignorable
session_epoch: int32 = -1 7+ ignorable
topics: [Topic]
  name: string 0-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [Partition]
    index: int32
    current_leader_epoch: int32 = -1 9+ ignorable
    fetch_offset: int64
    last_fetched_epoch: int32 = -1 12+
    log_start_offset: int64 = -1 5+ ignorable
    partition_max_bytes: int32
    replica_directory_id: uuid 17+ ignorable tag 0
    high_watermark: int64 = 9223372036854775807 18+ ignorable tag 1
forgotten_topics: [ForgottenTopic] 7+
  name: string 7-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [int32]
rack_id: string 11+ ignorable
""",
    response="""
throttle_time_ms: int32
error_code: int16 7+ ignorable
session_id: int32 7+
topics: [Topic]
  name: string 0-12 ignorable
  topic_id: uuid 13+ ignorable
  partitions: [Partition]
    index: int32
    error_code: int16
    high_watermark: int64
    last_stable_offset: int64 = -1
    log_start_offset: int64 = -1 5+ ignorable
    diverging_epoch: DivergingEpoch 12+ tag 0
      epoch: int32 = -1
      end_offset: int64 = -1
    current_leader: CurrentLeader 12+ tag 1
      leader_id: int32 = -1
      leader_epoch: int32 = -1
    snapshot_id: SnapshotId 12+ tag 2
      end_offset: int64 = -1
      epoch: int32 = -1
    aborted_transactions: [AbortedTransaction]?
      producer_id: int64
      first_offset: int64
    preferred_read_replica: int32 = -1 11+
    records: records?
node_endpoints: [NodeEndpoint] 16+ tag 0
  node_id: int32
  host: string
  port: int32
  rack: string?
""",
)
