"""What the cluster consists of: brokers, topics, partitions and their leaders.

Metadata: from 1 on null topics means all and an empty list none, at 0 an empty list means all; 10 brings topic ids, 12
asks by them; 13 a top-level error. DescribeTopicPartitions pages through large topics with a cursor (KIP-966).
"""

from __future__ import annotations

from kq.wire.api import Api

METADATA = Api(
    3,
    "Metadata",
    versions="0-13",
    flexible="9+",
    request="""
topics: [Topic]?1+
  topic_id: uuid 10+ ignorable
  name: string?10+
allow_auto_topic_creation: bool = true 4+
include_cluster_authorized_operations: bool 8-10
include_topic_authorized_operations: bool 8+
""",
    response="""
throttle_time_ms: int32 3+ ignorable
brokers: [Broker]
  node_id: int32
  host: string
  port: int32
  rack: string? 1+ ignorable
cluster_id: string? 2+ ignorable
controller_id: int32 = -1 1+ ignorable
topics: [Topic]
  error_code: int16
  name: string?12+
  topic_id: uuid 10+ ignorable
  is_internal: bool 1+ ignorable
  partitions: [Partition]
    error_code: int16
    index: int32
    leader_id: int32
    leader_epoch: int32 = -1 7+ ignorable
    replicas: [int32]
    isr: [int32]
    offline_replicas: [int32] 5+ ignorable
  topic_authorized_operations: int32 = -2147483648 8+
cluster_authorized_operations: int32 = -2147483648 8-10
error_code: int16 13+ ignorable
""",
)

DESCRIBE_TOPIC_PARTITIONS = Api(
    75,
    "DescribeTopicPartitions",
    versions="0",
    flexible="0+",
    request="""
topics: [Topic]
  name: string
response_partition_limit: int32 = 2000
cursor: Cursor?
  name: string
  index: int32
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  error_code: int16
  name: string?
  topic_id: uuid
  is_internal: bool
  partitions: [Partition]
    error_code: int16
    index: int32
    leader_id: int32
    leader_epoch: int32 = -1
    replicas: [int32]
    isr: [int32]
    eligible_leader_replicas: [int32]? = null
    last_known_elr: [int32]? = null
    offline_replicas: [int32]
  topic_authorized_operations: int32 = -2147483648
next_cursor: Cursor?
  name: string
  index: int32
""",
)

DESCRIBE_CLUSTER = Api(
    60,
    "DescribeCluster",
    versions="0-2",
    flexible="0+",
    request="""
include_cluster_authorized_operations: bool
endpoint_type: int8 = 1 1+
include_fenced_brokers: bool 2+
""",
    response="""
throttle_time_ms: int32
error_code: int16
error_message: string?
endpoint_type: int8 = 1 1+
cluster_id: string
controller_id: int32 = -1
brokers: [Broker]
  broker_id: int32
  host: string
  port: int32
  rack: string?
  is_fenced: bool 2+
cluster_authorized_operations: int32 = -2147483648
""",
)
