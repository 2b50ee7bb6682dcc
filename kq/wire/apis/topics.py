"""Making and deleting topics, and giving them more partitions.

CreateTopics: -1 for counts means the broker's default from 4 on; 5 answers with the settings that took effect.
DeleteTopics: up to 5 by `topic_names`, from 6 by `topics`, each with a name or an id.
"""

from __future__ import annotations

from kq.wire.api import Api

CREATE_TOPICS = Api(
    19,
    "CreateTopics",
    versions="2-7",
    flexible="5+",
    request="""
topics: [Topic]
  name: string
  num_partitions: int32
  replication_factor: int16
  assignments: [Assignment]
    index: int32
    broker_ids: [int32]
  configs: [Config]
    name: string
    value: string?
timeout_ms: int32 = 60000
validate_only: bool
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string
  topic_id: uuid 7+ ignorable
  error_code: int16
  error_message: string?
  topic_config_error_code: int16 5+ ignorable tag 0
  num_partitions: int32 = -1 5+ ignorable
  replication_factor: int16 = -1 5+ ignorable
  configs: [Config]? 5+ ignorable
    name: string
    value: string?
    read_only: bool
    config_source: int8 = -1 ignorable
    is_sensitive: bool
""",
)

DELETE_TOPICS = Api(
    20,
    "DeleteTopics",
    versions="1-6",
    flexible="4+",
    request="""
topics: [Topic] 6+
  name: string?
  topic_id: uuid
topic_names: [string] 0-5 ignorable
timeout_ms: int32
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string?6+
  topic_id: uuid 6+ ignorable
  error_code: int16
  error_message: string? 5+ ignorable
""",
)

CREATE_PARTITIONS = Api(
    37,
    "CreatePartitions",
    versions="0-3",
    flexible="2+",
    request="""
topics: [Topic]
  name: string
  count: int32
  assignments: [Assignment]? = null
    broker_ids: [int32]
timeout_ms: int32
validate_only: bool
""",
    response="""
throttle_time_ms: int32
topics: [Topic]
  name: string
  error_code: int16
  error_message: string?
""",
)
