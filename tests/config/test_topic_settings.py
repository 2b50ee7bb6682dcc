"""What a topic goes by: its own settings, the broker's, the defaults."""

from __future__ import annotations

import pytest

from kq.config import TOPIC, topic_settings
from kq.errors import Err, KafkaError

NEVER = (1 << 63) - 1


def test_one_attribute_for_each_topic_setting_and_the_promise():
    attributes = set(topic_settings({}, {})._fields)
    assert attributes == {name.replace(".", "_") for name in TOPIC} | {"fsync_before_ack"}


def test_the_defaults():
    settings = topic_settings({}, {})
    assert settings.cleanup_policy == {"delete"}
    assert settings.retention_ms == 604_800_000
    assert settings.segment_bytes == 1 << 30
    assert settings.max_message_bytes == 1_048_588
    assert settings.message_timestamp_after_max_ms == 3_600_000
    assert settings.flush_messages == NEVER
    assert settings.leader_replication_throttled_replicas == ()
    assert settings.min_cleanable_dirty_ratio == 0.5
    assert not settings.fsync_before_ack


def test_own_settings_win_over_the_brokers():
    broker = {"log.retention.ms": "5000", "log.segment.bytes": "2000000", "message.max.bytes": " 900 "}
    settings = topic_settings({"retention.ms": " 7000 ", "cleanup.policy": "compact , delete"}, broker)
    assert settings.retention_ms == 7000
    assert settings.segment_bytes == 2_000_000
    assert settings.max_message_bytes == 900
    assert settings.cleanup_policy == {"compact", "delete"}


@pytest.mark.parametrize(
    ("broker", "retention_ms"),
    [
        ({"log.retention.hours": "2"}, 7_200_000),
        ({"log.retention.hours": "2", "log.retention.minutes": "3"}, 180_000),
        ({"log.retention.hours": "2", "log.retention.minutes": "3", "log.retention.ms": "4"}, 4),
        ({"log.retention.hours": "-1"}, -1),
        ({"log.retention.minutes": "-5"}, -1),
        ({"log.retention.ms": "-5"}, -1),
    ],
)
def test_retention_time_in_the_brokers_three_units(broker: dict[str, str], retention_ms: int):
    assert topic_settings({}, broker).retention_ms == retention_ms


def test_rolling_in_hours_and_flushing_by_either_name():
    settings = topic_settings({}, {"log.roll.hours": "5", "log.roll.jitter.hours": "1"})
    assert (settings.segment_ms, settings.segment_jitter_ms) == (18_000_000, 3_600_000)
    assert topic_settings({}, {"log.flush.scheduler.interval.ms": "5000"}).flush_ms == 5000
    assert topic_settings({}, {"log.flush.scheduler.interval.ms": "5", "log.flush.interval.ms": "9"}).flush_ms == 9


def test_internal_segment_bytes_takes_precedence():
    settings = topic_settings({"internal.segment.bytes": "2000", "segment.bytes": "2000000"}, {})
    assert (settings.segment_bytes, settings.internal_segment_bytes) == (2000, 2000)


@pytest.mark.parametrize(
    ("own", "broker", "promised"),
    [
        ({}, {}, False),
        ({}, {"kq.log.fsync.before.ack": "true"}, True),
        ({}, {"kq.log.fsync.before.ack": "false"}, False),
        ({"flush.messages": "1"}, {}, True),
        ({"flush.messages": "2"}, {}, False),
        ({}, {"log.flush.interval.messages": "1"}, True),
        ({"flush.messages": "1000"}, {"log.flush.interval.messages": "1"}, False),
        ({"flush.messages": "1000"}, {"kq.log.fsync.before.ack": "TRUE"}, True),
    ],
)
def test_fsync_before_ack_is_promised_by_either_setting(own: dict[str, str], broker: dict[str, str], promised: bool):
    assert topic_settings(own, broker).fsync_before_ack is promised


def test_bad_texts_are_refused_wherever_they_stand():
    with pytest.raises(KafkaError, match=r"segment\.ms cannot be '0'"):
        topic_settings({"segment.ms": "0"}, {})
    with pytest.raises(KafkaError, match=r"log\.roll\.ms cannot be 'x'") as raised:
        topic_settings({}, {"log.roll.ms": "x"})
    assert raised.value.code is Err.INVALID_CONFIG


def test_equal_settings_share_one_object():
    assert topic_settings({"segment.ms": "5"}, {"num.partitions": "3"}) is topic_settings(
        {"segment.ms": "5"}, {"num.partitions": "3"}
    )
    assert topic_settings({"segment.ms": "5"}, {}) is not topic_settings({"segment.ms": "6"}, {})
