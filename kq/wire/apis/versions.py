"""What a broker speaks. The response's header has no tag section at any version (`kq.wire.frame`)."""

from __future__ import annotations

from kq.wire.api import Api

API_VERSIONS = Api(
    18,
    "ApiVersions",
    versions="0-4",
    flexible="3+",
    request="""
client_software_name: string 3+ ignorable
client_software_version: string 3+ ignorable
""",
    response="""
error_code: int16
api_keys: [ApiKey]
  api_key: int16
  min_version: int16
  max_version: int16
throttle_time_ms: int32 1+ ignorable
supported_features: [SupportedFeature] 3+ ignorable tag 0
  name: string
  min_version: int16
  max_version: int16
finalized_features_epoch: int64 = -1 3+ ignorable tag 1
finalized_features: [FinalizedFeature] 3+ ignorable tag 2
  name: string
  max_version_level: int16
  min_version_level: int16
zk_migration_ready: bool 3+ ignorable tag 3
""",
)
