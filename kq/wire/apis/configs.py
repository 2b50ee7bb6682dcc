"""Settings of topics, brokers, groups and client metrics.

`resource_type`: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group. `config_operation`: 0 set, 1 delete,
2 append, 3 subtract.
"""

from __future__ import annotations

from kq.wire.api import Api

DESCRIBE_CONFIGS = Api(
    32,
    "DescribeConfigs",
    versions="1-4",
    flexible="4+",
    request="""
resources: [Resource]
  resource_type: int8
  resource_name: string
  configuration_keys: [string]?
include_synonyms: bool
include_documentation: bool 3+
""",
    response="""
throttle_time_ms: int32
results: [Result]
  error_code: int16
  error_message: string?
  resource_type: int8
  resource_name: string
  configs: [Config]
    name: string
    value: string?
    read_only: bool
    config_source: int8 = -1
    is_sensitive: bool
    synonyms: [Synonym]
      name: string
      value: string?
      source: int8
    config_type: int8 3+ ignorable
    documentation: string? 3+ ignorable
""",
)

ALTER_CONFIGS = Api(
    33,
    "AlterConfigs",
    versions="0-2",
    flexible="2+",
    request="""
resources: [Resource]
  resource_type: int8
  resource_name: string
  configs: [Config]
    name: string
    value: string?
validate_only: bool
""",
    response="""
throttle_time_ms: int32
results: [Result]
  error_code: int16
  error_message: string?
  resource_type: int8
  resource_name: string
""",
)

INCREMENTAL_ALTER_CONFIGS = Api(
    44,
    "IncrementalAlterConfigs",
    versions="0-1",
    flexible="1+",
    request="""
resources: [Resource]
  resource_type: int8
  resource_name: string
  configs: [Config]
    name: string
    config_operation: int8
    value: string?
validate_only: bool
""",
    response="""
throttle_time_ms: int32
results: [Result]
  error_code: int16
  error_message: string?
  resource_type: int8
  resource_name: string
""",
)

LIST_CONFIG_RESOURCES = Api(
    74,
    "ListConfigResources",
    versions="0-1",
    flexible="0+",
    request="""
resource_types: [int8] 1+
""",
    response="""
throttle_time_ms: int32
error_code: int16
resources: [Resource]
  resource_name: string
  resource_type: int8 = 16 1+ ignorable
""",
)
