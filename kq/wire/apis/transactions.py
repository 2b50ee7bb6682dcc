"""Transactions: what belongs to one, how it ends, and what is known of them.

AddPartitionsToTxn: up to 3 one transaction in the top-level fields, sent by clients; from 4 several in `transactions`,
sent by brokers. EndTxn 5 answers with the epoch that the producer goes on with (KIP-890).
"""

from __future__ import annotations

from kq.wire.api import Api

ADD_PARTITIONS_TO_TXN = Api(
    24,
    "AddPartitionsToTxn",
    versions="0-5",
    flexible="3+",
    request="""
transactions: [Transaction] 4+
  transactional_id: string
  producer_id: int64
  producer_epoch: int16
  verify_only: bool
  topics: [Topic]
    name: string
    partitions: [int32]
transactional_id: string 0-3
producer_id: int64 0-3
producer_epoch: int16 0-3
topics: [Topic] 0-3
""",
    response="""
throttle_time_ms: int32
error_code: int16 4+ ignorable
transactions: [Transaction] 4+
  transactional_id: string
  topics: [Topic]
    name: string
    partitions: [Partition]
      index: int32
      error_code: int16
topics: [Topic] 0-3
""",
)

ADD_OFFSETS_TO_TXN = Api(
    25,
    "AddOffsetsToTxn",
    versions="0-4",
    flexible="3+",
    request="""
transactional_id: string
producer_id: int64
producer_epoch: int16
group_id: string
""",
    response="""
throttle_time_ms: int32
error_code: int16
""",
)

END_TXN = Api(
    26,
    "EndTxn",
    versions="0-5",
    flexible="3+",
    request="""
transactional_id: string
producer_id: int64
producer_epoch: int16
committed: bool
""",
    response="""
throttle_time_ms: int32
error_code: int16
producer_id: int64 = -1 5+ ignorable
producer_epoch: int16 = -1 5+ ignorable
""",
)

WRITE_TXN_MARKERS = Api(
    27,
    "WriteTxnMarkers",
    versions="1-2",
    flexible="1+",
    request="""
markers: [Marker]
  producer_id: int64
  producer_epoch: int16
  transaction_result: bool
  topics: [Topic]
    name: string
    partitions: [int32]
  coordinator_epoch: int32
  transaction_version: int8 2+ ignorable
""",
    response="""
markers: [Marker]
  producer_id: int64
  topics: [Topic]
    name: string
    partitions: [Partition]
      index: int32
      error_code: int16
""",
)

TXN_OFFSET_COMMIT = Api(
    28,
    "TxnOffsetCommit",
    versions="0-5",
    flexible="3+",
    request="""
transactional_id: string
group_id: string
producer_id: int64
producer_epoch: int16
generation_id: int32 = -1 3+
member_id: string 3+
group_instance_id: string? 3+
topics: [Topic]
  name: string
  partitions: [Partition]
    index: int32
    committed_offset: int64
    committed_leader_epoch: int32 = -1 2+ ignorable
    committed_metadata: string?
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

DESCRIBE_TRANSACTIONS = Api(
    65,
    "DescribeTransactions",
    versions="0",
    flexible="0+",
    request="""
transactional_ids: [string]
""",
    response="""
throttle_time_ms: int32
transactions: [Transaction]
  error_code: int16
  transactional_id: string
  transaction_state: string
  transaction_timeout_ms: int32
  transaction_start_time_ms: int64
  producer_id: int64
  producer_epoch: int16
  topics: [Topic]
    name: string
    partitions: [int32]
""",
)

LIST_TRANSACTIONS = Api(
    66,
    "ListTransactions",
    versions="0-2",
    flexible="0+",
    request="""
state_filters: [string]
producer_id_filters: [int64]
duration_filter: int64 = -1 1+
transactional_id_pattern: string? 2+
""",
    response="""
throttle_time_ms: int32
error_code: int16
unknown_state_filters: [string]
transactions: [Transaction]
  transactional_id: string
  producer_id: int64
  transaction_state: string
""",
)
