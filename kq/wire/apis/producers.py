"""Producer ids, and what partitions know of those who use them."""

from __future__ import annotations

from kq.wire.api import Api

INIT_PRODUCER_ID = Api(
    22,
    "InitProducerId",
    versions="0-5",
    flexible="2+",
    request="""
transactional_id: string?
transaction_timeout_ms: int32
producer_id: int64 = -1 3+
producer_epoch: int16 = -1 3+
""",
    response="""
throttle_time_ms: int32
error_code: int16
producer_id: int64 = -1
producer_epoch: int16
""",
)

DESCRIBE_PRODUCERS = Api(
    61,
    "DescribeProducers",
    versions="0",
    flexible="0+",
    request="""
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
    error_message: string?
    active_producers: [Producer]
      producer_id: int64
      producer_epoch: int32
      last_sequence: int32 = -1
      last_timestamp: int64 = -1
      coordinator_epoch: int32
      current_txn_start_offset: int64 = -1
""",
)
