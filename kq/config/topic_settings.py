"""The settings a topic goes by, as one typed, frozen value.

An attribute is the setting's name with `_` for `.`; units are in the names. Texts that were checked when they were set
are parsed here once, and a bad one is INVALID_CONFIG naming the setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kq.config.broker import BROKER
from kq.config.topic import TOPIC
from kq.config.valid import Value

FSYNC = "kq.log.fsync.before.ack"


class TopicSettings(NamedTuple):
    cleanup_policy: frozenset[str]
    compression_gzip_level: int
    compression_lz4_level: int
    compression_type: str
    compression_zstd_level: int
    delete_retention_ms: int
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    follower_replication_throttled_replicas: tuple[str, ...]
    index_interval_bytes: int
    internal_segment_bytes: int | None
    leader_replication_throttled_replicas: tuple[str, ...]
    local_retention_bytes: int
    local_retention_ms: int
    max_compaction_lag_ms: int
    max_message_bytes: int
    message_timestamp_after_max_ms: int
    message_timestamp_before_max_ms: int
    message_timestamp_type: str
    min_cleanable_dirty_ratio: float
    min_compaction_lag_ms: int
    min_insync_replicas: int
    preallocate: bool
    remote_log_copy_disable: bool
    remote_log_delete_on_disable: bool
    remote_storage_enable: bool
    retention_bytes: int
    retention_ms: int
    segment_bytes: int
    """What the log goes by: `internal.segment.bytes` where that is set."""
    segment_index_bytes: int
    segment_jitter_ms: int
    segment_ms: int
    unclean_leader_election_enable: bool
    fsync_before_ack: bool
    """The promise that `kq.log.fsync.before.ack=true` gives to all topics and `flush.messages=1` to one."""


def topic_settings(overrides: Mapping[str, str], broker: Mapping[str, str]) -> TopicSettings:
    """The settings of a topic: its own, else the broker's synonym, else the default.

    `broker` is what is set on the broker by any means (`resolve.BrokerLayers.merged`). Topics with equal settings share
    one object; 10,000 topics cost a dictionary lookup each.
    """
    return _topic_settings(frozenset(overrides.items()), frozenset(broker.items()))


@lru_cache(maxsize=4096)
def _topic_settings(overrides: frozenset[tuple[str, str]], broker: frozenset[tuple[str, str]]) -> TopicSettings:
    inherited = _inherited(broker)
    own = {name.replace(".", "_"): TOPIC.parse(name, text) for name, text in overrides}
    values: dict[str, Any] = inherited | own
    values["cleanup_policy"] = frozenset(values["cleanup_policy"])
    if values["internal_segment_bytes"] is not None:
        values["segment_bytes"] = values["internal_segment_bytes"]
    fsync = dict(broker).get(FSYNC, "")
    values["fsync_before_ack"] = values["flush_messages"] == 1 or bool(fsync and BROKER.parse(FSYNC, fsync))
    return TopicSettings(**values)


@lru_cache(maxsize=64)
def _inherited(broker: frozenset[tuple[str, str]]) -> dict[str, Value]:
    texts = dict(broker)
    return {name.replace(".", "_"): inherited_value(name, texts) for name in TOPIC}


def inherited_value(name: str, broker: Mapping[str, str]) -> Value:
    """What a topic setting is for topics that do not set it: the first synonym the broker sets, else the default."""
    setting = TOPIC[name]
    for synonym, factor in setting.synonyms:
        if synonym in broker:
            value = BROKER.parse(synonym, broker[synonym])
            if factor is not None and isinstance(value, int):
                value *= factor
            # Kafka's broker settings of retention time take any negative number for "no limit", the topic's only -1.
            return max(value, -1) if name == "retention.ms" and isinstance(value, int) else value
    return setting.default
